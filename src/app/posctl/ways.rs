//! The answer to "can I still be paid?" for people: the four ways, and what has not reached the acquirer yet.

use serde_json::{Map, Value};

use crate::app::posctl::cause::explain;
use crate::app::posctl::guard::sums;
use crate::app::posctl::output::{Voice, number, text, truth};
use crate::app::posctl::text as words;
use crate::app::posctl::transactions::time;
use crate::app::posctl::{money, refusal};
use crate::bus::client::Row;

/// What works first.
pub fn capabilities(all: &Map<String, Value>, voice: Voice) -> Vec<String> {
    let mut rows: Vec<_> = all.iter().filter_map(|(name, of)| Some((name, of.as_object()?))).collect();
    rows.sort_by_key(|(_, of)| !truth(of, "available"));
    rows.into_iter().flat_map(|(name, of)| way(name, of, voice)).collect()
}

fn way(name: &str, of: &Map<String, Value>, voice: Voice) -> Vec<String> {
    let title = words::capability(name, voice.language);
    if truth(of, "available") {
        return vec![format!("+ {title}: {}", limits(of, voice))];
    }
    let mut lines = vec![format!("- {title}: {}", voice.pick("不可用", "not now"))];
    let cause = text(of, "cause");
    let cause = (!cause.is_empty()).then(|| explain(cause, voice.language));
    let rule = refusal::explain(text(of, "refusal"), voice.language);
    if cause.is_none() && rule.is_none() {
        lines.push(format!("    {}", voice.pick("本机未配置", "not set up on this terminal")));
    }
    let rule = rule.map(|(what, remedy)| (what.to_owned(), remedy.to_owned()));
    for (what, remedy) in cause.into_iter().chain(rule) {
        lines.push(format!("    {what}"));
        lines.push(format!("    {}{remedy}", voice.pick("怎么办：", "What to do: ")));
    }
    let until = number(of, "until");
    if until > 0 {
        lines.push(format!("    {}{}", voice.pick("预计恢复：", "expected back at "), time(until)));
    }
    lines
}

/// What is left of the limits of a way that works.
fn limits(of: &Map<String, Value>, voice: Voice) -> String {
    let left = |key: &str| of.get(key).and_then(Value::as_u64);
    let mut parts = Vec::new();
    if let Some(amount) = left("amount-left") {
        let amount = money::show(amount, text(of, "currency"));
        parts.push(voice.pick(format!("单笔最多 {amount}"), format!("up to {amount} each")));
    }
    if let Some(count) = left("count-left") {
        parts.push(voice.pick(format!("还可收 {count} 笔"), format!("{count} more payments")));
    }
    if let Some(until) = left("until").filter(|at| *at > 0) {
        parts.push(voice.pick(format!("到 {} UTC 为止", time(until)), format!("until {} UTC", time(until))));
    }
    if parts.is_empty() {
        return voice.pick("可用，不限额", "works, without a limit of its own").to_owned();
    }
    let parts = parts.join(voice.pick("，", ", "));
    voice.pick(format!("可用，{parts}"), format!("works, {parts}"))
}

/// What is unsent and what to do about it. The keys are those of the Queue's properties, in snake case.
pub fn queue(queue: &Row, voice: Voice) -> Vec<String> {
    let title = words::component("queue", voice.language);
    let (waiting, held) = (number(queue, "depth"), number(queue, "held"));
    let reversals = number(queue, "reversals");
    if waiting == 0 && held == 0 && reversals == 0 {
        return vec![voice.pick(format!("{title}：无"), format!("{title}: nothing"))];
    }
    let sum = queue.get("pending_amounts").and_then(Value::as_object).map(sums).unwrap_or_default();
    let sum = if sum.is_empty() { String::new() } else { format!(" ({sum})") };
    let mut lines = vec![voice.pick(
        format!("{title}：待上送 {waiting} 笔，挂起 {held} 笔{sum}，冲正 {reversals} 笔"),
        format!("{title}: {waiting} payments waiting, {held} held{sum}, {reversals} reversals"),
    )];
    let oldest = number(queue, "oldest_at");
    if oldest > 0 {
        let at = time(oldest);
        lines.push(voice.pick(format!("    最早的：{at} UTC"), format!("    the oldest is of {at} UTC")));
    }
    let cause = text(queue, "cause");
    let mut steps = Vec::new();
    if !cause.is_empty() {
        let (what, remedy) = explain(cause, voice.language);
        lines.push(format!("    {what}"));
        steps.push(remedy);
    } else if truth(queue, "draining") {
        lines.push(voice.pick("    正在上送：posctl watch", "    being sent: posctl watch").to_owned());
    } else if waiting > 0 {
        steps.push("posctl queue drain".to_owned());
    }
    if held > 0 {
        steps.push("posctl queue list --held".to_owned());
    }
    let arrow = voice.pick("怎么办：", "What to do: ");
    lines.extend(steps.into_iter().map(|step| format!("    {arrow}{step}")));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::prompt::Language;

    const EN: Voice = Voice { language: Language::En, json: false };
    const ZH: Voice = Voice { language: Language::Zh, json: false };

    fn row(value: Value) -> Row {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_way_that_works_says_what_is_left_of_it_and_until_when() {
        let all = row(json!({
            "card-offline": {
                "available": true, "amount-left": 12_000, "currency": "CNY", "count-left": 7,
                "until": 1_700_000_000_000_000u64,
            },
            "cash": {"available": true},
        }));
        let lines = capabilities(&all, EN);
        let wanted = "+ card, offline: works, up to CNY 120.00 each, 7 more payments, until 2023-11-14 22:13:20 UTC";
        assert_eq!(lines, [wanted, "+ cash: works, without a limit of its own"]);
        assert!(capabilities(&all, ZH)[0].contains("还可收 7 笔"));
    }

    #[test]
    fn a_way_that_does_not_names_cause_or_rule_and_comes_last() {
        let all = row(json!({
            "card-offline": {"available": false, "refusal": "offline-sum"},
            "card-online": {"available": false, "cause": "N05"},
            "cash": {"available": true},
            "qr": {"available": false},
        }));
        let said = capabilities(&all, EN).join("\n");
        assert!(said.starts_with("+ cash"), "{said}");
        assert!(said.contains("posctl queue drain") && said.contains("N05"), "{said}");
        assert!(said.ends_with("not set up on this terminal"), "{said}");
    }

    #[test]
    fn an_empty_queue_takes_one_word_and_a_full_one_says_what_to_do() {
        let empty = row(json!({"depth": 0, "held": 0, "reversals": 0}));
        assert_eq!(queue(&empty, EN), ["unsent: nothing"]);
        let full = row(json!({
            "depth": 2, "held": 1, "reversals": 1, "pending_amounts": {"CNY": 15_000}, "oldest_at": 1, "cause": "N05",
            "draining": false,
        }));
        let said = queue(&full, EN).join("\n");
        assert!(said.contains("2 payments waiting, 1 held (CNY 150.00), 1 reversals"), "{said}");
        assert!(said.contains("N05") && said.contains("queue list --held"), "{said}");
        let idle = row(json!({"depth": 2, "held": 0, "reversals": 0, "cause": "", "draining": false}));
        assert!(queue(&idle, ZH).join("\n").contains("posctl queue drain"));
        let sending = row(json!({"depth": 2, "held": 0, "reversals": 0, "cause": "", "draining": true}));
        assert!(!queue(&sending, EN).join("\n").contains("What to do"));
    }
}
