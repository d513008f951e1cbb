//! Who has a device open, and whether the daemon's user may open it.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User as Account, geteuid, getgrouplist};

use crate::domain::attached::{Access, Holder};

/// The daemon's program, as the kernel shortens it.
const DAEMON: &str = "smartposd";
/// The groups that the unit gives to the daemon beside its own (`SupplementaryGroups=`).
pub(super) const UNIT_GROUPS: [&str; 2] = ["dialout", "input"];
/// Of one process that many open files are looked at, and so many processes.
const MOST: usize = 4096;

/// Which process has which node open.
pub(super) struct Holders {
    by_node: HashMap<PathBuf, (String, u32)>,
    all_seen: bool,
}

impl Holders {
    /// Looks at all processes whose files may be seen.
    pub(super) fn seen(proc: &Path) -> Self {
        let mut by_node = HashMap::new();
        for process in fs::read_dir(proc).into_iter().flatten().flatten().take(MOST) {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let name = || fs::read_to_string(process.path().join("comm")).unwrap_or_default().trim().to_owned();
            for file in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten().take(MOST) {
                if let Ok(node) = fs::read_link(file.path())
                    && node.starts_with("/dev")
                {
                    by_node.entry(node).or_insert_with(|| (name(), pid));
                }
            }
        }
        Self { by_node, all_seen: geteuid().is_root() }
    }

    pub(super) fn of(&self, node: &Path) -> Holder {
        match self.by_node.get(node) {
            Some((name, _)) if name == DAEMON => Holder::Daemon,
            Some((name, pid)) => Holder::Other { name: name.clone(), pid: *pid },
            None if self.all_seen => Holder::Nobody,
            None => Holder::Unknown,
        }
    }
}

/// A user with its groups.
pub(super) struct User {
    uid: Uid,
    groups: Vec<Gid>,
}

impl User {
    /// `None` where there is no such user.
    pub(super) fn named(name: &str) -> Option<Self> {
        let account = Account::from_name(name).ok()??;
        let mut groups = getgrouplist(&CString::new(name).ok()?, account.gid).ok()?;
        groups.extend(UNIT_GROUPS.iter().filter_map(|group| Group::from_name(group).ok().flatten()).map(|g| g.gid));
        Some(Self { uid: account.uid, groups })
    }

    /// By owner, group and others, as the kernel decides.
    pub(super) fn access(&self, node: &Path) -> Access {
        let Ok(found) = fs::metadata(node) else { return Access::Unknown };
        let group = Gid::from_raw(found.gid());
        let bits = if found.uid() == self.uid.as_raw() {
            found.mode() >> 6
        } else if self.groups.contains(&group) {
            found.mode() >> 3
        } else {
            found.mode()
        };
        if bits & 0o6 == 0o6 {
            return Access::Granted;
        }
        let may = found.mode() >> 3 & 0o6 == 0o6;
        let name = may.then(|| Group::from_gid(group).ok().flatten()).flatten().map(|group| group.name);
        Access::Refused { group: name.unwrap_or_default() }
    }
}
