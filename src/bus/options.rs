//! The trailing `a{sv}` of a method: typed, and strict, since an option that is silently ignored can cost money.

use std::collections::BTreeMap;

use zbus::{OwnedVariant, Variant};

use crate::bus::error::{Error, Result};
use crate::domain::pan;

/// Characters of a note for the record.
const NOTE: usize = 128;

/// What came, and which keys have been asked for so far.
pub(super) struct Options {
    given: BTreeMap<String, OwnedVariant>,
    known: Vec<&'static str>,
}

/// The map as it comes from the bus.
pub(super) type Given = BTreeMap<String, OwnedVariant>;

impl Options {
    pub(super) fn new(given: Given) -> Self {
        Self { given, known: Vec::new() }
    }

    /// For methods that know no option yet.
    pub(super) fn none(given: Given) -> Result<()> {
        Self::new(given).finish()
    }

    fn take<T>(
        &mut self,
        key: &'static str,
        kind: &str,
        read: impl Fn(&Variant<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        self.known.push(key);
        match self.given.remove(key) {
            None => Ok(None),
            Some(value) => match read(&value) {
                Some(value) => Ok(Some(value)),
                None => Err(Error::invalid(format!("option '{key}' has to be {kind}"))),
            },
        }
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Result<Option<bool>> {
        self.take(key, "a boolean (b)", |v| match v {
            Variant::Bool(b) => Some(*b),
            _ => None,
        })
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>> {
        self.take(key, "a string (s)", |v| match v {
            Variant::Str(s) => Some(s.as_str().to_owned()),
            _ => None,
        })
    }

    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<u64>> {
        self.take(key, "an unsigned number (t or u)", |v| match v {
            Variant::U64(n) => Some(*n),
            Variant::U32(n) => Some(u64::from(*n)),
            _ => None,
        })
    }

    /// Whatever is left was not asked for.
    pub(super) fn finish(self) -> Result<()> {
        let Some(key) = self.given.keys().next() else { return Ok(()) };
        let shown: String = key.chars().filter(|c| !c.is_control()).take(64).collect();
        let known = match self.known.as_slice() {
            [] => "this method knows no options yet".to_owned(),
            keys => format!("this method knows: {}", keys.join(", ")),
        };
        Err(Error::invalid(format!("unknown option '{shown}'; {known}")))
    }
}

/// A text for people: 1 ..= `max` characters, none of them a control character.
pub(super) fn printable(name: &str, text: &str, max: usize) -> Result<()> {
    let count = text.chars().count();
    if count == 0 || count > max || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{name} has to be 1 to {max} printable characters")));
    }
    Ok(())
}

/// Why a person decided so, for the record: no card number may get there.
pub(super) fn note(text: &str) -> Result<String> {
    printable("note", text, NOTE)?;
    if pan::stands_in(text) {
        return Err(Error::invalid("a card number has no place in a note; leave it out"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::RefusalKind;

    fn given(key: &str, value: Variant<'static>) -> Given {
        BTreeMap::from([(key.to_owned(), OwnedVariant::try_from(value).unwrap())])
    }

    #[test]
    fn an_unknown_option_is_refused_by_name_with_the_known_ones() {
        let mut options = Options::new(given("tip", Variant::new(5u64)));
        assert_eq!(options.flag("confirm-amount"), Ok(None));
        let refused = options.finish().unwrap_err();
        assert_eq!(refused.kind(), RefusalKind::InvalidArgument);
        assert_eq!(refused.text(), "unknown option 'tip'; this method knows: confirm-amount");
    }

    #[test]
    fn an_option_of_another_type_is_refused() {
        let mut options = Options::new(given("limit", Variant::new("many")));
        assert!(options.number("limit").is_err());
    }

    #[test]
    fn a_known_option_is_taken_once() {
        let mut options = Options::new(given("reference", Variant::new("table 4")));
        assert_eq!(options.text("reference"), Ok(Some("table 4".to_owned())));
        assert_eq!(options.finish(), Ok(()));
    }

    #[test]
    fn texts_for_people_are_bounded_and_printable() {
        assert!(printable("why", "维护", 4).is_ok());
        assert!(printable("why", "", 4).is_err());
        assert!(printable("why", "a\nb", 4).is_err());
        assert!(printable("why", "12345", 4).is_err());
    }

    #[test]
    fn a_note_holds_no_card_number() {
        assert_eq!(note("called the acquirer, 李"), Ok("called the acquirer, 李".to_owned()));
        let refused = note("card 6200 0000 0000 0000 018").unwrap_err();
        assert!(!refused.text().contains("6200"), "{}", refused.text());
        assert!(note(&"x".repeat(129)).is_err() && note("").is_err());
    }
}
