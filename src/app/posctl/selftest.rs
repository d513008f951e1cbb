//! `posctl selftest`: what works of this terminal, with a person's help where it takes one; an exit code by class.
//!
//! The display test shows three prompts where `posctl` prints, for the daemon drives no display: it answers whether the
//! screen at hand shows what an app would show, in the language of the locale. The person answers at the keypad.

use serde_json::{Value, json};

use crate::app::posctl::Exit;
use crate::app::posctl::cli::{SelfTestArguments, SelfTestPart};
use crate::app::posctl::doctor::findings;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, text};
use crate::bus::client::{Client, Row};
use crate::domain::amount::{Amount, Currency, Money};
use crate::domain::cause::Cause;
use crate::domain::diagnosis::Class;
use crate::domain::prompt::Prompt;
use crate::domain::self_test::Level;

/// Makes the test and shows what came of it.
pub async fn run(client: &Client, arguments: &SelfTestArguments, voice: Voice) -> Result<Exit, Fault> {
    let rows = match arguments.level {
        Level::Interactive => guided(client, arguments.test, voice).await?,
        level => client.self_test(level.as_str(), None).await?,
    };
    let level = arguments.level.as_str();
    voice.tell(&json!({"event": "result", "level": level, "rows": rows}), || report(&rows, voice));
    Ok(exit(&rows))
}

async fn guided(client: &Client, only: Option<SelfTestPart>, voice: Voice) -> Result<Vec<Row>, Fault> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut rows = Vec::new();
    if wanted(SelfTestPart::Keys) {
        ask(
            "keys",
            voice,
            "请把每个键各按一次：0 至 9、确认、取消，以及其他键（60 秒内，全部按过即结束）",
            "press every key once: 0 to 9, ok, cancel, and what else there is (60 s; it ends when all were pressed)",
        );
        rows.extend(client.self_test(Level::Interactive.as_str(), Some("keys")).await?);
    }
    if wanted(SelfTestPart::Display) {
        rows.extend(display(client, voice).await?);
    }
    if wanted(SelfTestPart::Card) {
        ask(
            "card",
            voice,
            "请把一张银行卡放在读卡器上（30 秒内）。不扣款，不读卡号",
            "hold a bank card to the reader (30 s). No money moves, and no card number is read",
        );
        rows.extend(client.self_test(Level::Interactive.as_str(), Some("card")).await?);
    }
    Ok(rows)
}

/// Each prompt, until one is not shown right or nobody answers.
async fn display(client: &Client, voice: Voice) -> Result<Vec<Row>, Fault> {
    let mut last = Vec::new();
    for prompt in prompts() {
        let shown = prompt.shown(voice.language, false);
        let zh = format!("屏幕上显示：\n\n    {shown}\n\n显示正确请按“确认”，否则按“取消”");
        let en = format!("this is shown:\n\n    {shown}\n\nif it looks right press ok at the keypad, else cancel");
        ask(prompt.word(), voice, &zh, &en);
        last = client.self_test(Level::Interactive.as_str(), Some("answer")).await?;
        for row in &mut last {
            let seen = format!("{}: {}", prompt.word(), text(row, "evidence"));
            row.insert("component".to_owned(), Value::from("display"));
            row.insert("evidence".to_owned(), Value::from(seen));
        }
        if last.iter().any(|row| text(row, "finding") != "worked") {
            break;
        }
    }
    Ok(last)
}

fn prompts() -> Vec<Prompt> {
    let money = Amount::new(1_280).map(|amount| Money { amount, currency: Currency::CNY });
    let with_money = money.into_iter().flat_map(|money| [Prompt::PresentCard(money), Prompt::Approved(money)]);
    with_money.chain([Prompt::EnterPin { digits: 4 }]).collect()
}

/// What the person is to do now.
fn ask(what: &str, voice: Voice, zh: &str, en: &str) {
    voice.tell(&json!({"event": "do", "test": what}), || voice.pick(zh, en).to_owned());
}

fn report(rows: &[Row], voice: Voice) -> String {
    let verdict = match (failed(rows).count(), rows.iter().any(is_open)) {
        (0, false) => voice.pick("结论：通过", "Verdict: passed").to_owned(),
        (0, true) => voice.pick("结论：没有全部完成", "Verdict: not all came to an end").to_owned(),
        (n, _) => voice.pick(format!("结论：{n} 项没有通过"), format!("Verdict: {n} did not pass")),
    };
    format!("{}\n\n{verdict}", findings(rows, voice))
}

fn failed(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| text(row, "finding") == "failed")
}

/// What is attached may be missing from a rig; what a person was asked to try was not tried.
fn is_open(row: &Row) -> bool {
    let asked = matches!(text(row, "component"), "key-press" | "display" | "card");
    match text(row, "finding") {
        "timed-out" => true,
        "not-run" => asked,
        _ => false,
    }
}

/// By the first that failed; what did not come to an end is not known.
fn exit(rows: &[Row]) -> Exit {
    match failed(rows).next() {
        Some(row) => Exit::Fault(match Cause::from_word(text(row, "cause")) {
            Some(cause) => Class::of(Some(cause)),
            None => class_of_part(text(row, "component")),
        }),
        None if rows.iter().any(is_open) => Exit::Unknown,
        None => Exit::Done,
    }
}

/// Who acts where no cause of the catalogue applies.
fn class_of_part(part: &str) -> Class {
    match part {
        "key-press" | "card" | "display" | "reader" | "reader-line" | "keypad" | "scanner" => Class::Hardware,
        "link" | "address" => Class::ShopNetwork,
        "acquirer" | "tls" | "host" => Class::Bank,
        "storage" | "space" | "clock" | "power" => Class::Platform,
        "keys" => Class::Keys,
        _ => Class::Software,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(part: &str, finding: &str, cause: &str) -> Row {
        let pairs = [("component", part), ("finding", finding), ("cause", cause)];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
    }

    #[test]
    fn the_exit_code_is_that_of_the_first_failure() {
        let well = row("crypto", "worked", "");
        assert_eq!(exit(&[well.clone(), row("card", "not-run", "")]), Exit::Unknown);
        assert_eq!(exit(&[well.clone(), row("power", "not-run", "")]), Exit::Done);
        assert_eq!(exit(&[well.clone(), row("card", "timed-out", "")]), Exit::Unknown);
        let keys = [row("card", "timed-out", ""), row("keys", "failed", "K04"), row("crypto", "failed", "")];
        assert_eq!(exit(&keys), Exit::Fault(Class::Keys));
        assert_eq!(exit(&[row("key-press", "failed", "")]), Exit::Fault(Class::Hardware));
        assert_eq!(exit(&[row("crypto", "failed", "")]), Exit::Fault(Class::Software));
    }

    #[test]
    fn three_prompts_are_shown() {
        let words: Vec<_> = prompts().iter().map(Prompt::word).collect();
        assert_eq!(words, ["present-card", "approved", "enter-pin"]);
    }
}
