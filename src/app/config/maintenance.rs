//! The table `[maintenance]` of the configuration: how often what is to be done.

use std::time::Duration;

use crate::domain::upkeep::Item;
use crate::host::settings::Section;

/// Ten years.
const LONGEST: i64 = 3_650;

/// Intervals, and how often counters are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceConfig {
    /// Days from one time to the next, for each item that is ever due.
    pub intervals: Vec<(Item, u32)>,
    /// Between two looks at the counters.
    pub look_every: Duration,
}

pub(super) fn maintenance(section: Section<'_>) -> MaintenanceConfig {
    let days = |item: Item, usual: u32| {
        let read = section.number(item.as_str(), 0..=LONGEST, "days");
        let days = read.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(usual);
        (days > 0).then_some((item, days))
    };
    let items = [
        (Item::Inspection, 180),
        (Item::Cleaning, 30),
        (Item::Battery, 730),
        (Item::Keys, 0),
        (Item::Certificate, 0),
        (Item::Backup, 0),
    ];
    let intervals = items.into_iter().filter_map(|(item, usual)| days(item, usual)).collect();
    let seconds = section.number("look_every", 1..=86_400, "seconds");
    let look_every = Duration::from_secs(seconds.and_then(|at| u64::try_from(at.value).ok()).unwrap_or(900));
    section.finish();
    MaintenanceConfig { intervals, look_every }
}
