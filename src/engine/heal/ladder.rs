//! The repair ladder as data: which measure is taken when, how long it is given, how often it may be taken.
//!
//! Owns: the table, and which causes lead how high. Must not know: how a measure is taken.
//!
//! A rung that this rig does not have (no reset line, no power switch, reboot not allowed) is left out and the next one is
//! taken in its stead. The first four belong to the reader's own ladder (`reader::pn532::ladder`), which knows the chip and
//! decides when; here they are counted, kept within their budgets and judged. The others are decided here.

use std::time::Duration;

use crate::domain::cause::Cause;
use crate::domain::heal::Rung;

/// One row of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The measure.
    pub rung: Rung,
    /// It is taken when the fault has lasted so long; zero for those that the device's own machine times.
    pub after: Duration,
    /// How long it is given to show an effect before it is taken again.
    pub wait: Duration,
    /// How often it is taken for one fault.
    pub count: u16,
    /// How often within an hour, whatever the fault.
    pub hour: u16,
    /// How often within a day.
    pub day: u16,
}

const fn step(rung: Rung, after: u64, wait: u64, count: u16, hour: u16, day: u16) -> Step {
    Step { rung, after: Duration::from_secs(after), wait: Duration::from_secs(wait), count, hour, day }
}

/// The ladder. The mild rungs are bounded by the rests between two rounds of the reader's own ladder; their budgets only
/// catch a machine that runs wild.
pub const LADDER: [Step; 7] = [
    //   rung                   after wait  count hour  day
    step(Rung::SoftReset, 0, 1, u16::MAX, 600, 14_400),
    step(Rung::Reopen, 0, 3, u16::MAX, 240, 5_760),
    step(Rung::ResetLine, 0, 1, u16::MAX, 12, 60),
    step(Rung::PowerCycle, 0, 10, u16::MAX, 6, 24),
    step(Rung::RestartComponent, 60, 30, 2, 4, 12),
    step(Rung::RestartService, 300, 120, 1, 2, 4),
    step(Rung::Reboot, 900, 300, 1, 1, 1),
];

/// The row of a rung.
pub fn row(rung: Rung) -> Step {
    // Every rung has its row: tested.
    LADDER.into_iter().find(|s| s.rung == rung).unwrap_or(step(rung, 0, 0, 0, 0, 0))
}

/// How high a fault of this cause may climb; `None`: nothing here can mend it, it is only watched.
pub fn reach(cause: Cause) -> Option<Rung> {
    match cause {
        // Not there: only a hand that plugs it in helps. Its return is announced by the kernel.
        Cause::H01 | Cause::H05 | Cause::H10 => Some(Rung::Reopen),
        // There, but it does not answer.
        Cause::H02 => Some(Rung::Reboot),
        // Nothing stronger is there to take, and no card payment misses it.
        Cause::H11 => Some(Rung::RestartComponent),
        // The way to the host: mostly not ours to mend, so a fresh network driver is all we add to back-off and link watch.
        Cause::N05 | Cause::N06 | Cause::N10 | Cause::B06 => Some(Rung::RestartComponent),
        _ => None,
    }
}

/// Whether the rung may be taken while a payment is at hand.
pub fn spares_payments(rung: Rung) -> bool {
    rung <= Rung::Reopen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_has_one_row_in_the_order_of_its_strength() {
        let rungs: Vec<_> = LADDER.iter().map(|s| s.rung).collect();
        assert_eq!(rungs, Rung::ALL);
        for pair in LADDER.windows(2) {
            assert!(pair[0].after <= pair[1].after && pair[0].hour >= pair[1].hour && pair[0].day >= pair[1].day);
        }
        assert!(LADDER.iter().all(|s| s.count > 0 && s.hour > 0 && s.hour <= s.day));
    }

    #[test]
    fn a_reboot_comes_last_and_once_a_day_at_most() {
        assert_eq!(row(Rung::Reboot).day, 1);
        assert!(Cause::ALL.iter().all(|c| reach(*c) != Some(Rung::Reboot) || *c == Cause::H02));
    }
}
