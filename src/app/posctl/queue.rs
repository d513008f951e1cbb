//! `posctl queue …`: what the acquirer does not have yet, and what a person does about it.

use serde_json::{Value, json};

use crate::app::posctl::Exit;
use crate::app::posctl::cli::{QueueCommand, QueueListArguments};
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, number, table, text, truth};
use crate::app::posctl::secret::{Wanted, obtain};
use crate::app::posctl::text as words;
use crate::app::posctl::transactions::{self, time};
use crate::app::posctl::{csv, guard, money};
use crate::bus::client::{Client, ClientError, QueueOrder, Row};

/// As many as the daemon gives at once.
const PAGE: u32 = 500;

/// Obeys.
pub async fn obey(client: &Client, command: &QueueCommand, voice: Voice) -> Result<Exit, Fault> {
    match command {
        QueueCommand::List(arguments) => list(client, arguments, voice).await?,
        QueueCommand::Show { key } => show(client, key, voice).await?,
        QueueCommand::Drain => {
            let waiting = client.drain().await?;
            voice.tell(&json!({ "waiting": waiting }), || {
                voice.pick(
                    format!("正在上送 {waiting} 笔；进度：posctl watch"),
                    format!("{waiting} payments are being sent; see how with posctl watch"),
                )
            });
        }
        QueueCommand::Hold { code, note } => {
            client.hold(code.as_str(), note.text()?).await?;
            voice.tell(&json!({"code": code.as_str(), "forwarding": "held"}), || {
                voice.pick(format!("{code} 已挂起"), format!("{code} is held"))
            });
        }
        QueueCommand::Resolve { code, decision, note } => {
            client.resolve(code.as_str(), decision.as_str(), note.text()?).await?;
            voice.tell(&json!({"code": code.as_str(), "decision": decision.as_str()}), || {
                voice.pick(format!("{code}：{decision}，已记录"), format!("{code}: {decision}, on record"))
            });
        }
        QueueCommand::Export => export(client, voice).await?,
        QueueCommand::DenyCard { note, pan_fd } => {
            let note = note.text()?;
            let pan = obtain(Wanted::CardNumber, *pan_fd, voice.language)?;
            client.deny_card(pan, note).await?;
            voice.tell(&json!({"denied": true}), || {
                voice.pick("此卡不再受理脱机交易", "this card is not accepted offline any more").to_owned()
            });
        }
        QueueCommand::Guard { occasion } => return guard::guard(client, *occasion, voice).await,
    }
    Ok(Exit::Done)
}

/// Rows of every user where that is allowed, else one's own; and whether they are of every user.
struct Found {
    rows: Vec<Row>,
    all: bool,
}

async fn ask(client: &Client, order: QueueOrder) -> Result<Found, Fault> {
    match client.list_queue(&order).await {
        Ok(rows) => Ok(Found { rows, all: order.all }),
        Err(ClientError::Refused { name, .. }) if order.all && name == "NotAuthorized" => {
            let rows = client.list_queue(&QueueOrder { all: false, ..order }).await?;
            Ok(Found { rows, all: false })
        }
        Err(error) => Err(error.into()),
    }
}

/// Everything, page by page.
async fn everything(client: &Client) -> Result<Found, Fault> {
    let mut found = Found { rows: Vec::new(), all: true };
    let mut after = None;
    loop {
        let order = QueueOrder { held: false, after, limit: Some(PAGE), all: found.all };
        let page = ask(client, order).await?;
        let full = u32::try_from(page.rows.len()).is_ok_and(|n| n == PAGE);
        let behind = page.rows.last().map(|row| number(row, "id"));
        found.all = page.all;
        found.rows.extend(page.rows);
        if !full || behind == after {
            return Ok(found);
        }
        after = behind;
    }
}

async fn list(client: &Client, arguments: &QueueListArguments, voice: Voice) -> Result<(), Fault> {
    let QueueListArguments { held, limit, after, own } = *arguments;
    let found = ask(client, QueueOrder { held, after, limit: Some(limit), all: !own }).await?;
    voice.tell(&json!({"rows": found.rows, "all": found.all}), || listing(&found, arguments, voice));
    Ok(())
}

fn listing(found: &Found, arguments: &QueueListArguments, voice: Voice) -> String {
    let mut lines = Vec::new();
    if !found.all && !arguments.own {
        let only = voice.pick("只显示您自己的（没有查看全部的权限）", "only your own (you have no right to see all)");
        lines.push(only.to_owned());
    }
    if found.rows.is_empty() {
        lines.push(voice.pick("没有未上送的交易", "nothing is unsent").to_owned());
        return lines.join("\n");
    }
    let heads = voice.pick(
        ["编号", "时间 (UTC)", "状态", "金额", "交易码", "次数", "原因"],
        ["id", "time (UTC)", "where it stands", "amount", "code", "tries", "cause"],
    );
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(found.rows.iter().map(|row| {
        vec![
            number(row, "id").to_string(),
            time(moment(row)),
            standing(row, voice),
            money::show(number(row, "amount"), text(row, "currency")),
            text(row, "code").to_owned(),
            number(row, "attempts").to_string(),
            text(row, "cause").to_owned(),
        ]
    }));
    lines.push(table(&rows));
    if found.rows.iter().any(|row| truth(row, "held")) {
        lines.push(
            voice
                .pick(
                    "\n怎么办（挂起的）：posctl queue resolve 交易码 retry|abandon --note 说明；冲正也可用 proceed",
                    "\nWhat to do about held ones: posctl queue resolve CODE retry|abandon --note WHY; reversals also proceed",
                )
                .to_owned(),
        );
    }
    let full = u32::try_from(found.rows.len()).is_ok_and(|n| n == arguments.limit);
    if let (true, Some(last)) = (full, found.rows.last()) {
        let id = number(last, "id");
        lines.push(voice.pick(format!("更新的：--after {id}"), format!("later ones: --after {id}")));
    }
    lines.join("\n")
}

