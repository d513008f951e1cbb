//! Hints from measured mistakes: a number, and what to do otherwise. Data only.
//!
//! | mistake | shown from | among the last 20 |
//! |---|---|---|
//! | card taken away too early | 4 | taps |
//! | two cards at once | 3 | taps |
//! | no payment card, or none that is taken | 4 | taps |
//! | card not readable | 4 | taps |
//! | no card shown in time | 3 | taps |
//! | amount not confirmed | 4 | confirmations |
//! | cancelled at the PIN | 4 | PIN entries |
//! | PIN not typed in time | 3 | PIN entries |
//! | PIN wrong, says the bank | 4 | PINs checked |
//! | operator's password wrong | 3 | passwords |
//! | cancel pressed while nothing was asked | 5 | payments and such presses |
//!
//! A hint goes when good tries have pushed the mistakes out, or half a day has gone by (`engine::habits`).

use crate::diagnose::text::Text;
use crate::domain::habit::{Habit, Seen};
use crate::domain::prompt::Language;

/// What there is to say about one mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Said from so many on.
    pub from: u32,
    /// What was seen; `{n}` of the last `{of}`.
    pub seen: Text,
    /// What to do.
    pub advice: Text,
}

/// The advice about a mistake.
pub const fn advice(habit: Habit) -> Advice {
    let (from, seen, advice) = match habit {
        Habit::RemovedEarly => (
            4,
            Text::new("最近 {of} 次挥卡中有 {n} 次移开太早", "{n} of the last {of} taps were pulled away too early"),
            Text::new(
                "请顾客把卡贴住读卡器，听到提示音再拿开",
                "have the card held still on the reader until the tone",
            ),
        ),
        Habit::TwoCards => (
            3,
            Text::new(
                "最近 {of} 次挥卡中有 {n} 次同时出现两张卡",
                "{n} of the last {of} taps showed two cards at once",
            ),
            Text::new("请顾客把卡从钱包里拿出来，只放一张", "have the card taken out of the wallet: one card only"),
        ),
        Habit::WrongCard => (
            4,
            Text::new(
                "最近 {of} 次挥卡中有 {n} 次不是可受理的银行卡",
                "{n} of the last {of} taps were cards that are not taken here",
            ),
            Text::new("先看一眼卡面的标志，再请顾客挥卡", "look for the scheme's mark on the card before it is tapped"),
        ),
        Habit::Unreadable => (
            4,
            Text::new("最近 {of} 次挥卡中有 {n} 次读不出", "{n} of the last {of} taps could not be read"),
            Text::new(
                "请把卡平放在读卡器中间；擦净读卡器，移开旁边的手机和金属",
                "lay the card flat on the middle; wipe the reader, keep phones and metal away from it",
            ),
        ),
        Habit::NoCard => (
            3,
            Text::new("最近 {of} 次中有 {n} 次没有人挥卡", "{n} of the last {of} times no card was shown"),
            Text::new("顾客准备好卡之后再开始收款", "begin the payment when the customer has the card at hand"),
        ),
        Habit::AmountRefused => (
            4,
            Text::new("最近 {of} 次金额确认中有 {n} 次没有确认", "{n} of the last {of} amounts were not confirmed"),
            Text::new("先说出金额，再请顾客按确认键", "say the amount first, then ask for the OK key"),
        ),
        Habit::PinCancelled => (
            4,
            Text::new("最近 {of} 次输密码中有 {n} 次被取消", "{n} of the last {of} PIN entries were cancelled"),
            Text::new(
                "告诉顾客输错一位可按退格；请给顾客留出遮挡的空间",
                "say that one wrong digit can be taken back; give the customer room and privacy",
            ),
        ),
        Habit::PinTimeout => (
            3,
            Text::new("最近 {of} 次输密码中有 {n} 次超时", "{n} of the last {of} PIN entries took too long"),
            Text::new("提示顾客输完密码要按确认键", "say that the OK key ends the PIN"),
        ),
        Habit::PinWrong => (
            4,
            Text::new("最近 {of} 次核对的密码中有 {n} 次错误", "{n} of the last {of} PINs were wrong"),
            Text::new(
                "请顾客慢慢按；连续错误时先检查键盘是否有键失灵：posctl doctor",
                "have it typed slowly; if it goes on, see whether a key fails: posctl doctor",
            ),
        ),
        Habit::WrongPassword => (
            3,
            Text::new("最近 {of} 次操作员密码中有 {n} 次错误", "{n} of the last {of} operator passwords were wrong"),
            Text::new(
                "核对操作员号再输密码；忘记密码请主管重设，不要一直试",
                "check the operator number first; a forgotten password is set anew by a supervisor, not guessed",
            ),
        ),
        Habit::IdleKey => (
            5,
            Text::new(
                "{n} 次在没有提示时按了取消键（最近 {of} 次）",
                "cancel was pressed {n} times while nothing was asked (of {of})",
            ),
            Text::new("先在收银软件里开始收款，有提示再按键", "begin the payment in the app; press keys when asked to"),
        ),
    };
    Advice { from, seen, advice }
}

