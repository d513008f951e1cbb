//! Causes and events as a message catalogue of systemd's journal: what `journalctl -x` prints below a line.
//!
//! Owns: the text of `systemd/smartposd*.catalog`; a test compares the files. Follows catalog(5) of systemd: `@FIELD@` is
//! filled in from the line itself.

use std::fmt::Write;

use crate::diagnose::catalogue::{Entry, entry};
use crate::diagnose::events::{EventEntry, JournalEvent};
use crate::diagnose::text::Text;
use crate::domain::cause::Cause;
use crate::domain::prompt::Language;

/// The file for one language, every cause and every event.
pub fn file(language: Language) -> String {
    let mut file = match language {
        Language::Zh => "# smartposd 的日志说明，由程序中的数据生成，请勿手改。\n".to_owned(),
        Language::En => {
            "# What smartposd's journal lines mean. Made from the program's data: do not edit.\n".to_owned()
        }
    };
    // Writing to a string does not fail.
    let _ = write_all(&mut file, language);
    file
}

fn write_all(file: &mut String, language: Language) -> std::fmt::Result {
    Cause::ALL.iter().try_for_each(|cause| write_cause(file, *cause, entry(*cause), language))?;
    JournalEvent::ALL.iter().try_for_each(|event| write_event(file, &event.entry(), language))
}

fn head(file: &mut String, id: impl std::fmt::Display, subject: &str) -> std::fmt::Result {
    writeln!(file, "\n-- {id}")?;
    writeln!(file, "Subject: {subject}")?;
    writeln!(file, "Defined-By: smartposd")?;
    writeln!(file, "Documentation: man:smartposd(8)\n")
}

fn write_cause(file: &mut String, cause: Cause, entry: &Entry, language: Language) -> std::fmt::Result {
    let text = |text: Text| text.in_language(language);
    head(file, entry.id, &format!("{cause} {}", text(entry.title)))?;
    let names = match language {
        Language::Zh => ["现象", "判定依据", "自动处理", "处理人", "处理", "告诉收银员", "技术人员", "告诉顾客"],
        Language::En => {
            ["Seen", "Named when", "Done by itself", "Who acts", "What to do", "Cashier", "Technician", "Customer"]
        }
    };
    let texts = [
        "@POS_EVIDENCE@",
        text(entry.evidence),
        text(entry.action),
        text(entry.actor.text()),
        text(entry.remedy),
        text(entry.cashier),
        text(entry.technician),
        text(entry.customer),
    ];
    names.iter().zip(texts).try_for_each(|(name, text)| match language {
        Language::Zh => writeln!(file, "{name}：{text}"),
        Language::En => writeln!(file, "{name}: {text}"),
    })
}

fn write_event(file: &mut String, entry: &EventEntry, language: Language) -> std::fmt::Result {
    head(file, entry.id, entry.title.in_language(language))?;
    writeln!(file, "{}", entry.meaning.in_language(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_every_id_once_and_speaks_one_language() {
        for language in [Language::Zh, Language::En] {
            let file = file(language);
            let ids: std::collections::BTreeSet<_> = file.lines().filter_map(|l| l.strip_prefix("-- ")).collect();
            assert_eq!(ids.len(), Cause::ALL.len() + JournalEvent::ALL.len());
            assert_eq!(file.is_ascii(), language == Language::En);
        }
    }

    #[test]
    fn the_text_of_a_cause_says_what_was_seen_and_what_to_do() {
        let file = file(Language::En);
        let (_, text) = file.split_once("Subject: N06 nothing outside answers\n").unwrap();
        let text = text.split("\n-- ").next().unwrap();
        assert!(
            text.contains("Seen: @POS_EVIDENCE@\n") && text.contains("Who acts: the internet provider\n"),
            "{text}"
        );
        assert!(text.contains("What to do: call the internet provider\n"), "{text}");
    }
}
