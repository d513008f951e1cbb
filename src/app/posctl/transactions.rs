//! `posctl transactions` and `posctl transaction show`.

use serde_json::{Value, json};

use crate::app::posctl::cause::explain;
use crate::app::posctl::cli::ListArguments;
use crate::app::posctl::error::Fault;
use crate::app::posctl::money;
use crate::app::posctl::output::{Voice, number, table, text, truth};
use crate::app::posctl::text as words;
use crate::app::posctl::training::mark;
use crate::bus::client::{Client, ListOrder, Row};
use crate::domain::time::WallTime;

/// As many as the daemon gives at once.
const PAGE: u32 = 500;

/// Lists payments.
pub async fn list(client: &Client, arguments: &ListArguments, voice: Voice) -> Result<(), Fault> {
    let order = ListOrder {
        outcome: arguments.outcome.map(|outcome| outcome.as_str().to_owned()),
        before: arguments.before,
        limit: Some(arguments.limit),
        all: arguments.all,
    };
    let rows = client.list(&order).await?;
    voice.tell(&json!({ "transactions": rows }), || listing(&rows, arguments, voice));
    Ok(())
}

fn listing(rows: &[Row], arguments: &ListArguments, voice: Voice) -> String {
    if rows.is_empty() {
        return voice.pick("没有交易", "no payments").to_owned();
    }
    let heads = voice.pick(
        ["编号", "时间 (UTC)", "结果", "金额", "交易码", "卡号", "参考"],
        ["id", "time (UTC)", "outcome", "amount", "code", "card", "reference"],
    );
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        vec![
            number(row, "id").to_string(),
            time(number(row, "created-at")),
            ending(row, voice),
            money::show(number(row, "amount"), text(row, "currency")),
            text(row, "code").to_owned(),
            text(row, "card").to_owned(),
            text(row, "reference").to_owned(),
        ]
    }));
    let mut listing = table(&lines);
    let full = u32::try_from(rows.len()).is_ok_and(|n| n == arguments.limit);
    if let (true, Some(last)) = (full, rows.last()) {
        let id = number(last, "id");
        listing += &voice.pick(format!("\n更早的：--before {id}"), format!("\nearlier ones: --before {id}"));
    }
    listing
}

/// How it ended, or where it stands.
fn ending(row: &Row, voice: Voice) -> String {
    let word = match text(row, "outcome") {
        "" => words::transaction_state(text(row, "state"), voice.language),
        outcome => words::outcome(outcome, voice.language),
    };
    format!("{}{word}", mark(row, voice))
}

/// Shows one payment.
pub async fn show(client: &Client, key: &str, voice: Voice) -> Result<(), Fault> {
    let row = find(client, key).await?;
    voice.tell(&Value::Object(row.clone()), || details(&row, voice));
    Ok(())
}

/// Looks into the list first: `FindTransaction` would draw the signals of a payment under way to this connection, and
/// end it with this connection. Only an older one, or another user's, has to be found that way.
async fn find(client: &Client, key: &str) -> Result<Row, Fault> {
    let recent = client.list(&ListOrder { limit: Some(PAGE), ..ListOrder::default() }).await?;
    let found = recent.into_iter().find(|row| text(row, "key") == key || text(row, "code").eq_ignore_ascii_case(key));
    match found {
        Some(row) => Ok(row),
        None => Ok(client.result(&client.find(key).await?).await?),
    }
}

/// Everything that is known about one.
pub fn details(row: &Row, voice: Voice) -> String {
    let names = [
        ("code", "交易码", "code"),
        ("key", "键", "key"),
        ("reference", "参考", "reference"),
        ("card", "卡号", "card"),
        ("scheme", "卡组织", "scheme"),
        ("trace", "流水号", "trace"),
        ("batch", "批次号", "batch"),
        ("rrn", "参考号", "RRN"),
        ("auth-code", "授权码", "authorisation code"),
        ("response-code", "应答码", "response code"),
        ("evidence", "现象", "seen"),
        ("attempts", "上送或冲正次数", "tries to send or reverse"),
        ("resolution", "处理记录", "decided"),
    ];
    let mut rows = vec![
        vec![voice.pick("结果", "outcome").to_owned(), ending(row, voice)],
        vec![voice.pick("金额", "amount").to_owned(), money::show(number(row, "amount"), text(row, "currency"))],
    ];
    for (name, zh, en) in names {
        if let Some(value) = row.get(name).filter(|value| value.as_u64() != Some(0)) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            rows.push(vec![voice.pick(zh, en).to_owned(), value]);
        }
    }
    let said = text(row, voice.pick("response-text-zh", "response-text-en"));
    if !said.is_empty() {
        rows.push(vec![voice.pick("收单机构", "acquirer").to_owned(), said.to_owned()]);
    }
    let cause = text(row, "cause");
    if !cause.is_empty() {
        let (what, remedy) = explain(cause, voice.language);
        rows.push(vec![voice.pick("原因", "cause").to_owned(), what]);
        rows.push(vec![voice.pick("怎么办", "what to do").to_owned(), remedy]);
    }
    for (name, zh, en) in [("created-at", "开始", "begun"), ("finished-at", "结束", "ended")] {
        if number(row, name) > 0 {
            rows.push(vec![voice.pick(zh, en).to_owned(), format!("{} UTC", time(number(row, name)))]);
        }
    }
    let (mode, forwarding) = (text(row, "mode"), text(row, "forwarding"));
    if !mode.is_empty() {
        rows.push(vec![voice.pick("方式", "mode").to_owned(), words::mode(mode, voice.language).to_owned()]);
    }
    if !forwarding.is_empty() {
        let standing = words::forwarding(forwarding, voice.language).to_owned();
        rows.push(vec![voice.pick("上送", "forwarding").to_owned(), standing]);
    }
    if truth(row, "merchant-carries-risk") {
        let risk = voice.pick("由商户承担，直到收单机构接受", "the merchant's, until the acquirer has accepted it");
        rows.push(vec![voice.pick("风险", "risk").to_owned(), risk.to_owned()]);
    }
    if truth(row, "reversed") {
        rows.push(vec![voice.pick("冲正", "reversed").to_owned(), voice.pick("已完成", "yes").to_owned()]);
    }
    table(&rows)
}

/// A moment for people. UTC: which offset the reader of a list lives in is not known here.
pub fn time(microseconds: u64) -> String {
    let at = WallTime(microseconds).civil(0);
    format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", at.year, at.month, at.day, at.hour, at.minute, at.second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_year_first() {
        assert_eq!(time(1_700_000_000_000_000), "2023-11-14 22:13:20");
    }
}
