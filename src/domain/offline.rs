//! Offline payments: how an app allows them, what limits them, and where a stored one stands.

use std::time::Duration;

use crate::domain::amount::Money;
use crate::domain::ids::{AuthCode, Batch, Rrn, Stan};
use crate::domain::outcome::words;
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::domain::time::WallTime;

words! {
    /// Whether a payment may be accepted without the host. Nothing turns offline silently.
    OfflineMode {
        /// Never; what an app gets that says nothing.
        OnlineOnly = "online-only",
        /// Only where the host cannot be asked.
        PreferOnline = "prefer-online",
        /// Without asking the host.
        OfflineOnly = "offline-only",
    }
}

words! {
    /// Why a payment cannot be accepted offline.
    OfflineRefusal {
        /// The acquirer profile does not allow it.
        Disabled = "offline-disabled",
        /// The payment is larger than one may be.
        Amount = "offline-amount",
        /// The sum of what is unsent would become too large.
        Sum = "offline-sum",
        /// Too many are unsent.
        Count = "offline-count",
        /// The oldest unsent one is too old.
        Age = "offline-age",
        /// The last good sign-in with the host is too long ago.
        SignInAge = "offline-sign-in-age",
        /// This card has been used offline often enough today.
        Card = "offline-card",
        /// This card is on the deny list, or was refused before when its payment was forwarded.
        Denied = "offline-denied",
        /// The card or the amount needs a PIN that only the host can check.
        OnlinePin = "offline-pin",
        /// The card has expired.
        Expired = "offline-expired",
        /// The card gave no complete chip data.
        Incomplete = "offline-incomplete",
        /// The clock cannot be trusted, so no age can be known.
        Clock = "offline-clock",
        /// The disk is nearly full.
        Storage = "offline-storage",
        /// The acquirer or a safety rule has stopped this terminal.
        Stopped = "offline-stopped",
    }
}

words! {
    /// Where a payment that was accepted offline stands on its way to the host.
    Forwarding {
        /// Stored, to be sent.
        Waiting = "waiting",
        /// Sent, or about to be; repeated with the same trace until it is answered.
        InFlight = "in-flight",
        /// The host has it.
        Accepted = "accepted",
        /// Refused or too old: waits for a person.
        Held = "held",
        /// A person gave it up, on record.
        Abandoned = "abandoned",
    }
}

impl Forwarding {
    /// Whether the host may still get it: it counts against the limits, and nothing may be cleaned up.
    pub fn unsent(self) -> bool {
        match self {
            Self::Waiting | Self::InFlight | Self::Held => true,
            Self::Accepted | Self::Abandoned => false,
        }
    }
}

words! {
    /// What a person decided about something that is held.
    Resolution {
        /// Send it again.
        Retry = "retry",
        /// Give it up: it is never sent again.
        Abandon = "abandon",
        /// Let new payments start although this reversal is open; it goes on being tried.
        Proceed = "proceed",
    }
}

words! {
    /// Where a reversal stands.
    ReversalStanding {
        /// To be sent; nothing else starts before it.
        Due = "due",
        /// Its tries are used up: a person is asked, it is tried on, more seldom, and nothing else starts before it.
        Held = "held",
        /// As held, but a supervisor lets new payments start.
        Waived = "waived",
    }
}

/// What may be accepted offline. Source: the acquirer profile, `[offline]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineLimits {
    /// Whether at all.
    pub enabled: bool,
    /// Minor units of one payment.
    pub per_sale: u64,
    /// Minor units of all unsent payments of the currency.
    pub sum: u64,
    /// Unsent payments.
    pub count: u32,
    /// Age of the oldest unsent payment.
    pub oldest: Duration,
    /// Age of the last good sign-in.
    pub sign_in: Duration,
    /// Payments of one card in one day of the acquirer's calendar.
    pub per_card_per_day: u32,
    /// Bytes of free disk below which nothing is accepted.
    pub free_bytes: u64,
}

impl Default for OfflineLimits {
    /// Off; once on, the usual limits.
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            enabled: false,
            per_sale: 30_000,
            sum: 500_000,
            count: 50,
            oldest: HOUR * 24,
            sign_in: HOUR * 24 * 7,
            per_card_per_day: 1,
            free_bytes: 32 << 20,
        }
    }
}

/// One accepted payment, as it goes to the host. Sealed on disk; wiped when the host has it.
#[derive(Clone, PartialEq, Eq)]
pub struct OfflineSale {
    /// Field 11, the same on every repeat.
    pub stan: Stan,
    /// Field 60.2 at the time.
    pub batch: Batch,
    /// Fields 4 and 49.
    pub money: Money,
    /// Field 2.
    pub pan: Pan,
    /// Field 14, `YYMM`.
    pub expiry: Option<String>,
    /// Field 23.
    pub sequence_number: Option<u16>,
    /// Field 55.
    pub tags: SecretBytes,
}

/// The moment a payment is accepted offline, and what its age is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflineMoment {
    /// Trusted time.
    pub at: WallTime,
    /// Day number of the acquirer's calendar.
    pub day: u32,
    /// When the last sign-in succeeded.
    pub signed_in_at: WallTime,
}

/// A moment this far ahead of the trusted time is a small correction of the clock; further ahead the clock is not to be
/// trusted, and no age is known.
const CLOCK_SLACK: Duration = Duration::from_secs(600);

/// How long ago that was; `None` if it lies ahead by more than a small correction of the clock.
pub fn age(now: WallTime, then: WallTime) -> Option<Duration> {
    let ahead = Duration::from_micros(then.0.saturating_sub(now.0));
    (ahead <= CLOCK_SLACK).then(|| Duration::from_micros(now.0.saturating_sub(then.0)))
}

/// What is unsent, as the store counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueTotals {
    /// To be sent (waiting or in flight).
    pub waiting: u32,
    /// Held for a person.
    pub held: u32,
    /// Minor units of both.
    pub sum: u64,
    /// When the oldest of both was accepted.
    pub oldest: Option<WallTime>,
}

impl QueueTotals {
    /// Both together.
    pub fn count(&self) -> u32 {
        self.waiting.saturating_add(self.held)
    }
}

/// 0620: tells the host that the issuer's script could not be given to a card that has left the field.
#[derive(Clone, PartialEq, Eq)]
pub struct ScriptReport {
    /// Trace, batch and date (`MMDD`, field 13 of the answer) of the payment it belongs to.
    pub original: (Stan, Batch, String),
    /// Fields 4 and 49.
    pub money: Money,
    /// Field 2.
    pub pan: Pan,
    /// Field 23.
    pub sequence_number: Option<u16>,
    /// Whether a PIN was sent (field 22).
    pub pin_sent: bool,
    /// Field 32 of the answer.
    pub acquirer: Option<String>,
    /// Field 37 of the answer.
    pub rrn: Option<Rrn>,
    /// Field 38 of the answer.
    pub auth_code: Option<AuthCode>,
    /// Field 55: the tags of a script result.
    pub tags: SecretBytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_unknown_when_the_past_lies_far_ahead() {
        let at = |seconds: u64| WallTime(seconds * 1_000_000);
        let seconds = Duration::from_secs;
        assert_eq!(age(at(5000), at(4000)), Some(seconds(1000)));
        assert_eq!(age(at(5000), at(5600)), Some(seconds(0)), "a correction of the clock");
        assert_eq!(age(at(5000), at(5601)), None);
    }
}
