//! `posctl decode-report`: a short code back into words, at the other end of the telephone. Needs no daemon.

use serde_json::{Map, Value, json};

use crate::app::posctl::cause::explain;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, table};
use crate::app::posctl::report::facts::heading;
use crate::app::posctl::text as words;
use crate::app::posctl::transactions::time;
use crate::diagnose::short_code::{CauseCode, DevicePart, ShortCode};
use crate::diagnose::who::party;
use crate::domain::support::Party;

/// Reads a code and shows what it says.
pub fn decode(given: &[String], voice: Voice) -> Result<(), Fault> {
    let code = ShortCode::decode(&given.concat()).map_err(Fault::ShortCode)?;
    voice.tell(&object(&code), || lines(&code, voice).join("\n"));
    Ok(())
}

fn object(code: &ShortCode) -> Value {
    let device = |part: &DevicePart| json!({"state": part.state.map(|s| s.as_str()), "cause": of(part.cause)});
    let probes: Map<String, Value> =
        code.made().map(|(name, result)| (name.to_owned(), result.as_str().into())).collect();
    let (a, b, c) = code.program;
    json!({
        "at": code.at.0,
        "cause": of(code.cause),
        "texts": code.cause.map(texts),
        "terminal": code.terminal.map_or("not-running", |state| state.as_str()),
        "reader": device(&code.reader),
        "keypad": device(&code.keypad),
        "probes": probes,
        "versions": {
            "smartposd": format!("{a}.{b}.{c}"),
            "reader-firmware": pair(code.firmware),
            "kernel": pair(code.kernel),
            "system": code.system,
        },
        "waiting": code.waiting,
        "held": code.held,
        "reversals": code.reversals,
    })
}

fn of(cause: Option<CauseCode>) -> Option<String> {
    cause.map(|cause| cause.to_string())
}

fn texts(cause: CauseCode) -> Value {
    use crate::domain::prompt::Language::{En, Zh};
    let word = cause.to_string();
    let ((zh, remedy_zh), (en, remedy_en)) = (explain(&word, Zh), explain(&word, En));
    json!({"zh": zh, "remedy-zh": remedy_zh, "en": en, "remedy-en": remedy_en,
        "support": cause.cause().map(|cause| party(cause).as_str())})
}

/// `6.12`; nothing where it is not known.
fn pair((major, minor): (u8, u8)) -> Option<String> {
    (major, minor).ne(&(0, 0)).then(|| format!("{major}.{minor}"))
}

fn lines(code: &ShortCode, voice: Voice) -> Vec<String> {
    let mut lines = vec![format!("{}{} UTC", voice.pick("时间：", "When: "), time(code.at.0))];
    match code.cause {
        None => lines.push(voice.pick("原因：无", "Cause: none").to_owned()),
        Some(cause) => {
            let (what, remedy) = explain(&cause.to_string(), voice.language);
            lines.push(format!("{}{what}", voice.pick("原因：", "Cause: ")));
            lines.push(format!("{}{remedy}", voice.pick("怎么办：", "What to do: ")));
            let whose = cause.cause().map(party).map(|party| match party {
                Party::Shop => voice.pick("本店技术支持", "the shop's own support"),
                Party::Acquirer => voice.pick("收单机构", "the acquirer's support"),
            });
            lines.extend(whose.map(|whose| format!("{}{whose}", voice.pick("联系：", "Whose: "))));
        }
    }
    let terminal = code.terminal.map_or(voice.pick("守护程序未运行", "smartposd was not running"), |state| {
        words::terminal_state(state.as_str(), voice.language)
    });
    lines.push(format!("{}: {terminal}", words::component("terminal", voice.language)));
    for (name, part) in [("reader", code.reader), ("keypad", code.keypad)] {
        let state = part.state.map_or("?", |state| words::device_state(state.as_str(), voice.language));
        let why = of(part.cause).map(|cause| format!(" ({})", explain(&cause, voice.language).0)).unwrap_or_default();
        lines.push(format!("{}: {state}{why}", words::component(name, voice.language)));
    }
    let (waiting, held, reversals) = (code.waiting, code.held, code.reversals);
    lines.push(voice.pick(
        format!("未上送：至少 {waiting} 笔待送、{held} 笔挂起、{reversals} 笔冲正"),
        format!("unsent: at least {waiting} waiting, {held} held, {reversals} reversals"),
    ));
    let (a, b, c) = code.program;
    let known = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    lines.push(format!(
        "smartposd {a}.{b}.{c}, {} {}, {} {}, {} {}",
        voice.pick("读卡器固件", "reader firmware"),
        known(pair(code.firmware)),
        voice.pick("内核", "kernel"),
        known(pair(code.kernel)),
        voice.pick("系统", "system"),
        if code.system == 0 { "?".to_owned() } else { code.system.to_string() },
    ));
    let (probe, result) = heading(voice.language);
    let mut rows = vec![vec![probe.to_owned(), result.to_owned()]];
    rows.extend(code.made().map(|(name, result)| vec![name.to_owned(), result.as_str().to_owned()]));
    if rows.len() > 1 {
        lines.push(table(&rows));
    }
    lines
}
