//! Words in both languages, and the ids that lines bear in the journal.

use std::fmt;

use crate::domain::prompt::Language;

/// The same sentence in Chinese and English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// 中文.
    pub zh: &'static str,
    /// English, plain ASCII.
    pub en: &'static str,
}

impl Text {
    /// Chinese first.
    pub const fn new(zh: &'static str, en: &'static str) -> Self {
        Self { zh, en }
    }

    /// In one language.
    pub const fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::Zh => self.zh,
            Language::En => self.en,
        }
    }
}

/// A journal MESSAGE_ID: 128 random bits that stand for one kind of line, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u128);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
