//! The table `[offline]`: what may be accepted without the host, and how it is forwarded. Off unless turned on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::read::{Places, seconds};
use super::responses::ResponseTable;
use super::rules::unknown_codes;
use super::{OfflineSettings, RepeatMark};
use crate::domain::amount::MAX_MINOR;
use crate::domain::offline::OfflineLimits;
use crate::domain::response::ResponseAction;
use crate::host::settings::{At, Complaints, Section};

/// Where the settings that can contradict each other were written; `None` where a default stands.
#[derive(Default)]
pub(super) struct OfflinePlaces {
    enabled: Option<At<bool>>,
    per_sale: Option<At<i64>>,
    sum: Option<At<i64>>,
    oldest: Option<At<i64>>,
    hold_after: Option<At<i64>>,
    done_codes: Option<At<Vec<At<String>>>>,
}

const PER_SALE: i64 = 30_000;
const SUM: i64 = 500_000;
const OLDEST_HOURS: i64 = 24;
const HOLD_AFTER_DAYS: i64 = 30;

pub(super) fn read(offline: Section<'_>, places: &mut OfflinePlaces) -> OfflineSettings {
    const HOUR: i64 = 3600;
    let most = i64::try_from(MAX_MINOR).unwrap_or(i64::MAX);
    places.enabled = offline.truth("enabled");
    let money = |key| offline.number(key, 1..=most, "minor units (fen)");
    places.per_sale = money("per_sale");
    places.sum = money("sum");
    let count = offline.number("count", 1..=1_000_000, "payments").map_or(50, |at| at.value);
    places.oldest = offline.number("oldest_hours", 1..=720, "hours");
    let sign_in = offline.number("sign_in_days", 1..=30, "days").map_or(7, |at| at.value);
    let per_card = offline.number("per_card_per_day", 1..=100, "payments").map_or(1, |at| at.value);
    let free = offline.number("free_mib", 4..=65_536, "MiB").map_or(32, |at| at.value);
    let pace = offline.number("pace_ms", 0..=60_000, "milliseconds").map_or(0, |at| at.value);
    let retries = offline.number("retries", 0..=20, "repeats").map_or(3, |at| at.value);
    places.hold_after = offline.number("hold_after_days", 1..=365, "days");
    let repeats = [("same", RepeatMark::Same), ("0221", RepeatMark::Marked)];
    let repeat = offline.choice("repeat", &repeats).map_or(RepeatMark::Same, |at| at.value);
    places.done_codes = offline.texts("done_codes");
    let done_codes = match &places.done_codes {
        Some(list) => list.value.iter().map(|at| at.value.clone()).collect(),
        None => BTreeSet::from(["94".to_owned()]),
    };
    let auth_mode = offline.parsed("auth_mode", "two digits, \"00\" unless the acquirer says otherwise", two_digits);
    let card_org = offline.parsed("card_org", "\"by-card\", or three capital letters such as \"CUP\"", card_org);
    offline.finish();
    let value = |at: &Option<At<i64>>, usual: i64| at.as_ref().map_or(usual, |at| at.value);
    OfflineSettings {
        limits: OfflineLimits {
            enabled: places.enabled.as_ref().is_some_and(|at| at.value),
            per_sale: value(&places.per_sale, PER_SALE).unsigned_abs(),
            sum: value(&places.sum, SUM).unsigned_abs(),
            count: u32::try_from(count).unwrap_or(u32::MAX),
            oldest: seconds(value(&places.oldest, OLDEST_HOURS) * HOUR),
            sign_in: seconds(sign_in * 24 * HOUR),
            per_card_per_day: u32::try_from(per_card).unwrap_or(1),
            free_bytes: free.unsigned_abs() << 20,
        },
        pace: Duration::from_millis(pace.unsigned_abs()),
        retries: u32::try_from(retries).unwrap_or(0),
        hold_after: seconds(value(&places.hold_after, HOLD_AFTER_DAYS) * 24 * HOUR),
        repeat,
        done_codes,
        auth_mode: auth_mode.map_or_else(|| "00".to_owned(), |at| at.value),
        card_org: card_org.and_then(|at| at.value),
    }
}

