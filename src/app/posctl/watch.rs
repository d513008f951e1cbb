//! `posctl watch`: what happens, as it happens.

use serde_json::{Value, json};

use crate::app::posctl::cause::explain;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, snake_keys};
use crate::app::posctl::text as words;
use crate::app::posctl::training;
use crate::bus::client::{Client, Event};

/// Watches until Ctrl-C, or until the bus itself goes away. The daemon may come and go meanwhile.
pub async fn watch(client: &Client, voice: Voice) -> Result<(), Fault> {
    let mut events = client.events().await?;
    let running = client.terminal().await;
    if let Ok(terminal) = &running {
        let object = json!({"event": "properties", "object": "terminal", "changed": snake_keys(terminal)});
        voice.object(&object);
        let state = crate::app::posctl::output::text(terminal, "State");
        voice.line(&format!("{state}: {}", words::terminal_state(state, voice.language)));
    } else {
        tell(&Event::Daemon(false), voice);
    }
    loop {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => return Ok(()),
            event = events.next() => {
                tell(&event, voice);
                if event == Event::Daemon(true) {
                    // It may have come back as the other of the two.
                    training::banner(client, voice).await;
                }
                if event == Event::BusGone {
                    return Err(crate::bus::client::ClientError::Broken("the bus has gone away".to_owned()).into());
                }
            }
        }
    }
}

fn tell(event: &Event, voice: Voice) {
    voice.tell(&object(event), || line(event, voice));
}

fn object(event: &Event) -> Value {
    match event {
        Event::Terminal { old, new, cause } => {
            json!({"event": "state", "object": "terminal", "old": old, "new": new, "cause": cause})
        }
        Event::State { path, old, new } => {
            json!({"event": "state", "object": "transaction", "path": path, "old": old, "new": new})
        }
        Event::Prompt { path, word, zh, en } => {
            json!({"event": "prompt", "path": path, "prompt": word, "text_zh": zh, "text_en": en})
        }
        Event::Forwarding { path, forwarding, cause } => {
            json!({"event": "forwarding", "path": path, "forwarding": forwarding, "cause": cause})
        }
        Event::Progress { sent, left, held, seconds_left } => {
            json!({"event": "progress", "sent": sent, "left": left, "held": held, "seconds_left": seconds_left})
        }
        Event::Finished { path, outcome } => json!({"event": "finished", "path": path, "outcome": outcome}),
        Event::Scanned { kind, answer, cause, hint: [zh, en] } => {
            json!({"event": "scanned", "kind": kind, "answer": answer, "cause": cause, "hint_zh": zh, "hint_en": en})
        }
        Event::Properties { object, changed } => {
            json!({"event": "properties", "object": object, "changed": snake_keys(changed)})
        }
        Event::DiagnosisStep(step) => json!({"event": "diagnosis-step", "step": step}),
        Event::Daemon(running) => json!({"event": "daemon", "running": running}),
        Event::BusGone => json!({"event": "bus-gone"}),
    }
}

fn line(event: &Event, voice: Voice) -> String {
    let language = voice.language;
    match event {
        Event::Terminal { old, new, cause } => {
            let why = if cause.is_empty() { String::new() } else { format!(" ({})", explain(cause, language).0) };
            let title = words::component("terminal", language);
            format!("{title}: {old} -> {new}: {}{why}", words::terminal_state(new, language))
        }
        Event::State { path, old, new } => {
            format!("{path}: {old} -> {new}: {}", words::transaction_state(new, language))
        }
        Event::Prompt { path, zh, en, .. } => format!("{path}: {}", voice.pick(zh, en)),
        Event::Forwarding { path, forwarding, cause } => {
            let why = if cause.is_empty() { String::new() } else { format!(" ({})", explain(cause, language).0) };
            format!("{path}: {}{why}", words::forwarding(forwarding, language))
        }
        Event::Progress { sent, left, held, seconds_left } => {
            let title = words::component("queue", language);
            let rest =
                seconds_left.map_or_else(String::new, |s| voice.pick(format!("，约 {s} 秒"), format!(", about {s} s")));
            voice.pick(
                format!("{title}：已上送 {sent}，剩余 {left}{rest}，挂起 {held}"),
                format!("{title}: {sent} sent, {left} left{rest}, {held} held"),
            )
        }
        Event::Finished { path, outcome } => format!("{path}: {}", words::outcome(outcome, language)),
        Event::Scanned { hint: [zh, en], cause, .. } => {
            let why = if cause.is_empty() { String::new() } else { format!(" ({})", explain(cause, language).0) };
            format!("{}: {}{why}", words::component("scanner", language), voice.pick(zh, en))
        }
        Event::Properties { object, changed } => {
            let named = snake_keys(changed);
            let changes: Vec<_> = named.iter().map(|(name, value)| format!("{name} = {}", plain(value))).collect();
            format!("{}: {}", words::component(object, language), changes.join(", "))
        }
        Event::DiagnosisStep(step) => {
            let of = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or_default();
            format!("{}: {}", words::component(of("component"), language), words::finding(of("finding"), language))
        }
        Event::Daemon(true) => voice.pick("smartposd 已启动", "smartposd is running").to_owned(),
        Event::Daemon(false) => voice.pick("smartposd 没有运行", "smartposd is not running").to_owned(),
        Event::BusGone => voice.pick("总线已断开", "the bus has gone away").to_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::Language;

    const EN: Voice = Voice { language: Language::En, json: false };

    #[test]
    fn progress_says_how_much_is_left_and_how_long_it_may_take() {
        let progress = |seconds_left| Event::Progress { sent: 4, left: 2, held: 1, seconds_left };
        assert_eq!(line(&progress(Some(9)), EN), "unsent: 4 sent, 2 left, about 9 s, 1 held");
        assert_eq!(line(&progress(None), EN), "unsent: 4 sent, 2 left, 1 held");
        assert_eq!(object(&progress(None))["seconds_left"], Value::Null);
        let zh = Voice { language: Language::Zh, json: false };
        assert_eq!(line(&progress(Some(9)), zh), "未上送：已上送 4，剩余 2，约 9 秒，挂起 1");
    }

    #[test]
    fn forwarding_says_where_it_stands_and_why() {
        let event = Event::Forwarding { path: "/p".to_owned(), forwarding: "held".to_owned(), cause: "B01".to_owned() };
        let said = line(&event, EN);
        assert!(said.starts_with("/p: held until somebody decides (B01 "), "{said}");
        assert_eq!(object(&event)["forwarding"], "held");
    }
}
