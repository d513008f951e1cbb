//! `posctl hints`: what people could do better at this terminal, with its numbers.

use serde_json::{Value, json};

use crate::app::posctl::error::Fault;
use crate::app::posctl::output::{Voice, text};
use crate::bus::client::{Client, Row};

/// Shows the hints.
pub async fn show(client: &Client, voice: Voice) -> Result<(), Fault> {
    let manager = client.manager().await?;
    let (hints, mistakes) = (manager.get("Hints"), manager.get("Mistakes"));
    voice.tell(&json!({"hints": hints, "mistakes": mistakes}), || match lines(hints, voice) {
        none if none.is_empty() => {
            voice.pick("没有提示：没有反复出现的操作失误", "no hints: no mistake comes again and again").to_owned()
        }
        lines => lines.join("\n"),
    });
    Ok(())
}

/// Two lines a hint: what was seen, what to do.
pub fn lines(hints: Option<&Value>, voice: Voice) -> Vec<String> {
    let Some(Value::Array(hints)) = hints else { return Vec::new() };
    let lead = voice.pick("提示：", "Hint: ");
    hints.iter().filter_map(Value::as_object).flat_map(|hint| both(lead, hint, voice)).collect()
}

/// What was seen, behind this lead, and what to do.
pub(super) fn both(lead: &str, row: &Row, voice: Voice) -> [String; 2] {
    let seen = text(row, voice.pick("text-zh", "text-en"));
    let advice = text(row, voice.pick("advice-zh", "advice-en"));
    [format!("{lead}{seen}"), format!("  {}{advice}", voice.pick("怎么办：", "What to do: "))]
}
