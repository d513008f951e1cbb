//! The table `[offline]`: what may be accepted without the host, and how it is forwarded. Off unless turned on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::read::seconds;
use super::{OfflineSettings, RepeatMark};
use crate::domain::amount::MAX_MINOR;
use crate::domain::offline::OfflineLimits;
use crate::host::settings::Section;

pub(super) fn read(offline: Section<'_>) -> OfflineSettings {
    const HOUR: i64 = 3600;
    let most = i64::try_from(MAX_MINOR).unwrap_or(i64::MAX);
    let enabled = offline.truth("enabled").is_some_and(|at| at.value);
    let money = |key, usual: i64| offline.number(key, 1..=most, "minor units (fen)").map_or(usual, |at| at.value);
    let per_sale = money("per_sale", 30_000);
    let sum = money("sum", 500_000);
    let count = offline.number("count", 1..=1_000_000, "payments").map_or(50, |at| at.value);
    let oldest = offline.number("oldest_hours", 1..=720, "hours").map_or(24, |at| at.value);
    let sign_in = offline.number("sign_in_days", 1..=30, "days").map_or(7, |at| at.value);
    let per_card = offline.number("per_card_per_day", 1..=100, "payments").map_or(1, |at| at.value);
    let free = offline.number("free_mib", 4..=65_536, "MiB").map_or(32, |at| at.value);
    let pace = offline.number("pace_ms", 0..=60_000, "milliseconds").map_or(0, |at| at.value);
    let retries = offline.number("retries", 0..=20, "repeats").map_or(3, |at| at.value);
    let hold_after = offline.number("hold_after_days", 1..=365, "days").map_or(30, |at| at.value);
    let repeats = [("same", RepeatMark::Same), ("0221", RepeatMark::Marked)];
    let repeat = offline.choice("repeat", &repeats).map_or(RepeatMark::Same, |at| at.value);
    let done_codes = match offline.texts("done_codes") {
        Some(list) => list.value.iter().map(|at| at.value.clone()).collect(),
        None => BTreeSet::from(["94".to_owned()]),
    };
    offline.finish();
    OfflineSettings {
        limits: OfflineLimits {
            enabled,
            per_sale: per_sale.unsigned_abs(),
            sum: sum.unsigned_abs(),
            count: u32::try_from(count).unwrap_or(u32::MAX),
            oldest: seconds(oldest * HOUR),
            sign_in: seconds(sign_in * 24 * HOUR),
            per_card_per_day: u32::try_from(per_card).unwrap_or(1),
            free_bytes: free.unsigned_abs() << 20,
        },
        pace: Duration::from_millis(pace.unsigned_abs()),
        retries: u32::try_from(retries).unwrap_or(0),
        hold_after: seconds(hold_after * 24 * HOUR),
        repeat,
        done_codes,
    }
}
