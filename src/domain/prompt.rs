//! What a person is told to do next, as values. Texts in zh and en stand beside each.

use crate::domain::amount::Money;
use crate::domain::card::TapFailure;
use crate::domain::training::MARK;

/// The languages people are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// 中文.
    Zh,
    /// English.
    En,
}

impl Language {
    /// From a POSIX locale such as `zh_CN.UTF-8`; anything but Chinese is English.
    pub fn from_locale(locale: &str) -> Self {
        if locale.starts_with("zh") { Self::Zh } else { Self::En }
    }
}

/// One prompt, for display, bus and terminal alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing to do.
    Idle,
    /// Confirm the amount.
    ConfirmAmount(Money),
    /// Present a card.
    PresentCard(Money),
    /// The card could not be read; present it again.
    PresentAgain(TapFailure),
    /// The card may be taken away.
    RemoveCard,
    /// Enter the PIN; so many digits are in.
    EnterPin {
        /// Digits entered so far.
        digits: u8,
    },
    /// The host is being asked.
    Wait,
    /// Approved.
    Approved(Money),
    /// Accepted without the host.
    ApprovedOffline(Money),
    /// Declined, with the acquirer's words.
    Declined {
        /// Chinese.
        zh: String,
        /// English.
        en: String,
    },
    /// Cancelled.
    Cancelled,
    /// The result is open; a reversal is under way.
    Unknown,
    /// Type the operator number.
    EnterOperator {
        /// Digits so far.
        digits: u8,
    },
    /// Type the operator's password.
    EnterPassword {
        /// Digits so far.
        digits: u8,
    },
    /// Type a key component.
    EnterComponent {
        /// Hex digits so far.
        digits: u8,
    },
}

impl Prompt {
    /// The word for the bus and the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::ConfirmAmount(_) => "confirm-amount",
            Self::PresentCard(_) => "present-card",
            Self::PresentAgain(_) => "present-again",
            Self::RemoveCard => "remove-card",
            Self::EnterPin { .. } => "enter-pin",
            Self::Wait => "wait",
            Self::Approved(_) => "approved",
            Self::ApprovedOffline(_) => "approved-offline",
            Self::Declined { .. } => "declined",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::EnterOperator { .. } => "enter-operator",
            Self::EnterPassword { .. } => "enter-password",
            Self::EnterComponent { .. } => "enter-component",
        }
    }

    /// The sentence for a person, marked where nothing of it is real.
    pub fn shown(&self, language: Language, training: bool) -> String {
        let [zh, en] = MARK;
        let mark = match (training && *self != Self::Idle, language) {
            (false, _) => "",
            (true, Language::Zh) => zh,
            (true, Language::En) => en,
        };
        format!("{mark}{}", self.text(language))
    }

    /// The sentence itself.
    pub fn text(&self, language: Language) -> String {
        let (zh, en) = match self {
            Self::Idle => (String::new(), String::new()),
            Self::ConfirmAmount(m) => (format!("{m} 请按确认键"), format!("{m}: press OK to confirm")),
            Self::PresentCard(m) => (format!("{m} 请挥卡"), format!("{m}: present your card")),
            Self::PresentAgain(why) => again(*why),
            Self::RemoveCard => ("请取走卡片".into(), "Take your card".into()),
            Self::EnterPin { digits } => (
                format!("请输入密码 {}", "*".repeat(usize::from(*digits))),
                format!("Enter your PIN {}", "*".repeat(usize::from(*digits))),
            ),
            Self::Wait => ("交易处理中，请稍候".into(), "Please wait".into()),
            Self::Approved(m) => (format!("{m} 交易成功"), format!("{m}: approved")),
            Self::ApprovedOffline(m) => (format!("{m} 脱机交易成功"), format!("{m}: approved offline")),
            Self::Declined { zh, en } => (zh.clone(), en.clone()),
            Self::Cancelled => ("交易已取消".into(), "Cancelled".into()),
            Self::Unknown => ("结果未知，正在冲正，请勿重复收款".into(), "Result unknown, being reversed".into()),
            Self::EnterOperator { digits } => (
                format!("请输入操作员号 {}", "#".repeat(usize::from(*digits))),
                format!("Operator number {}", "#".repeat(usize::from(*digits))),
            ),
            Self::EnterPassword { digits } => (
                format!("请输入操作员密码 {}", "*".repeat(usize::from(*digits))),
                format!("Operator password {}", "*".repeat(usize::from(*digits))),
            ),
            Self::EnterComponent { digits } => {
                (format!("请输入密钥分量 {digits}/32"), format!("Key component {digits}/32"))
            }
        };
        match language {
            Language::Zh => zh,
            Language::En => en,
        }
    }
}

fn again(why: TapFailure) -> (String, String) {
    let (zh, en) = match why {
        TapFailure::TwoCards => ("请只放一张卡", "Present one card only"),
        TapFailure::RemovedEarly => ("请勿过早移开卡，请重新挥卡", "Card removed too early, present it again"),
        TapFailure::WrongCard => ("不是支付卡，请换卡", "Not a payment card, use another"),
        TapFailure::NoCommonApplication => ("此卡不受理，请换卡", "Card not accepted, use another"),
        TapFailure::CardDeclined => ("卡片拒绝交易", "The card declined"),
        TapFailure::UseChip => ("请插卡交易", "Insert the chip"),
        TapFailure::CardFaulty => ("卡片数据错误，请重试或换卡", "Card not readable, try again or use another"),
        TapFailure::Expired => ("卡已过期", "Card expired"),
        TapFailure::NoCard => ("未检测到卡", "No card presented"),
        TapFailure::ReaderFailed => ("读卡器故障", "Card reader fault"),
    };
    (zh.into(), en.into())
}
