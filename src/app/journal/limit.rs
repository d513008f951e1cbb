//! How many lines of one kind a minute may have.
//!
//! Owns: the counts. People outside can provoke lines (a wrong password, a card held badly, a host that babbles), and a
//! journal full of them hides what matters and wears the card out. What is left out is counted, and said in one line when
//! its minute is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Line;
use crate::diagnose::text::MessageId;
use crate::domain::time::Instant;

/// The span the limits are for.
const SPAN: Duration = Duration::from_secs(60);
/// For a line that names no event; there should be none.
const UNNAMED: u32 = 20;

struct Window {
    ends: Instant,
    lines: u32,
    more: u64,
    /// The last line that was left out.
    last: Option<Line>,
}

impl Window {
    /// What is said about what was left out.
    fn account(self) -> Option<Line> {
        let message = format!("{} more lines of this kind within a minute were left out", self.more);
        // Whose they were is not said: they were of several.
        self.last.map(|last| Line { message, txn: None, state: None, evidence: None, ..last })
    }
}

/// One window for each kind that was seen lately; there are as many kinds as ids.
#[derive(Default)]
pub(super) struct Limiter {
    windows: BTreeMap<Option<MessageId>, Window>,
}

impl Limiter {
    /// Whether this line is written; it is counted either way.
    pub(super) fn admits(&mut self, now: Instant, line: &Line) -> bool {
        let limit = line.event.map_or(UNNAMED, |event| event.entry().per_minute);
        let new = || Window { ends: now.after(SPAN), lines: 0, more: 0, last: None };
        let window = self.windows.entry(line.id()).or_insert_with(new);
        if window.lines < limit {
            window.lines += 1;
            return true;
        }
        window.more = window.more.saturating_add(1);
        window.last = Some(line.clone());
        false
    }

    /// When something is to be said although no line comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.windows.values().filter(|w| w.more > 0).map(|w| w.ends).min()
    }

    /// What was left out of the minutes that are over.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Line> {
        let over = self.windows.extract_if(.., |_, window| window.ends <= now);
        over.filter_map(|(_, window)| window.account()).collect()
    }

    /// What was left out so far: nobody will be there to say it later.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.windows).into_values().filter_map(Window::account).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::events::JournalEvent;

    fn line(event: JournalEvent, cause: Option<&str>) -> Line {
        Line {
            event: Some(event),
            component: "host".into(),
            message: "seen".into(),
            txn: Some("A".into()),
            cause: cause.map(str::to_owned),
            ..Line::default()
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000)
    }

    #[test]
    fn a_flood_is_cut_counted_and_said_once_the_minute_is_over() {
        let mut limiter = Limiter::default();
        let flood = line(JournalEvent::HostNotice, None);
        let written = (0..1_000).filter(|_| limiter.admits(at(5), &flood)).count();
        assert_eq!(written, 20);
        assert_eq!(limiter.deadline(), Some(at(65)));
        assert!(limiter.over(at(64)).is_empty());
        let said = limiter.over(at(65));
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].message, "980 more lines of this kind within a minute were left out");
        assert_eq!((said[0].id(), said[0].txn.as_deref()), (flood.id(), None));
        assert_eq!(limiter.deadline(), None);
        assert!(limiter.admits(at(65), &flood), "a new minute");
    }

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_alone() {
        let mut limiter = Limiter::default();
        let (flood, other) = (line(JournalEvent::HostSilent, Some("N05")), line(JournalEvent::HostSilent, Some("N09")));
        assert_eq!((0..100).filter(|_| limiter.admits(at(0), &flood)).count(), 20);
        assert!(limiter.admits(at(0), &other), "another cause is another kind");
        assert_eq!(limiter.rest().len(), 1);
    }

    #[test]
    fn a_line_has_the_id_of_its_cause_or_else_of_its_event() {
        let plain = line(JournalEvent::HostSilent, None).id().unwrap();
        let caused = line(JournalEvent::HostSilent, Some("N05")).id().unwrap();
        assert_ne!(plain, caused);
        assert_eq!(caused, line(JournalEvent::TerminalState, Some("N05")).id().unwrap());
    }
}
