//! Whether there is room where the daemon keeps what must survive.

use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Fault, Finding, Found, Step};

/// Below this the next payments have no room.
const LEAST: u64 = 4 << 20;

/// Looks at the file system of a directory.
#[cfg_attr(
    target_pointer_width = "64",
    expect(clippy::unnecessary_cast, reason = "both numbers are narrower on some 32-bit systems")
)]
pub fn disk(directory: &Path) -> Finding {
    let at = directory.display();
    match statvfs(directory) {
        Ok(seen) if seen.flags().contains(FsFlags::ST_RDONLY) => {
            Finding::new(Step::Storage, full(), format!("{at} is mounted read-only"))
        }
        Ok(seen) => {
            let free = (seen.blocks_available() as u64).saturating_mul(seen.fragment_size() as u64);
            let text = format!("{at}: {} MiB free", free >> 20);
            Finding::new(Step::Storage, if free < LEAST { full() } else { Found::Worked }, text)
        }
        Err(error) => Finding::new(Step::Storage, Found::NotRun, format!("{at}: {error}")),
    }
}

const fn full() -> Found {
    Found::Failed(Fault::Known(Cause::P02))
}
