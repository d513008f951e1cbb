//! `posctl diagnose`: one row per part, and what to do about each that is not well.

use serde_json::json;

use crate::app::posctl::cause::explain;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, table, text};
use crate::app::posctl::text as words;
use crate::bus::client::{Client, Row};

/// Runs the diagnosis.
pub async fn run(client: &Client, voice: Voice) -> Result<(), Fault> {
    let rows = client.run_diagnosis().await?;
    voice.tell(&json!({ "rows": rows }), || report(&rows, voice));
    Ok(())
}

fn report(rows: &[Row], voice: Voice) -> String {
    let heads = voice.pick(["部件", "状态", "原因", "现象"], ["part", "state", "cause", "seen"]);
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let mut steps = Vec::new();
    for row in rows {
        let part = words::component(text(row, "component"), voice.language);
        let state = match row.get("milliseconds") {
            Some(taken) => format!("{} {taken} ms", text(row, "state")),
            None => text(row, "state").to_owned(),
        };
        let cause = text(row, "cause");
        let mut what = String::new();
        if !cause.is_empty() {
            let remedy;
            (what, remedy) = explain(cause, voice.language);
            steps.push(format!("{part}: {remedy}"));
        }
        lines.push(vec![part.to_owned(), state, what, text(row, "evidence").to_owned()]);
    }
    let mut report = table(&lines);
    if !steps.is_empty() {
        report += voice.pick("\n\n怎么办：", "\n\nWhat to do:");
        steps.dedup();
        for step in steps {
            report += &format!("\n  {step}");
        }
    }
    report
}
