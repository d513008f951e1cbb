//! `posctl maintenance …`: what wants to be seen to before it fails, what is due, what was done.

use serde_json::{Value, json};

use crate::app::posctl::cli::MaintenanceCommand;
use crate::app::posctl::error::Fault;
use crate::app::posctl::hints::both;
use crate::app::posctl::output::{Voice, number, table, text, truth};
use crate::app::posctl::transactions::time;
use crate::bus::client::{Client, Row};

/// `posctl maintenance …`
pub async fn obey(client: &Client, command: Option<&MaintenanceCommand>, voice: Voice) -> Result<(), Fault> {
    match command {
        None => overview(client, voice).await?,
        Some(MaintenanceCommand::Due) => {
            let rows = client.maintenance_due().await?;
            voice.tell(&json!({"due": rows}), || due(&rows, voice));
        }
        Some(MaintenanceCommand::Log { limit }) => {
            let rows = client.maintenance_log(*limit).await?;
            voice.tell(&json!({"log": rows}), || log(&rows, voice));
        }
        Some(MaintenanceCommand::Done { item, note }) => {
            client.maintenance_done(item.as_str(), note.text()?).await?;
            voice.tell(&json!({"done": item.as_str()}), || {
                voice.pick(format!("{item}：已记录"), format!("{item}: on record as done"))
            });
        }
    }
    Ok(())
}

async fn overview(client: &Client, voice: Voice) -> Result<(), Fault> {
    let (manager, trends) = tokio::try_join!(client.manager(), client.maintenance_trends())?;
    let notices = manager.get("Notices");
    voice.tell(&json!({"notices": notices, "trends": trends}), || {
        let said = match lines(notices, voice) {
            none if none.is_empty() => voice.pick("没有维护通知", "nothing wants to be seen to").to_owned(),
            lines => lines.join("\n"),
        };
        if trends.is_empty() { said } else { format!("{said}\n\n{}", counters(&trends, voice)) }
    });
    Ok(())
}

fn list(notices: Option<&Value>) -> impl Iterator<Item = &Row> {
    notices.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// Two lines a notice: what was seen, what to do.
fn lines(notices: Option<&Value>, voice: Voice) -> Vec<String> {
    let said = |notice: &Row| {
        let lead = match text(notice, "cause") {
            "" => format!("{}: ", text(notice, "kind")),
            cause => format!("{cause} {}: ", text(notice, "kind")),
        };
        both(&lead, notice, voice)
    };
    list(notices).flat_map(said).collect()
}

/// One line for `posctl status`, if there is any notice.
pub fn line(notices: Option<&Value>, voice: Voice) -> Option<String> {
    let kinds: Vec<_> = list(notices).map(|notice| text(notice, "kind")).collect();
    (!kinds.is_empty()).then(|| {
        let kinds = kinds.join(", ");
        voice.pick(
            format!("维护：{kinds}（详见 posctl maintenance）"),
            format!("Maintenance: {kinds} (see posctl maintenance)"),
        )
    })
}

fn own(heads: &[&str]) -> Vec<String> {
    heads.iter().map(|head| (*head).to_owned()).collect()
}

fn name(row: &Row, voice: Voice) -> String {
    text(row, voice.pick("name-zh", "name-en")).to_owned()
}

fn counters(rows: &[Row], voice: Voice) -> String {
    let mut table_rows =
        vec![
            own(&voice.pick(["计数", "今天", "7 天", "此前 28 天"], ["counter", "today", "7 days", "28 days before"])),
        ];
    for row in rows {
        let shown = |key: &str| row.get(key).and_then(Value::as_u64).map_or("-".to_owned(), |n| n.to_string());
        table_rows.push(vec![name(row, voice), shown("today"), shown("week"), shown("before")]);
    }
    table(&table_rows)
}

/// The date alone: nothing is due to the minute.
fn date(microseconds: u64) -> String {
    time(microseconds).chars().take(10).collect()
}

fn due(rows: &[Row], voice: Voice) -> String {
    if rows.is_empty() {
        return voice.pick("没有配置维护周期", "no interval is configured").to_owned();
    }
    let mut table_rows = vec![own(&voice.pick(
        ["项目", "说明", "周期（天）", "上次", "到期"],
        ["item", "what", "every (days)", "last done", "due on"],
    ))];
    for row in rows {
        let day = |key: &str| row.get(key).and_then(Value::as_u64).map_or("-".to_owned(), date);
        let late = if truth(row, "due") { voice.pick("（到期）", " (due)") } else { "" };
        table_rows.push(vec![
            text(row, "item").to_owned(),
            name(row, voice),
            number(row, "interval").to_string(),
            day("done"),
            day("on") + late,
        ]);
    }
    table(&table_rows)
}

fn log(rows: &[Row], voice: Voice) -> String {
    if rows.is_empty() {
        return voice.pick("没有维护记录", "nothing is on record").to_owned();
    }
    let heads = voice.pick(["时间 (UTC)", "项目", "操作员", "说明"], ["time (UTC)", "item", "operator", "note"]);
    let mut table_rows = vec![own(&heads)];
    for row in rows {
        let words = |key: &str| text(row, key).to_owned();
        table_rows.push(vec![time(number(row, "at")), words("item"), words("operator"), words("note")]);
    }
    table(&table_rows)
}
