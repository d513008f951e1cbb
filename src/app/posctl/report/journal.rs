//! The daemon's last lines in journald, where this user may read them.

use std::process::{Command, Stdio};

use serde_json::{Map, Value};

/// Lines that go in.
const LINES: &str = "300";
/// Seconds that it may take.
const PATIENCE: &str = "10";
/// Fields that go in: the daemon's own and the time.
const OPEN: [&str; 9] = [
    "__REALTIME_TIMESTAMP",
    "PRIORITY",
    "MESSAGE",
    "MESSAGE_ID",
    "POS_COMPONENT",
    "POS_STATE",
    "POS_CAUSE",
    "POS_EVIDENCE",
    "POS_TXN",
];

/// The lines, and a word on where they come from or why there are none.
pub fn excerpt() -> (Vec<Value>, String) {
    // A journal on a dying disk must not hold the report up.
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "journalctl", "-u", "smartposd", "-o", "json", "-n", LINES, "--no-pager", "--quiet"]);
    match command.stdin(Stdio::null()).output() {
        Err(why) => (Vec::new(), format!("journalctl could not be run: {why}")),
        Ok(output) => {
            let lines = lines(&String::from_utf8_lossy(&output.stdout));
            let said = String::from_utf8_lossy(&output.stderr);
            let why = said.lines().next().unwrap_or("nothing of unit smartposd, or it may not be read by this user");
            let word = if lines.is_empty() { format!("no lines: {why}") } else { format!("{} lines", lines.len()) };
            (lines, word)
        }
    }
}

fn lines(text: &str) -> Vec<Value> {
    let open = |line: &str| {
        let all: Map<String, Value> = serde_json::from_str(line).ok()?;
        Some(all.into_iter().filter(|(key, _)| OPEN.contains(&key.as_str())).collect::<Map<_, _>>().into())
    };
    text.lines().filter_map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_fields_of_a_line_go_in() {
        let text = "{\"MESSAGE\":\"reader: ready\",\"_CMDLINE\":\"x\",\"_HOSTNAME\":\"till\",\"POS_STATE\":\"ready\"}\nno JSON\n";
        let [line] = lines(text).try_into().unwrap();
        assert_eq!(line.to_string(), r#"{"MESSAGE":"reader: ready","POS_STATE":"ready"}"#);
    }
}
