//! The table `[support]` of the configuration: whom to call, at the shop's own support and at the acquirer's.

use crate::domain::support::{Contact, Contacts};
use crate::host::settings::Section;

/// Characters of one text.
const LONGEST: usize = 80;

pub(super) fn contacts(section: Section<'_>) -> Contacts {
    let shop = contact(section.section("shop"));
    let acquirer = contact(section.section("acquirer"));
    section.finish();
    Contacts { shop, acquirer }
}

fn contact(section: Section<'_>) -> Contact {
    let text = |key| {
        let wanted = "1 to 80 printable characters";
        section.parsed(key, wanted, printable).map(|at| at.value).unwrap_or_default()
    };
    let contact = Contact { name: text("name"), phone: text("phone"), hours: text("hours"), url: text("url") };
    section.finish();
    contact
}

fn printable(text: &str) -> Option<String> {
    let good = (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}