fn two_digits(text: &str) -> Option<String> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.to_owned())
}

fn card_org(text: &str) -> Option<Option<String>> {
    match text {
        "by-card" => Some(None),
        code => (code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())).then(|| Some(code.to_owned())),
    }
}

/// Settings that are good each by itself and cannot be together. Against other tables only where offline payments are
/// on: a profile that never takes any need not make room for them.
pub(super) fn check(places: &Places, responses: &ResponseTable, complaints: &Complaints) {
    let offline = &places.offline;
    sums(offline, complaints);
    ages(offline, complaints);
    done_codes(offline, responses, complaints);
    if let Some(enabled) = offline.enabled.as_ref().filter(|at| at.value) {
        whole_payments(places, enabled, complaints);
    }
}

fn sums(offline: &OfflinePlaces, complaints: &Complaints) {
    let per_sale = offline.per_sale.as_ref().map_or(PER_SALE, |at| at.value);
    let sum = offline.sum.as_ref().map_or(SUM, |at| at.value);
    if sum < per_sale
        && let Some(at) = offline.sum.as_ref().or(offline.per_sale.as_ref())
    {
        let text = format!(
            "`offline.sum` is {sum} for all payments together, but `offline.per_sale` allows {per_sale} for one; write a sum of at least {per_sale}, or a per_sale of at most {sum}"
        );
        complaints.add(&at.place, text);
    }
}

fn ages(offline: &OfflinePlaces, complaints: &Complaints) {
    let oldest = offline.oldest.as_ref().map_or(OLDEST_HOURS, |at| at.value);
    let days = offline.hold_after.as_ref().map_or(HOLD_AFTER_DAYS, |at| at.value);
    if days * 24 < oldest
        && let Some(at) = offline.hold_after.as_ref().or(offline.oldest.as_ref())
    {
        let text = format!(
            "`offline.hold_after_days` is {days}, so payments would be held while `offline.oldest_hours` ({oldest}) still lets them wait; write at least {} days, or at most {} hours",
            (oldest + 23) / 24,
            days * 24,
        );
        complaints.add(&at.place, text);
    }
}

fn done_codes(offline: &OfflinePlaces, responses: &ResponseTable, complaints: &Complaints) {
    let Some(list) = &offline.done_codes else { return };
    unknown_codes("offline.done_codes", list, responses, complaints);
    for At { value: code, place } in list.value.iter().filter(|at| responses.knows(&at.value)) {
        let response = responses.resolve(code);
        if response.approved() {
            let text = format!("`offline.done_codes` has \"{code}\", which approves anyway; remove it");
            complaints.add(place, text);
        } else if response.action != ResponseAction::None {
            let text = format!(
                "`offline.done_codes` has \"{code}\", whose action is \"{}\": the host does not have the payment, and the merchant would lose it; remove it",
                response.action,
            );
            complaints.add(place, text);
        }
    }
}

fn whole_payments(places: &Places, enabled: &At<bool>, complaints: &Complaints) {
    let offline = &places.offline;
    let per_sale = offline.per_sale.as_ref().map_or(PER_SALE, |at| at.value);
    if let Some(most) = &places.max_amount
        && per_sale > most.value
    {
        let place = offline.per_sale.as_ref().map_or(&enabled.place, |at| &at.place);
        let text = format!(
            "`offline.per_sale` is {per_sale}, more than any payment may be: `limits.max_amount` is {} ({}); write a per_sale of at most {}",
            most.value, most.place, most.value,
        );
        complaints.add(place, text);
    }
    // The smallest payment is 1.
    let pin_above = places.pin_above.as_ref().map_or(0, |at| at.value);
    if pin_above <= 1 {
        let text = format!(
            "`offline.enabled` is true, but `limits.pin_above` is {pin_above}: every payment needs a PIN, which only the host can check, so none could be accepted; write a pin_above of more than {per_sale}, or enabled = false"
        );
        complaints.add(&enabled.place, text);
    }
}
