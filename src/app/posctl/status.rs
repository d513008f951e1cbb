//! `posctl status`: a calm overview. First what is, then what works, then what to do about what does not.

use serde_json::{Value, json};

use crate::app::posctl::cause::explain;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, number, snake_keys, text, truth};
use crate::app::posctl::support;
use crate::app::posctl::text as words;
use crate::app::posctl::transactions::time;
use crate::app::posctl::ways;
use crate::app::posctl::{hints, maintenance};
use crate::bus::client::{Client, Row};
use crate::diagnose::next_step::{Facts, IN_TRAINING, next_step};
use crate::domain::cause::Cause;
use crate::domain::outcome::TerminalState;

/// Everything the overview needs, read at once.
struct Overview {
    manager: Row,
    terminal: Row,
    keys: Row,
    queue: Row,
    reader: Row,
    keypad: Row,
    /// Where one is configured.
    scanner: Option<Row>,
}

/// Shows the overview.
pub async fn show(client: &Client, voice: Voice) -> Result<(), Fault> {
    let (manager, terminal, keys, queue, reader, keypad) = tokio::try_join!(
        client.manager(),
        client.terminal(),
        client.keys(),
        client.queue(),
        client.reader(),
        client.keypad()
    )?;
    let overview = Overview {
        manager: snake_keys(&manager),
        terminal: snake_keys(&terminal),
        keys: snake_keys(&keys),
        queue: snake_keys(&queue),
        reader: snake_keys(&reader),
        keypad: snake_keys(&keypad),
        scanner: client.scanner().await.map(|row| snake_keys(&row)),
    };
    voice.tell(&overview.json(), || overview.lines(voice).join("\n"));
    Ok(())
}

impl Overview {
    fn json(&self) -> Value {
        let of_manager = |key: &str| self.manager.get(key).cloned().unwrap_or_default();
        json!({
            "terminal": self.terminal,
            "reader": self.reader,
            "keypad": self.keypad,
            "scanner": self.scanner,
            "capabilities": of_manager("capabilities"),
            "keys": self.keys,
            "queue": self.queue,
            "health": of_manager("health"),
            "components": of_manager("components"),
            "hints": of_manager("hints"),
            "notices": of_manager("notices"),
            "training": of_manager("training"),
            "version": of_manager("version"),
            "support": of_manager("support_contacts"),
            "features": of_manager("features"),
        })
    }

    fn lines(&self, voice: Voice) -> Vec<String> {
        let state = text(&self.terminal, "state");
        let mut lines = vec![format!("{state}: {}", words::terminal_state(state, voice.language))];
        let owner = text(&self.terminal, "active_owner");
        if !owner.is_empty() {
            lines.push(format!("  {}{owner}", voice.pick("使用者：", "in use by ")));
        }
        lines.extend(self.trouble(voice));
        lines.push(String::new());
        lines.extend(self.capabilities(voice));
        lines.extend(ways::queue(&self.queue, voice));
        lines.push(String::new());
        lines.push(self.identity(voice));
        let scanner = self.scanner.as_ref().map(|scanner| ("scanner", scanner));
        for (name, device) in [("reader", &self.reader), ("keypad", &self.keypad)].into_iter().chain(scanner) {
            lines.extend(device_lines(name, device, voice));
        }
        lines.push(keys_line(&self.keys, voice));
        lines.extend(hints::lines(self.manager.get("hints"), voice));
        lines.extend(maintenance::line(self.manager.get("notices"), voice));
        lines
    }

    /// Why the terminal is not ready, and the next step.
    fn trouble(&self, voice: Voice) -> Vec<String> {
        let mut lines = Vec::new();
        let cause = text(&self.terminal, "cause");
        let evidence = text(&self.terminal, "evidence");
        if !cause.is_empty() {
            lines.push(format!("  {}{}", voice.pick("原因：", "Cause: "), explain(cause, voice.language).0));
        }
        if !evidence.is_empty() {
            lines.push(format!("  {}{evidence}", voice.pick("现象：", "Seen: ")));
        }
        lines.extend(self.step(voice).map(|step| format!("  {}{step}", voice.pick("怎么办：", "What to do: "))));
        lines.extend(support::lines(&self.manager, cause, voice).map(|call| format!("  {call}")));
        let next = number(&self.terminal, "next_sign_in_at");
        if next > 0 {
            lines.push(format!("  {}{}", voice.pick("将自动签到：", "Signs in by itself at "), time(next)));
        }
        lines
    }