/// When a payment was accepted, or a reversed one begun.
fn moment(row: &Row) -> u64 {
    match number(row, "finished-at") {
        0 => number(row, "created-at"),
        at => at,
    }
}

fn standing(row: &Row, voice: Voice) -> String {
    let language = voice.language;
    match (text(row, "what"), truth(row, "held")) {
        ("reversal", true) => voice.pick("冲正不成功，等待处理", "reversal held until somebody decides").to_owned(),
        ("reversal", false) => words::transaction_state("reversing", language).to_owned(),
        _ => words::forwarding(text(row, "forwarding"), language).to_owned(),
    }
}

/// Looks among what is unsent first: that gives no signals away and needs no right to find by code.
async fn show(client: &Client, key: &str, voice: Voice) -> Result<(), Fault> {
    let mut unsent = everything(client).await?.rows.into_iter();
    let row = match unsent.find(|row| text(row, "key") == key || text(row, "code").eq_ignore_ascii_case(key)) {
        Some(row) => row,
        None => return transactions::show(client, key, voice).await,
    };
    voice.tell(&Value::Object(row.clone()), || {
        format!("{}\n{}", standing(&row, voice), transactions::details(&row, voice))
    });
    Ok(())
}

async fn export(client: &Client, voice: Voice) -> Result<(), Fault> {
    let found = everything(client).await?;
    if voice.json {
        for row in found.rows {
            voice.object(&Value::Object(row));
        }
        return Ok(());
    }
    let heads = [
        "id",
        "uid",
        "what",
        "standing",
        "held",
        "time_utc",
        "amount",
        "currency",
        "code",
        "key",
        "reference",
        "card",
        "attempts",
        "cause",
        "evidence",
        "resolution",
    ];
    voice.line(&csv::line(heads));
    for row in &found.rows {
        let standing = if text(row, "what") == "reversal" { text(row, "state") } else { text(row, "forwarding") };
        let money = money::show(number(row, "amount"), text(row, "currency"));
        let amount = money.rsplit(' ').next().unwrap_or_default();
        let held = if truth(row, "held") { "yes" } else { "no" };
        voice.line(&csv::line([
            number(row, "id").to_string().as_str(),
            &number(row, "uid").to_string(),
            text(row, "what"),
            standing,
            held,
            &time(moment(row)),
            amount,
            text(row, "currency"),
            text(row, "code"),
            text(row, "key"),
            text(row, "reference"),
            text(row, "card"),
            &number(row, "attempts").to_string(),
            text(row, "cause"),
            text(row, "evidence"),
            text(row, "resolution"),
        ]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::Language;

    fn row(id: u64, what: &str, forwarding: &str, held: bool) -> Row {
        let value = json!({
            "id": id, "what": what, "forwarding": forwarding, "held": held, "amount": 12_800, "currency": "CNY",
            "code": format!("C-{id}"), "attempts": 2, "created-at": 1, "finished-at": 1_700_000_000_000_000u64,
        });
        value.as_object().unwrap().clone()
    }

    fn english() -> Voice {
        Voice { language: Language::En, json: false }
    }

    #[test]
    fn a_list_names_where_each_stands_and_what_to_do_about_held_ones() {
        let arguments = QueueListArguments { limit: 2, ..QueueListArguments::default() };
        let rows = vec![row(1, "payment", "waiting", false), row(2, "reversal", "", true)];
        let said = listing(&Found { rows, all: true }, &arguments, english());
        assert!(said.contains("waiting to be sent") && said.contains("reversal held"), "{said}");
        assert!(said.contains("CNY 128.00") && said.contains("2023-11-14 22:13:20"), "{said}");
        assert!(said.contains("posctl queue resolve"), "{said}");
        assert!(said.contains("--after 2"), "{said}");
        assert!(!said.contains("only your own"), "{said}");
    }

    #[test]
    fn whoever_sees_only_its_own_is_told_so() {
        let arguments = QueueListArguments { limit: 50, ..QueueListArguments::default() };
        let said = listing(&Found { rows: Vec::new(), all: false }, &arguments, english());
        assert!(said.contains("only your own") && said.contains("nothing is unsent"), "{said}");
        let rows = vec![row(1, "payment", "waiting", false)];
        let said = listing(&Found { rows, all: true }, &arguments, english());
        assert!(!said.contains("resolve"), "nothing is held: {said}");
    }
}
