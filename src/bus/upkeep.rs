//! Notices, dates, counters and the inspection log, as the bus shows them: every text in both languages.

use zbus::Variant;

use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate, Visit};
use crate::bus::result::Row;
use crate::bus::terminal::unexpected;
use crate::bus::view;
use crate::diagnose::text::Text;
use crate::diagnose::upkeep_words::{counter, item};
use crate::domain::upkeep::{Day, Done, Due, Item, Notice, Trend, UpkeepAnswer, UpkeepQuestion};
use crate::engine::command::{Command, Reply};

/// `Manager.Notices`.
pub(super) fn notices(notices: &[Notice]) -> Vec<Row> {
    notices.iter().map(notice).collect()
}

fn notice(notice: &Notice) -> Row {
    let ([zh, en], [advice_zh, advice_en]) = (&notice.text, notice.advice);
    Row::from([
        ("kind", Variant::from(notice.kind)),
        ("cause", Variant::from(view::cause(notice.cause))),
        ("value", Variant::from(notice.value)),
        ("limit", Variant::from(notice.limit)),
        ("text-zh", Variant::from(zh.clone())),
        ("text-en", Variant::from(en.clone())),
        ("advice-zh", Variant::from(advice_zh)),
        ("advice-en", Variant::from(advice_en)),
    ])
}

/// The item of a word, if it is work.
pub(super) fn work(word: &str) -> Result<Item> {
    Item::from_word(word).filter(|item| item.is_work()).ok_or_else(|| {
        let known: Vec<_> = Item::ALL.iter().filter(|i| i.is_work()).map(|i| i.as_str()).collect();
        Error::invalid(format!("\"{word}\" is no item of maintenance; there is: {}", known.join(", ")))
    })
}

/// Asks the core, and makes rows of what it says.
pub(super) async fn ask(gate: &Gate, visit: &Visit, question: UpkeepQuestion) -> Result<Vec<Row>> {
    match gate.ask(visit, Command::Upkeep(question), ANSWER).await? {
        Reply::Upkeep(UpkeepAnswer::Due(all, today)) => Ok(all.iter().map(|d| due(d, today)).collect()),
        Reply::Upkeep(UpkeepAnswer::Trends(all)) => Ok(all.iter().map(trend).collect()),
        Reply::Upkeep(UpkeepAnswer::Log(all)) => Ok(all.iter().map(done).collect()),
        other => Err(unexpected(&other)),
    }
}

fn named(name: &'static str, word: &'static str, text: Text) -> Row {
    Row::from([(name, Variant::from(word)), ("name-zh", Variant::from(text.zh)), ("name-en", Variant::from(text.en))])
}

fn due(due: &Due, today: Day) -> Row {
    let mut row = named("item", due.item.as_str(), item(due.item));
    row.insert("interval", Variant::from(due.interval));
    row.insert("due", Variant::from(due.is_due(today)));
    if let Some(done) = due.done {
        row.insert("done", Variant::from(done.0));
    }
    if let Some(on) = due.on {
        row.insert("on", Variant::from(on.begins().0));
    }
    row
}

fn trend(trend: &Trend) -> Row {
    let mut row = named("counter", trend.counter.as_str(), counter(trend.counter));
    for (name, value) in [("today", trend.today), ("week", trend.week), ("before", trend.before)] {
        if let Some(value) = value {
            row.insert(name, Variant::from(value));
        }
    }
    row
}

fn done(done: &Done) -> Row {
    let mut row = named("item", done.item.as_str(), item(done.item));
    row.insert("at", Variant::from(done.at.0));
    row.insert("uid", Variant::from(done.uid));
    row.insert("note", Variant::from(done.note.clone()));
    if let Some(operator) = &done.operator {
        row.insert("operator", Variant::from(operator.as_str().to_owned()));
    }
    row
}
