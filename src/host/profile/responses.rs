//! The acquirer's table of response codes (field 39): class, action and texts, all data.

use std::collections::BTreeMap;

use crate::domain::response::{Response, ResponseAction, ResponseClass};
use crate::host::settings::{At, Section};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    class: ResponseClass,
    action: ResponseAction,
    at_sign_in: Option<ResponseAction>,
    zh: String,
    en: String,
}

/// Code to meaning. A code that is not in the table is a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseTable(BTreeMap<String, Row>);

impl ResponseTable {
    /// What a code means in the answer to a payment or reversal.
    pub fn resolve(&self, code: &str) -> Response {
        self.lookup(code, |row| row.action)
    }

    /// What a code means in the answer to a sign-in, where some codes ask for something else.
    pub fn resolve_at_sign_in(&self, code: &str) -> Response {
        self.lookup(code, |row| row.at_sign_in.unwrap_or(row.action))
    }

    fn lookup(&self, code: &str, action: impl Fn(&Row) -> ResponseAction) -> Response {
        match self.0.get(code) {
            Some(row) => Response {
                code: code.to_owned(),
                class: row.class,
                action: action(row),
                zh: row.zh.clone(),
                en: row.en.clone(),
            },
            None => Response {
                code: code.to_owned(),
                class: ResponseClass::Refused,
                action: ResponseAction::None,
                zh: "交易失败".to_owned(),
                en: "Declined".to_owned(),
            },
        }
    }

    /// Whether the table has the code.
    pub fn knows(&self, code: &str) -> bool {
        self.0.contains_key(code)
    }

    /// The codes that mean money moved.
    pub fn approving(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, row)| row.class == ResponseClass::Approved).map(|(code, _)| code.as_str())
    }

    /// Every code, in order.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

const CLASSES: [(&str, ResponseClass); 5] = [
    ("approved", ResponseClass::Approved),
    ("retry", ResponseClass::Retry),
    ("refused", ResponseClass::Refused),
    ("operator", ResponseClass::Operator),
    ("system", ResponseClass::System),
];

const ACTIONS: [(&str, ResponseAction); 6] = [
    ("none", ResponseAction::None),
    ("sign-in", ResponseAction::SignIn),
    ("block", ResponseAction::Block),
    ("reverse", ResponseAction::Reverse),
    ("later", ResponseAction::Later),
    ("software", ResponseAction::Software),
];

pub(super) fn read(table: Section<'_>) -> ResponseTable {
    let mut rows = BTreeMap::new();
    for (code, row) in table.sections() {
        if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
            let text = format!(
                "`responses.{code}` is no response code; write two digits or capital letters, such as 05 or A2"
            );
            row.refuse(row.place(), text);
        }
        if let Some(row) = read_row(&code, row) {
            rows.insert(code, row);
        }
    }
    if !table.present() {
        let text = "the table `responses` is missing; write base = \"unionpay-example\" at the top to take it over, or the rows the acquirer gave";
        table.refuse(table.place(), text);
    } else if !rows.contains_key("00") {
        table.refuse(table.place(), "`responses.00` is missing; write 00 = { class = \"approved\", … }");
    }
    ResponseTable(rows)
}

fn read_row(code: &str, section: Section<'_>) -> Option<Row> {
    let class = section.choice("class", &CLASSES);
    let class =
        section.need("class", class, "class = \"approved\", \"retry\", \"refused\", \"operator\" or \"system\"");
    let action = section.choice("action", &ACTIONS);
    let at_sign_in = section.choice("at_sign_in", &ACTIONS).map(|at| at.value);
    let zh = text(&section, "zh");
    let en = text(&section, "en");
    if let Some(At { value: ResponseClass::Approved, place }) = &class {
        if let Some(at) = action.as_ref().filter(|at| at.value != ResponseAction::None) {
            let text =
                format!("`responses.{code}` is approved, so its action can only be \"none\"; change one of the two");
            section.refuse(&at.place, text);
        }
        if is_partial(code) {
            let text = "`responses.10` approves a part only, which this version cannot take; write class = \"refused\", action = \"reverse\"";
            section.refuse(place, text);
        }
    } else if code == "00"
        && let Some(at) = &class
    {
        section.refuse(&at.place, "`responses.00` must have class = \"approved\"");
    }
    section.finish();
    let action = action.map_or(ResponseAction::None, |at| at.value);
    Some(Row { class: class?.value, action, at_sign_in, zh: zh?, en: en? })
}

/// 10 grants less than was asked for. It would be taken for the whole amount.
fn is_partial(code: &str) -> bool {
    code == "10"
}

fn text(section: &Section<'_>, key: &'static str) -> Option<String> {
    let got = section.text(key);
    let At { value, place } = section.need(key, got, &format!("{key} = \"words for the cashier\""))?;
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        section.refuse(
            &place,
            format!("`{}` is empty or has control characters; write words for the cashier", section.name(key)),
        );
        return None;
    }
    Some(value)
}
