//! Whom to call, beside a fault that needs a person.

use serde_json::{Map, Value};

use crate::app::posctl::output::{Voice, text};
use crate::bus::client::Row;
use crate::diagnose::who::{needs_person, party};
use crate::domain::cause::Cause;

/// The contact for a cause, if one is configured and a person is needed. `manager` has its keys in snake case.
pub fn of<'r>(manager: &'r Row, cause: &str) -> Option<&'r Map<String, Value>> {
    let cause = Cause::from_word(cause).filter(|cause| needs_person(*cause))?;
    manager.get("support_contacts")?.get(party(cause).as_str())?.as_object()
}

/// The same as a line for people.
pub fn lines(manager: &Row, cause: &str, voice: Voice) -> Option<String> {
    let contact = of(manager, cause)?;
    let known: Vec<&str> =
        ["name", "phone", "hours", "url"].into_iter().map(|key| text(contact, key)).filter(|v| !v.is_empty()).collect();
    Some(format!("{}{}", voice.pick("请联系：", "Call: "), known.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::prompt::Language;

    #[test]
    fn the_one_whose_fault_it_is_is_named() {
        let manager = json!({"support_contacts": {
            "shop": {"name": "Till service", "phone": "021"}, "acquirer": {"phone": "95516", "hours": "24 h"}}});
        let manager = manager.as_object().unwrap();
        let en = Voice { language: Language::En, json: false };
        assert_eq!(lines(manager, "N05", en).unwrap(), "Call: 95516, 24 h");
        assert_eq!(lines(manager, "H01", en).unwrap(), "Call: Till service, 021");
        assert_eq!(lines(manager, "B01", en), None, "nobody has to act");
        assert_eq!(lines(&Row::new(), "N05", en), None);
    }
}
