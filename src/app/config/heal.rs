//! The table `[heal]` of the configuration: what the daemon may do to mend itself.

use std::time::Duration;

use crate::host::settings::Section;

/// What is allowed, and when the daemon keeps still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealConfig {
    /// Whether the machine may be restarted.
    pub reboot: bool,
    /// So many starts without an orderly end lead to safe mode; 0 never.
    pub safe_mode_after: usize,
    /// Within this time.
    pub safe_mode_within: Duration,
    /// Safe mode is left by itself after this.
    pub safe_mode_quiet: Duration,
}

pub(super) fn heal(section: Section<'_>) -> HealConfig {
    let reboot = section.truth("reboot").is_some_and(|at| at.value);
    let after = section.number("safe_mode_after", 0..=16, "starts").map_or(5, |at| at.value);
    let seconds = |key: &'static str, usual: u64| {
        let read = section.number(key, 1..=86_400, "seconds");
        Duration::from_secs(read.and_then(|at| u64::try_from(at.value).ok()).unwrap_or(usual))
    };
    let (within, quiet) = (seconds("safe_mode_within", 600), seconds("safe_mode_quiet", 1_800));
    section.finish();
    HealConfig {
        reboot,
        safe_mode_after: usize::try_from(after).unwrap_or(5),
        safe_mode_within: within,
        safe_mode_quiet: quiet,
    }
}
