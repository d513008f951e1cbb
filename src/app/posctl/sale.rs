//! `posctl sale`: create, listen, start, follow to the end, fetch the result, acknowledge it.
//!
//! Owns: what Ctrl-C means, and what is said when the daemon goes away meanwhile. Must not know: how a payment is
//! decided; the daemon's word is shown as it comes.

use std::fmt::Write as _;
use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::posctl::Exit;
use crate::app::posctl::cli::SaleArguments;
use crate::app::posctl::error::Fault;
use crate::app::posctl::money;
use crate::app::posctl::output::{LiveLine, Voice, number, text};
use crate::app::posctl::refusal;
use crate::app::posctl::text as words;
use crate::app::posctl::training;
use crate::bus::client::{Client, ClientError, Event, Events, Row, SaleOrder};

/// How often the state is asked for, should a signal be lost.
const LOOK: Duration = Duration::from_secs(5);

/// What follows the payment.
struct Follower<'c> {
    client: &'c Client,
    voice: Voice,
    key: String,
    path: String,
    line: LiveLine,
    interrupts: u8,
}

/// How following ended.
enum End {
    /// The daemon says it is over.
    Finished,
    /// The daemon is gone.
    Vanished,
    /// The person left.
    Left,
}

/// Makes the payment.
pub async fn make(client: &Client, arguments: &SaleArguments, voice: Voice) -> Result<Exit, Fault> {
    let sum = money::parse(&arguments.amount, &arguments.currency)?;
    let key = match &arguments.key {
        Some(key) => key.clone(),
        None => fresh_key()?,
    };
    let order = SaleOrder {
        key: key.clone(),
        minor: sum.amount.minor(),
        currency: sum.currency.alpha().to_owned(),
        confirm: arguments.confirmation(),
        reference: arguments.reference.clone(),
        mode: Some(arguments.mode.as_str().to_owned()),
        training: arguments.training,
    };
    let machine = |source| Fault::Machine { doing: "SIGINT".to_owned(), source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(machine)?;
    let mut events = client.events().await?;
    let path = client.create_sale(&order).await?;
    voice.tell(&json!({"event": "created", "key": key, "path": path}), || {
        voice.pick(format!("{sum}，键 {key}"), format!("{sum}, key {key}"))
    });
    let mut follower = Follower { client, voice, key, path, line: LiveLine::default(), interrupts: 0 };
    if !follower.begin().await? {
        return follower.conclude(End::Finished).await;
    }
    let end = follower.follow(&mut events, &mut interrupt).await;
    follower.line.end();
    follower.conclude(end).await
}

/// 128 random bits: unique for ever without asking anybody.
fn fresh_key() -> Result<String, Fault> {
    let mut bytes = [0u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|source| Fault::Machine { doing: "/dev/urandom".to_owned(), source })?;
    let mut key = String::from("posctl-");
    for byte in bytes {
        let _ = write!(key, "{byte:02x}");
    }
    Ok(key)
}

impl Follower<'_> {
    /// Starts it; `false` if it is over already. The same key may stand for a payment from before.
    async fn begin(&self) -> Result<bool, Fault> {
        let now = self.client.transaction(&self.path).await?;
        match text(&now, "State") {
            "created" => {
                self.client.start(&self.path).await?;
                Ok(true)
            }
            "finished" => Ok(false),
            _ => {
                // Under way since before: finding it draws its signals here.
                self.client.find(&self.key).await?;
                Ok(true)
            }
        }
    }

    async fn follow(&mut self, events: &mut Events, interrupt: &mut Signal) -> End {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let end = tokio::select! {
                biased;
                event = events.next() => self.heard(event),
                _ = interrupt.recv() => self.interrupted().await,
                _ = look.tick() => self.look().await,
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn heard(&mut self, event: Event) -> Option<End> {
        match event {
            Event::State { path, old, new } if path == self.path => {
                self.voice.object(&json!({"event": "state", "old": old, "new": new}));
                self.show("state", words::transaction_state(&new, self.voice.language));
                None
            }
            Event::Prompt { path, word, zh, en } if path == self.path => {
                let object = json!({"event": "prompt", "prompt": word, "text_zh": zh, "text_en": en});
                self.voice.object(&object);
                let said = self.voice.pick(zh, en);
                if !said.is_empty() {
                    self.show(&word, &said);
                }
                None
            }
            Event::Finished { path, outcome } if path == self.path => {
                self.voice.object(&json!({"event": "finished", "outcome": outcome}));
                Some(End::Finished)
            }
            Event::Daemon(false) | Event::BusGone => Some(End::Vanished),
            Event::DiagnosisStep(_)
            | Event::State { .. }
            | Event::Prompt { .. }
            | Event::Finished { .. }
            | Event::Forwarding { .. }
            | Event::Progress { .. }
            | Event::Terminal { .. }
            | Event::Scanned { .. }
            | Event::Properties { .. }
            | Event::Daemon(true) => None,
        }
    }

    fn show(&mut self, topic: &str, said: &str) {
        if !self.voice.json {
            self.line.show(topic, said);
        }
    }

    /// The first Ctrl-C cancels, the second leaves.
    async fn interrupted(&mut self) -> Option<End> {
        self.interrupts += 1;
        if self.interrupts > 1 {
            return Some(End::Left);
        }
        self.line.end();
        match self.client.cancel(&self.path).await {
            Ok(()) => {
                self.voice.line(self.voice.pick("正在取消……", "cancelling …"));
                None
            }
            Err(ClientError::NoDaemon) => Some(End::Vanished),
            Err(error) => {
                let fault = Fault::Call(error);
                let why = fault.sentence(self.voice.language);
                self.voice.line(&self.voice.pick(
                    format!("不能取消：{why}。请等待结果；再按 Ctrl-C 离开"),
                    format!("cannot be cancelled: {why}. Wait for the result; Ctrl-C again leaves"),
                ));
                None
            }
        }
    }

    async fn look(&self) -> Option<End> {
        match self.client.transaction(&self.path).await {
            Ok(now) if text(&now, "State") == "finished" || !text(&now, "Outcome").is_empty() => Some(End::Finished),
            Err(ClientError::NoDaemon | ClientError::Broken(_)) => Some(End::Vanished),
            // Busy or slow: the next look will tell.
            Ok(_) | Err(_) => None,
        }
    }

    async fn conclude(&self, end: End) -> Result<Exit, Fault> {
        let (zh, en) = match end {
            End::Finished => match self.client.result(&self.path).await {
                Ok(result) => return self.result(result).await,
                Err(ClientError::NoDaemon) => ("smartposd 已退出", "smartposd has gone away"),
                Err(error) => return Err(error.into()),
            },
            End::Vanished => ("smartposd 已退出", "smartposd has gone away"),
            End::Left => ("已离开，交易可能仍在进行", "left; the payment may still go on"),
        };
        let key = &self.key;
        self.voice.tell(
            &json!({"event": "left", "key": key, "outcome": "unknown", "find": format!("posctl transaction show {key}")}),
            || {
                self.voice.pick(
                    format!("{zh}。结果在这里还不知道，请勿重复收款；用这个命令查询：posctl transaction show {key}"),
                    format!("{en}. The result is not known here, do not charge again; find it with: posctl transaction show {key}"),
                )
            },
        );
        Ok(Exit::Unknown)
    }

    async fn result(&self, mut result: Row) -> Result<Exit, Fault> {
        // The result is in hand; that the daemon may forget the object is only good housekeeping.
        let _ = self.client.acknowledge(&self.path).await;
        let outcome = text(&result, "outcome").to_owned();
        if !self.voice.json {
            self.voice.line(&ending(&result, &outcome, self.voice));
        }
        result.insert("event".to_owned(), Value::from("result"));
        self.voice.object(&Value::Object(result));
        Ok(exit(&outcome))
    }
}

fn exit(outcome: &str) -> Exit {
    match outcome {
        "approved" | "approved-offline" => Exit::Done,
        "declined" => Exit::Declined,
        "cancelled" => Exit::Cancelled,
        _ => Exit::Unknown,
    }
}

/// What the acquirer said, what to mind, and last of all: outcome, code, amount.
fn ending(result: &Row, outcome: &str, voice: Voice) -> String {
    let mut lines = Vec::new();
    let said = text(result, voice.pick("response-text-zh", "response-text-en"));
    if outcome != "approved" && !said.is_empty() {
        lines.push(said.to_owned());
    }
    let cause = text(result, "cause");
    if !cause.is_empty() {
        let (what, remedy) = crate::app::posctl::cause::explain(cause, voice.language);
        lines.push(format!("{what}\n{}{remedy}", voice.pick("怎么办：", "What to do: ")));
    }
    if let Some((what, remedy)) = refusal::explain_evidence(text(result, "evidence"), voice.language) {
        let why = voice.pick("不能脱机受理：", "cannot be accepted offline: ");
        lines.push(format!("{why}{what}\n{}{remedy}", voice.pick("怎么办：", "What to do: ")));
    }
    if outcome == "approved-offline" {
        let warning = voice.pick(
            "已脱机受理，收单机构尚未确认：在确认之前风险由商户承担。查看：posctl queue list",
            "accepted offline, the acquirer does not have it yet: until it has, the merchant carries the risk. \
             See posctl queue list",
        );
        lines.push(warning.to_owned());
    }
    if outcome == "unknown" {
        let warning = voice.pick(
            "结果未知，正在冲正：顾客不会被扣款两次。冲正完成前请勿再次收款。",
            "the result is unknown and a reversal is under way: the customer gets the money back. \
             Do not charge again before it is through.",
        );
        lines.push(warning.to_owned());
    }
    let sum = money::show(number(result, "amount"), text(result, "currency"));
    let word = match voice.pick(words::outcome(outcome, voice.language), outcome) {
        word if word == outcome => word.to_owned(),
        word => format!("{word} ({outcome})"),
    };
    let word = format!("{}{word}", training::mark(result, voice));
    let last = [word.as_str(), text(result, "code"), sum.as_str()];
    lines.push(last.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  "));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::Language;

    fn result(outcome: &str) -> Row {
        let value = json!({"outcome": outcome, "code": "C-1", "amount": 12_800, "currency": "CNY"});
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_last_line_has_outcome_code_and_amount() {
        for (language, word) in [(Language::En, "approved"), (Language::Zh, "交易成功 (approved)")] {
            let said = ending(&result("approved"), "approved", Voice { language, json: false });
            assert_eq!(said, format!("{word}  C-1  CNY 128.00"));
        }
    }

    #[test]
    fn a_result_of_training_is_marked() {
        let mut row = result("approved");
        row.insert("training".to_owned(), Value::from(true));
        for (language, line) in [(Language::En, "[TRAINING] approved  C-1"), (Language::Zh, "【培训】交易成功")]
        {
            let said = ending(&row, "approved", Voice { language, json: false });
            assert!(said.lines().last().unwrap().starts_with(line), "{said}");
        }
    }

    #[test]
    fn an_unknown_result_says_that_a_reversal_is_under_way() {
        let said = ending(&result("unknown"), "unknown", Voice { language: Language::En, json: false });
        assert!(said.contains("reversal is under way"), "{said}");
        assert!(said.lines().last().unwrap().starts_with("unknown"));
    }

    #[test]
    fn a_payment_accepted_offline_says_who_carries_the_risk() {
        let said =
            ending(&result("approved-offline"), "approved-offline", Voice { language: Language::En, json: false });
        assert!(said.contains("merchant carries the risk"), "{said}");
        assert!(said.lines().last().unwrap().starts_with("approved-offline"));
    }

    #[test]
    fn a_rule_in_the_way_is_explained() {
        let mut row = result("cancelled");
        row.insert("evidence".to_owned(), Value::from("offline-sum: no room"));
        let said = ending(&row, "cancelled", Voice { language: Language::En, json: false });
        assert!(said.contains("cannot be accepted offline") && said.contains("posctl queue drain"), "{said}");
    }

    #[test]
    fn every_outcome_has_its_exit_code() {
        let code = |outcome: &str| exit(outcome).code();
        assert_eq!([code("approved"), code("approved-offline"), code("declined")], [0, 0, 2]);
        assert_eq!([code("cancelled"), code("unknown"), code("a-newer-word")], [3, 4, 4]);
    }

    #[test]
    fn two_fresh_keys_differ_and_fit_the_contract() {
        let (one, two) = (fresh_key().unwrap(), fresh_key().unwrap());
        assert_ne!(one, two);
        assert!(one.len() <= 64 && one.bytes().all(|b| b.is_ascii_graphic()));
    }
}
