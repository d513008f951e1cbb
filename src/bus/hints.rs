//! Hints and the counts behind them, as the bus shows them: every text in both languages.

use std::collections::BTreeMap;

use zbus::Variant;

use crate::bus::result::Row;
use crate::diagnose::hints::{Hint, hints};
use crate::domain::habit::Seen;
use crate::domain::prompt::Language;

/// `Manager.Hints`.
pub(super) fn rows(seen: &[Seen]) -> Vec<Row> {
    hints(seen).iter().map(row).collect()
}

fn row(hint: &Hint) -> Row {
    Row::from([
        ("kind", Variant::from(hint.seen.habit.as_str())),
        ("count", Variant::from(hint.seen.count)),
        ("of", Variant::from(hint.seen.of)),
        ("text-zh", Variant::from(hint.sentence(Language::Zh))),
        ("text-en", Variant::from(hint.sentence(Language::En))),
        ("advice-zh", Variant::from(hint.advice.advice.zh)),
        ("advice-en", Variant::from(hint.advice.advice.en)),
    ])
}

/// `Manager.Mistakes`.
pub(super) fn totals(seen: &[Seen]) -> BTreeMap<String, u32> {
    seen.iter().map(|seen| (seen.habit.as_str().to_owned(), seen.total)).collect()
}
