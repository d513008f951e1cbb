//! `posctl queue guard`: whether something may happen that must not while anything is unsent.
//!
//! Owns: the explanation. Must not know: who asks; the package's own scripts do, and people.

use serde_json::{Map, Value, json};

use crate::app::posctl::Exit;
use crate::app::posctl::cli::Occasion;
use crate::app::posctl::error::Fault;
use crate::app::posctl::money;
use crate::app::posctl::output::{Voice, number};
use crate::app::posctl::text::pick;
use crate::app::posctl::training::trains;
use crate::bus::client::{Client, ClientError, Row};
use crate::domain::cause::Cause;
use crate::domain::prompt::Language;

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    occasion: Occasion,
    waiting: u64,
    held: u64,
    reversals: u64,
    sums: String,
}

/// Says yes, or what is in the way.
pub async fn guard(client: &Client, occasion: Occasion, voice: Voice) -> Result<Exit, Fault> {
    // It knows nothing of the real queue, and its word on its own must not be taken for one on that.
    if trains(&client.manager().await?) {
        return Err(Fault::InTraining);
    }
    let queue = client.queue().await?;
    let unsent = unsent(&queue, occasion)?;
    voice.object(&json!({
        "for": occasion.as_str(),
        "allowed": unsent.is_none(),
        "depth": number(&queue, "Depth"),
        "held": number(&queue, "Held"),
        "reversals": number(&queue, "Reversals"),
        "pending_amounts": queue.get("PendingAmounts"),
    }));
    match unsent {
        None => {
            voice.line(voice.pick("没有未上送的交易", "nothing is unsent"));
            Ok(Exit::Done)
        }
        Some(_) if voice.json => Ok(Exit::Error),
        Some(unsent) => Err(Fault::Unsent(Box::new(unsent))),
    }
}

/// Refuses while anything is.
pub async fn refuse(client: &Client, occasion: Occasion) -> Result<(), Fault> {
    let unsent = unsent(&client.queue().await?, occasion)?;
    unsent.map_or(Ok(()), |unsent| Err(Fault::Unsent(Box::new(unsent))))
}

/// `None` if nothing is.
fn unsent(queue: &Row, occasion: Occasion) -> Result<Option<Unsent>, Fault> {
    // Without a store the daemon does not know what is unsent; its numbers are none.
    if queue.get("Cause").and_then(Value::as_str) == Some(Cause::S02.as_str()) {
        return Err(ClientError::Broken("the database cannot be read: what is unsent is not known".to_owned()).into());
    }
    // A number that is not told is no zero.
    let told = |name: &str| queue.get(name).and_then(Value::as_u64).ok_or_else(|| missing(name));
    let (waiting, held, reversals) = (told("Depth")?, told("Held")?, told("Reversals")?);
    let sums = queue.get("PendingAmounts").and_then(Value::as_object).map(sums).unwrap_or_default();
    let any = waiting > 0 || held > 0 || reversals > 0;
    Ok(any.then_some(Unsent { occasion, waiting, held, reversals, sums }))
}

fn missing(name: &str) -> Fault {
    ClientError::Broken(format!("smartposd does not tell the queue's {name}")).into()
}

/// The amounts of every currency.
pub fn sums(amounts: &Map<String, Value>) -> String {
    let of = |(currency, minor): (&String, &Value)| money::show(minor.as_u64().unwrap_or(0), currency);
    amounts.iter().map(of).collect::<Vec<_>>().join(", ")
}

impl Unsent {
    /// What is unsent, and what must not happen therefore.
    pub fn sentence(&self, language: Language) -> String {
        let Self { waiting, held, reversals, sums, .. } = self;
        let deed = match self.occasion {
            Occasion::Upgrade => pick(language, "升级", "an upgrade"),
            Occasion::Removal => pick(language, "卸载", "a removal"),
            Occasion::Purge => pick(language, "清除", "a purge"),
            Occasion::SignOut => pick(language, "签退", "a sign-out"),
            Occasion::Training => pick(language, "开始培训", "a training"),
        };
        let of = if sums.is_empty() { String::new() } else { format!(" ({sums})") };
        pick(
            language,
            format!(
                "有钱还没有到收单机构，不能{deed}：待上送 {waiting} 笔，挂起 {held} 笔{of}，未完成的冲正 {reversals} 笔"
            ),
            format!(
                "money has not reached the acquirer yet, so {deed} is refused: {waiting} payments to be sent, {held} \
                 held{of}, {reversals} reversals open"
            ),
        )
    }

    /// The next step for each of them.
    pub fn remedy(&self, language: Language) -> String {
        let mut steps = Vec::new();
        if self.waiting > 0 || self.reversals > 0 {
            steps.push(pick(
                language,
                "签到并等待上送（posctl sign-in，posctl queue drain，posctl watch）",
                "sign in and let it be sent (posctl sign-in, posctl queue drain, posctl watch)",
            ));
        }
        if self.held > 0 {
            steps.push(pick(
                language,
                "逐笔处理挂起的（posctl queue list --held，posctl queue resolve）",
                "decide about what is held (posctl queue list --held, posctl queue resolve)",
            ));
        }
        steps.join(pick(language, "；", "; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(waiting: u64, held: u64, reversals: u64, amounts: Value) -> Row {
        let row = json!({"Depth": waiting, "Held": held, "Reversals": reversals, "PendingAmounts": amounts});
        row.as_object().unwrap().clone()
    }

    #[test]
    fn nothing_unsent_is_no_objection() {
        assert_eq!(unsent(&queue(0, 0, 0, json!({})), Occasion::Purge).unwrap(), None);
    }

    #[test]
    fn each_kind_alone_is_an_objection_that_says_what_to_do() {
        for (row, step) in [
            (queue(1, 0, 0, json!({"CNY": 12_800})), "queue drain"),
            (queue(0, 1, 0, json!({"CNY": 12_800})), "queue resolve"),
            (queue(0, 0, 1, json!({})), "queue drain"),
        ] {
            for occasion in
                [Occasion::Upgrade, Occasion::Removal, Occasion::Purge, Occasion::SignOut, Occasion::Training]
            {
                let objection = unsent(&row, occasion).unwrap().unwrap();
                for language in [Language::Zh, Language::En] {
                    assert!(objection.remedy(language).contains(step), "{:?}", objection.remedy(language));
                }
                let amount = !row["PendingAmounts"].as_object().unwrap().is_empty();
                assert_eq!(objection.sentence(Language::En).contains("CNY 128.00"), amount);
            }
        }
        let all = unsent(&queue(2, 3, 1, json!({"CNY": 12_800})), Occasion::Upgrade).unwrap().unwrap();
        let said = all.sentence(Language::En);
        assert!(said.contains("2 payments") && said.contains("3 held") && said.contains("1 reversals"), "{said}");
        assert!(all.sentence(Language::Zh).contains("升级"));
    }

    #[test]
    fn a_daemon_that_does_not_tell_is_no_yes() {
        assert!(unsent(&Row::new(), Occasion::Purge).is_err());
        let mut part = queue(0, 0, 0, json!({}));
        part.remove("Reversals");
        assert!(unsent(&part, Occasion::Upgrade).is_err());
    }
}
