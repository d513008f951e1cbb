//! How a terminal may be set up: limits small enough to be met within a run.

use std::time::Duration;

use super::dice::Dice;
use crate::domain::amount::Currency;
use crate::domain::ids::{MerchantId, TerminalId};
use crate::domain::offline::OfflineLimits;
use crate::engine::settings::{ForwardSettings, Settings};

/// One way; the boot is filled in at each start.
pub fn settings(dice: &mut Dice) -> Option<Settings> {
    let offline = OfflineLimits {
        enabled: dice.percent(85),
        per_sale: 30_000,
        sum: dice.one_of([40_000, 60_000, 200_000]),
        count: dice.one_of([2, 4, 50]),
        oldest: Duration::from_secs(dice.one_of([3_600, 86_400])),
        sign_in: Duration::from_secs(dice.one_of([7_200, 7 * 86_400])),
        per_card_per_day: dice.one_of([1, 2, 20]),
        free_bytes: 0,
    };
    let forwarding = ForwardSettings {
        pace: Duration::from_millis(dice.one_of([0, 0, 500])),
        retries: dice.one_of([0, 1, 3]),
        hold_after: Duration::from_secs(dice.one_of([7_200, 30 * 86_400])),
        ..ForwardSettings::default()
    };
    Some(Settings {
        terminal_id: TerminalId::new("99000001")?,
        merchant_id: MerchantId::new("104110045110001")?,
        currency: Currency::CNY,
        max_amount: 5_000_000,
        pin_above: 100_000,
        operator_required: dice.percent(15),
        confirm_amount: dice.percent(40),
        utc_offset_minutes: 480,
        card_wait: Duration::from_secs(60),
        start_wait: Duration::from_secs(300),
        keys_max_age: Duration::from_secs(dice.one_of([3_600, 86_400])),
        clock_tolerance: Duration::from_secs(300),
        reversal_ends: ["00", "12", "22", "25", "94"].map(str::to_owned).to_vec(),
        reversal_retries: u32::try_from(dice.roll(4)).unwrap_or(0),
        offline,
        forwarding,
        reader_power: false,
        scanner: false,
        safe_mode: None,
        boot: String::new(),
    })
}
