//! `ExplainCause`: the catalogue's entry of a cause as `a{sv}`, every text in both languages.

use zbus::Variant;

use crate::bus::error::{Error, Result};
use crate::bus::result::Row;
use crate::diagnose::catalogue::entry;
use crate::domain::cause::Cause;
use crate::engine::command::RefusalKind;

/// The entry of a code.
pub(super) fn row(code: &str) -> Result<Row> {
    let unknown = || Error::new(RefusalKind::NotFound, "no such cause code in this version");
    let entry = entry(Cause::from_word(code).ok_or_else(unknown)?);
    let actor = entry.actor.text();
    Ok(Row::from([
        ("actor", Variant::from(entry.actor.as_str())),
        ("message-id", Variant::from(entry.id.to_string())),
        ("actor-name-zh", Variant::from(actor.zh)),
        ("actor-name-en", Variant::from(actor.en)),
        ("title-zh", Variant::from(entry.title.zh)),
        ("title-en", Variant::from(entry.title.en)),
        ("evidence-zh", Variant::from(entry.evidence.zh)),
        ("evidence-en", Variant::from(entry.evidence.en)),
        ("action-zh", Variant::from(entry.action.zh)),
        ("action-en", Variant::from(entry.action.en)),
        ("remedy-zh", Variant::from(entry.remedy.zh)),
        ("remedy-en", Variant::from(entry.remedy.en)),
        ("cashier-zh", Variant::from(entry.cashier.zh)),
        ("cashier-en", Variant::from(entry.cashier.en)),
        ("technician-zh", Variant::from(entry.technician.zh)),
        ("technician-en", Variant::from(entry.technician.en)),
        ("customer-zh", Variant::from(entry.customer.zh)),
        ("customer-en", Variant::from(entry.customer.en)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_explained_and_an_unknown_one_is_not_found() {
        for cause in Cause::ALL {
            let row = row(cause.as_str()).unwrap();
            for (key, text) in &row {
                assert!(matches!(text, Variant::Str(text) if !text.as_str().is_empty()), "{cause} {key}");
            }
            let languages = |tail: &str| row.keys().filter(|key| key.ends_with(tail)).count();
            assert_eq!((languages("-zh"), languages("-en")), (8, 8));
        }
        assert!(row("X99").is_err_and(|e| e.kind() == RefusalKind::NotFound));
    }
}
