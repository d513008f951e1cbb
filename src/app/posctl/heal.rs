//! `posctl heal …`: what mended itself, how long that took, which measures helped; and the way out of safe mode.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::posctl::cli::HealCommand;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, number, table, text};
use crate::app::posctl::text as words;
use crate::app::posctl::transactions::time;
use crate::bus::client::{Client, Row};

/// `posctl heal …`
pub async fn obey(client: &Client, command: HealCommand, voice: Voice) -> Result<(), Fault> {
    match command {
        HealCommand::Log { limit } => {
            let rows = client.heal_log(limit).await?;
            let (causes, rungs) = (repair_times(&rows), successes(&rows));
            let object = json!({
                "faults": rows,
                "repair": causes.iter().map(|(cause, (count, mean))| {
                    json!({"cause": cause, "count": count, "mean_milliseconds": mean})
                }).collect::<Vec<_>>(),
                "rungs": rungs.iter().map(|(rung, (taken, helped))| {
                    json!({"rung": rung, "taken": taken, "helped": helped})
                }).collect::<Vec<_>>(),
            });
            voice.tell(&object, || report(&rows, &causes, &rungs, voice));
        }
        HealCommand::LeaveSafeMode => {
            client.leave_safe_mode().await?;
            voice.tell(&json!({"leaving": true}), || {
                voice.pick("安全模式结束，服务正在重新启动", "safe mode ends; the daemon starts anew").to_owned()
            });
        }
    }
    Ok(())
}

/// For each cause how many faults are over, and how long they took on average.
fn repair_times(rows: &[Row]) -> BTreeMap<String, (u64, u64)> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in rows {
        if let Some(took) = row.get("milliseconds").and_then(Value::as_u64) {
            let (count, sum) = sums.entry(text(row, "cause").to_owned()).or_default();
            (*count, *sum) = (*count + 1, sum.saturating_add(took));
        }
    }
    sums.values_mut().for_each(|(count, sum)| *sum /= (*count).max(1));
    sums
}

/// For each measure how often it was taken, and how often it helped.
fn successes(rows: &[Row]) -> BTreeMap<String, (u64, u64)> {
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (rung, effect) in rows.iter().flat_map(measures) {
        let (taken, helped) = counts.entry(rung.to_owned()).or_default();
        (*taken, *helped) = (*taken + 1, *helped + u64::from(effect == "helped"));
    }
    counts
}

/// Rungs of a fault with their effects.
fn measures(row: &Row) -> impl Iterator<Item = (&str, &str)> {
    let list = |key: &str| row.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words = |key: &str| list(key).iter().filter_map(Value::as_str);
    words("rungs").zip(words("effects"))
}

fn report(
    rows: &[Row],
    causes: &BTreeMap<String, (u64, u64)>,
    rungs: &BTreeMap<String, (u64, u64)>,
    voice: Voice,
) -> String {
    if rows.is_empty() {
        return voice.pick("没有故障记录", "no fault on record").to_owned();
    }
    let own = |heads: &[&str]| heads.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>();
    let mut lines = vec![own(&voice
        .pick(["时间 (UTC)", "部件", "原因", "历时", "措施"], ["time (UTC)", "part", "cause", "lasted", "measures"]))];
    for row in rows {
        let lasted = match row.get("milliseconds").and_then(Value::as_u64) {
            Some(took) => seconds(took),
            None => voice.pick("未恢复", "not over").to_owned(),
        };
        let done: Vec<_> = measures(row).map(|(rung, effect)| format!("{rung}: {effect}")).collect();
        lines.push(vec![
            time(number(row, "began")),
            words::component(text(row, "part"), voice.language).to_owned(),
            text(row, "cause").to_owned(),
            lasted,
            done.join(", "),
        ]);
    }
    let mut means = vec![own(&voice.pick(["原因", "次数", "平均修复时间"], ["cause", "times", "mean time to repair"]))];
    means.extend(causes.iter().map(|(cause, (n, mean))| vec![cause.clone(), n.to_string(), seconds(*mean)]));
    let mut helped = vec![own(&voice.pick(["措施", "次数", "有效"], ["measure", "taken", "helped"]))];
    helped.extend(rungs.iter().map(|(rung, (n, good))| vec![rung.clone(), n.to_string(), good.to_string()]));
    [table(&lines), table(&means), table(&helped)].join("\n\n")
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> Row {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn means_and_successes_are_counted_over_what_is_over() {
        let rows = [
            row(
                json!({"cause": "H02", "milliseconds": 2_000, "rungs": ["reopen", "reset-line"], "effects": ["not-helped", "helped"]}),
            ),
            row(json!({"cause": "H02", "milliseconds": 4_000, "rungs": ["reset-line"], "effects": ["helped"]})),
            row(json!({"cause": "H01", "rungs": [], "effects": []})),
        ];
        assert_eq!(repair_times(&rows), BTreeMap::from([("H02".to_owned(), (2, 3_000))]));
        let wanted = BTreeMap::from([("reopen".to_owned(), (1, 0)), ("reset-line".to_owned(), (2, 2))]);
        assert_eq!(successes(&rows), wanted);
        assert_eq!(seconds(2_045), "2.045 s");
    }
}
