//! What a cause means and what the person in front of the terminal does about it: the catalogue's words in one language.

use crate::diagnose::catalogue::entry;
use crate::diagnose::text::Text;
use crate::domain::cause::Cause;
use crate::domain::prompt::Language;

/// What to do about a code that this program does not know.
const UNKNOWN: Text = Text::new("请联系技术支持", "call your support");

/// `N05 the acquirer cannot be reached`, and what to do. An unknown code stands for itself.
pub fn explain(code: &str, language: Language) -> (String, String) {
    match Cause::from_word(code) {
        Some(cause) => {
            let entry = entry(cause);
            (format!("{code} {}", entry.title.in_language(language)), entry.remedy.in_language(language).to_owned())
        }
        None => (code.to_owned(), UNKNOWN.in_language(language).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::app::posctl::cli::Cli;

    #[test]
    fn every_cause_says_what_and_what_to_do_in_both_languages() {
        for cause in Cause::ALL {
            for language in [Language::Zh, Language::En] {
                let (what, remedy) = explain(cause.as_str(), language);
                assert!(what.starts_with(cause.as_str()) && what.len() > 8 && remedy.len() > 8, "{cause}");
            }
        }
    }

    #[test]
    fn a_code_of_a_newer_daemon_stands_for_itself() {
        assert_eq!(explain("X99", Language::En).0, "X99");
    }

    /// The words behind each `posctl` in a text, as far as they can be commands.
    fn commands(text: &str) -> impl Iterator<Item = Vec<&str>> {
        text.match_indices("posctl ").map(|(at, name)| {
            let word = |w: &&str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            text[at + name.len()..].split(' ').take_while(word).collect()
        })
    }

    #[test]
    fn every_command_that_a_remedy_names_is_one_that_posctl_has() {
        let mut seen = 0;
        for cause in Cause::ALL {
            let entry = entry(*cause);
            for text in [entry.action, entry.remedy, entry.cashier, entry.technician] {
                for words in [text.zh, text.en].into_iter().flat_map(commands) {
                    let mut command = Cli::command();
                    for (n, word) in words.iter().enumerate() {
                        let Some(next) = command.find_subcommand(word).cloned() else {
                            assert!(n > 0 && !command.has_subcommands(), "{cause}: posctl {words:?}");
                            break;
                        };
                        command = next;
                    }
                    assert!(!words.is_empty(), "{cause}: posctl and no command");
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "the texts were not searched");
    }
}