/// One hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// About which mistake.
    pub seen: Seen,
    /// What to say about it.
    pub advice: Advice,
}

impl Hint {
    /// What was seen, with its numbers.
    pub fn sentence(&self, language: Language) -> String {
        let text = self.advice.seen.in_language(language);
        text.replace("{n}", &self.seen.count.to_string()).replace("{of}", &self.seen.of.to_string())
    }
}

/// What there is to say now, the most frequent first.
pub fn hints(seen: &[Seen]) -> Vec<Hint> {
    let hint = |seen: &Seen| Hint { seen: *seen, advice: advice(seen.habit) };
    let mut all: Vec<Hint> = seen.iter().map(hint).filter(|hint| hint.seen.count >= hint.advice.from).collect();
    all.sort_by_key(|hint| std::cmp::Reverse(hint.seen.count));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(habit: Habit, count: u32) -> Seen {
        Seen { habit, count, of: 20, total: count }
    }

    #[test]
    fn each_hint_comes_at_its_threshold_and_not_before() {
        for habit in Habit::ALL {
            let from = advice(*habit).from;
            assert!((2..=20).contains(&from), "{habit}");
            assert_eq!(hints(&[seen(*habit, from - 1)]), [], "{habit}");
            let [hint] = &hints(&[seen(*habit, from)])[..] else { panic!("{habit}: no hint") };
            for language in [Language::Zh, Language::En] {
                let said = hint.sentence(language);
                assert!(said.contains(&from.to_string()) && said.contains("20") && !said.contains('{'), "{said}");
            }
        }
    }

    #[test]
    fn every_hint_speaks_both_languages_and_stands_in_the_table() {
        let table = include_str!("hints.rs").lines().filter(|line| line.starts_with("//! |")).skip(2);
        let thresholds: Vec<u32> = table.filter_map(|line| line.split('|').nth(2)?.trim().parse().ok()).collect();
        assert_eq!(thresholds, Habit::ALL.iter().map(|habit| advice(*habit).from).collect::<Vec<_>>());
        for habit in Habit::ALL {
            let Advice { seen, advice, .. } = advice(*habit);
            for text in [seen, advice] {
                assert!(text.en.is_ascii() && text.en.len() > 10 && !text.zh.is_ascii(), "{habit}: {text:?}");
            }
        }
    }

    #[test]
    fn the_most_frequent_mistake_is_said_first() {
        let all = hints(&[seen(Habit::TwoCards, 3), seen(Habit::RemovedEarly, 9), seen(Habit::PinTimeout, 1)]);
        assert_eq!(all.iter().map(|h| h.seen.habit).collect::<Vec<_>>(), [Habit::RemovedEarly, Habit::TwoCards]);
    }
}
