//! `posctl doctor`: what is the first broken link, who acts, and what to do; an exit code by class.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::app::config::DEFAULT_PATH;
use crate::app::posctl::Exit;
use crate::app::posctl::cause::{explain, who_acts};
use crate::app::posctl::error::Fault;
use crate::app::posctl::inventory;
use crate::app::posctl::output::{Voice, snake_keys, table, text, truth};
use crate::app::posctl::support;
use crate::app::posctl::text as words;
use crate::bus::client::{Client, ClientError, Event, Row};
use crate::domain::diagnosis::Class;

/// A daemon that works answers a question about itself within this.
const ALIVE: Duration = Duration::from_secs(5);
/// The component of the last row.
const VERDICT: &str = "verdict";

/// Runs the diagnosis, with each step on a terminal's standard error as it comes.
pub async fn run(client: &Client, voice: Voice) -> Result<Exit, Fault> {
    // Who may be called stands beside the verdict. A daemon that does not even say that will not find anything either.
    let manager = tokio::time::timeout(ALIVE, client.manager()).await.map_err(|_| ClientError::TimedOut)?;
    let manager = snake_keys(&manager?);
    let mut events = client.events().await?;
    let call = client.run_diagnosis();
    tokio::pin!(call);
    let rows = loop {
        tokio::select! {
            biased;
            event = events.next() => match event {
                Event::DiagnosisStep(step) => progress(&step, voice),
                Event::BusGone => break call.await?,
                _ => {}
            },
            rows = &mut call => break rows?,
        }
    };
    let (verdict, steps): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| text(row, "component") == VERDICT);
    let verdict = verdict.into_iter().next().unwrap_or_default();
    let class = Class::from_word(text(&verdict, "class")).unwrap_or(Class::Software);
    // A published fault of a part may be behind what was found.
    let inventory = inventory::of(client, &manager, Path::new(DEFAULT_PATH)).await;
    let issues = inventory::issues(&inventory);
    voice.tell(&json!({ "rows": steps, "verdict": verdict, "known_issues": issues }), || {
        let report = format!("{}\n\n{}", findings(&steps, voice), conclusion(&verdict, &manager, voice));
        match issues.is_empty() {
            true => report,
            false => format!("{report}\n\n{}", inventory::issue_lines(&inventory, voice)),
        }
    });
    Ok(exit(class))
}

fn exit(class: Class) -> Exit {
    match class {
        Class::Well => Exit::Done,
        other => Exit::Fault(other),
    }
}

/// A line of its own for each step, for somebody who watches.
fn progress(step: &Row, voice: Voice) {
    let mut out = std::io::stderr().lock();
    if voice.json || !out.is_terminal() {
        return;
    }
    let name = words::component(text(step, "component"), voice.language);
    let found = words::finding(text(step, "finding"), voice.language);
    // Nobody to show it to is no reason to fail.
    let _ = writeln!(out, "  {name}: {found}");
}

/// One line for each step, as a table.
pub(super) fn findings(steps: &[Row], voice: Voice) -> String {
    let heads = voice.pick(["部件", "结果", "毫秒", "现象"], ["part", "finding", "ms", "seen"]);
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for row in steps {
        let part = words::component(text(row, "component"), voice.language).to_owned();
        let finding = words::finding(text(row, "finding"), voice.language);
        let cause = text(row, "cause");
        let finding = if cause.is_empty() { finding.to_owned() } else { format!("{finding} {cause}") };
        let took = row.get("milliseconds").map(ToString::to_string).unwrap_or_default();
        lines.push(vec![part, finding, took, text(row, "evidence").to_owned()]);
    }
    table(&lines)
}

fn conclusion(verdict: &Row, manager: &Row, voice: Voice) -> String {
    let cause = text(verdict, "cause");
    if cause.is_empty() {
        return voice.pick("结论：一切正常", "Verdict: all is well").to_owned();
    }
    let (what, remedy) = explain(cause, voice.language);
    let mut lines = vec![format!("{}{what}", voice.pick("结论：", "Verdict: "))];
    if !truth(verdict, "sure") {
        lines.push(
            voice.pick("  （没有对照，最可能的原因）", "  (the likeliest; nothing rules the others out)").to_owned(),
        );
    }
    let evidence = text(verdict, "evidence");
    if !evidence.is_empty() {
        lines.push(format!("  {}{evidence}", voice.pick("现象：", "Seen: ")));
    }
    let innocent: Vec<&str> = verdict
        .get("ruled-out")
        .and_then(|value| value.as_array())
        .map(|all| all.iter().filter_map(|step| step.as_str()).collect())
        .unwrap_or_default();
    if !innocent.is_empty() {
        let named: Vec<&str> = innocent.iter().map(|step| words::component(step, voice.language)).collect();
        let (head, comma) = voice.pick(("已排除：", "、"), ("Not to blame: ", ", "));
        lines.push(format!("  {head}{}", named.join(comma)));
    }
    lines.push(format!("  {}{}", voice.pick("谁来处理：", "Who acts: "), who_acts(cause, voice.language)));
    lines.push(format!("  {}{remedy}", voice.pick("怎么办：", "What to do: ")));
    lines.extend(support::lines(manager, cause, voice).map(|call| format!("  {call}")));
    lines.join("\n")
}