    /// The next step, unless all is well. A state or cause of a newer daemon has its code explained as far as possible.
    fn step(&self, voice: Voice) -> Option<String> {
        let code = text(&self.terminal, "cause");
        let supervisor_set = truth(&self.terminal, "supervisor_set");
        let known = TerminalState::from_word(text(&self.terminal, "state"));
        let (state, cause) = match (known, Cause::from_word(code)) {
            (Some(state), cause) if cause.is_some() || code.is_empty() => (state, cause),
            (Some(_) | None, _) => return Some(explain(code, voice.language).1),
        };
        let well = matches!(state, TerminalState::Ready | TerminalState::Busy) && cause.is_none() && supervisor_set;
        let facts = Facts { state, cause, supervisor_set };
        let training = truth(&self.manager, "training").then_some(IN_TRAINING);
        let step = if well { training } else { Some(next_step(facts)) };
        step.map(|step| step.in_language(voice.language).to_owned())
    }

    fn capabilities(&self, voice: Voice) -> Vec<String> {
        let Some(Value::Object(all)) = self.manager.get("capabilities") else { return Vec::new() };
        ways::capabilities(all, voice)
    }

    fn identity(&self, voice: Voice) -> String {
        let operator = match text(&self.terminal, "operator") {
            "" => voice.pick("无", "none"),
            operator => operator,
        };
        let (terminal, merchant) = (text(&self.terminal, "terminal_id"), text(&self.terminal, "merchant_id"));
        let batch = number(&self.terminal, "batch");
        voice.pick(
            format!("终端 {terminal}，商户 {merchant}，批次 {batch:06}，操作员 {operator}"),
            format!("terminal {terminal}, merchant {merchant}, batch {batch:06}, operator {operator}"),
        )
    }
}

fn device_lines(name: &str, device: &Row, voice: Voice) -> Vec<String> {
    let title = words::component(name, voice.language);
    let state = text(device, "state");
    let model = format!("{} {}", text(device, "model"), text(device, "firmware"));
    let model = match model.trim() {
        "" => String::new(),
        model => format!(" ({model})"),
    };
    let mut lines = vec![format!("{title}{model}: {}", words::device_state(state, voice.language))];
    let cause = text(device, "last_cause");
    // An old cause of a device that works again is of no use here.
    if !cause.is_empty() && !matches!(state, "ready" | "active") {
        let (what, remedy) = explain(cause, voice.language);
        lines.push(format!("    {what}"));
        lines.push(format!("    {}{remedy}", voice.pick("怎么办：", "What to do: ")));
    }
    lines
}

/// The keys by their check values.
pub fn keys_line(keys: &Row, voice: Voice) -> String {
    let check = text(keys, "master_key_check");
    let pending = text(keys, "pending_component_check");
    let mut parts = Vec::new();
    if check.is_empty() {
        parts.push(voice.pick("没有主密钥".to_owned(), "no master key".to_owned()));
    } else {
        parts.push(voice.pick(format!("主密钥校验值 {check}"), format!("master key check value {check}")));
        let working = truth(keys, "working_keys");
        let word = if working {
            voice.pick("工作密钥已装载", "working keys installed")
        } else {
            voice.pick("没有工作密钥（签到时取得）", "no working keys (they come with the sign-in)")
        };
        parts.push(word.to_owned());
    }
    if !pending.is_empty() {
        parts.push(voice.pick(
            format!("已有一个分量（校验值 {pending}），等待另一个"),
            format!("one component is in (check value {pending}), the other is awaited"),
        ));
    }
    format!("{}: {}", words::component("keys", voice.language), parts.join(", "))
}
