//! Drills: what goes wrong, what is right then, and how it is judged. Data, and a judge without a clock.
//!
//! A drill is a row of stages. Each tells the person what to do, has something done to the terminal's surroundings, and is
//! over when its goal is seen; each has a deadline, and all have rules that end the drill when they are broken.

mod catalogue;
mod judge;

pub use catalogue::drill;
pub use judge::{Judge, Step};

use crate::diagnose::text::Text;
use crate::domain::device::DeviceState;
use crate::domain::outcome::{Outcome, TerminalState, TransactionState, words};

words! {
    /// Which drill.
    DrillName {
        /// The line is cut while the bank is being asked.
        NetworkCut = "network-cut",
        /// The acquirer's host takes no connection.
        HostDown = "host-down",
        /// The card reader's cable is out.
        ReaderGone = "reader-gone",
        /// An operator types a wrong password.
        WrongPassword = "wrong-password",
        /// The power goes while the bank is being asked.
        PowerCut = "power-cut",
    }
}

/// One exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drill {
    /// In a few words.
    pub title: Text,
    /// What happens.
    pub happens: Text,
    /// What is right then.
    pub right: Text,
    /// What is looked at.
    pub judged: Text,
    /// One after the other.
    pub stages: &'static [Stage],
    /// Hold all the time.
    pub rules: &'static [Rule],
}

impl Drill {
    /// Whether the training host is made to fail.
    pub fn needs_host(&self) -> bool {
        self.stages.iter().any(|stage| !matches!(stage.deed, Deed::Nothing | Deed::CutPower))
    }
}

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What the person is told.
    pub say: Text,
    /// What is done when it begins.
    pub deed: Deed,
    /// What ends it.
    pub goal: Goal,
    /// Seconds until it is too late.
    pub within: u64,
}

/// What is done to the surroundings of the training daemon, never within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing; a person may be asked to.
    Nothing,
    /// Everything that is sent gets lost.
    CutLine,
    /// The host decides the next sale, and its answer gets lost.
    LoseAnswer,
    /// The host takes no connection, and ends those that stand.
    StopHost,
    /// All is well again.
    Mend,
    /// The daemon is killed where it stands.
    CutPower,
}

/// What ends a stage well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Payments can start.
    Ready,
    /// A payment is with the bank.
    OneIsSent,
    /// The result of a payment is not known.
    OneIsUnknown,
    /// A payment was taken back for sure.
    OneIsReversed,
    /// A payment has ended without being sent.
    OneIsCancelled,
    /// A payment was approved.
    OneIsApproved,
    /// So many seconds went by.
    Quiet(u64),
    /// The reader is not there.
    ReaderIsGone,
    /// The reader is there.
    ReaderIsBack,
    /// Nobody is signed in.
    OperatorIsOut,
    /// Somebody is signed in.
    OperatorIsIn,
    /// A wrong password was typed.
    PasswordIsWrong,
    /// The daemon serves again.
    IsUpAgain,
}

/// What must not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// No further payment while the result of one is not known.
    NotAgainWhileUnknown,
    /// No more than so many payments into the void.
    AtMostTries(usize),
    /// No more than so many wrong passwords.
    AtMostWrong(u32),
    /// The terminal is not restarted.
    NoRestart,
}

/// What can be seen of the terminal at one moment, since the drill began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Whether the daemon serves.
    pub up: bool,
    /// What it is doing.
    pub state: Option<TerminalState>,
    /// The card reader.
    pub reader: Option<DeviceState>,
    /// Whether an operator is signed in.
    pub operator: bool,
    /// Wrong passwords so far.
    pub wrong_passwords: u32,
    /// Payments so far, the oldest first.
    pub payments: Vec<Payment>,
}

/// One payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Where it stands.
    pub state: TransactionState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whether it was taken back for sure.
    pub reversed: bool,
}

words! {
    /// Why a drill was not passed.
    Miss {
        /// A stage took too long.
        TooLate = "too-late",
        /// A further payment while one was open.
        SoldWhileUnknown = "sold-while-unknown",
        /// Again and again, though nothing could come of it.
        TriedTooOften = "tried-too-often",
        /// Passwords were guessed.
        Guessed = "guessed",
        /// The terminal was restarted though it mends itself.
        Restarted = "restarted",
    }
}

impl Miss {
    /// For the person.
    pub const fn text(self) -> Text {
        match self {
            Self::TooLate => Text::new("这一步没有在时间内完成", "this step was not done in time"),
            Self::SoldWhileUnknown => Text::new(
                "上一笔结果还不知道，又收了一次：顾客可能被扣两次",
                "a second payment was made while the result of the first was open: the customer could have paid twice",
            ),
            Self::TriedTooOften => Text::new(
                "明知不通还反复收款：应请顾客稍候或换方式付款",
                "the sale was tried again and again though nothing could come of it: ask the customer to wait or to pay \
                 another way",
            ),
            Self::Guessed => Text::new(
                "密码试了太多次：会被锁定，应核对操作员号或请主管",
                "the password was guessed too often: that locks the operator; check the number or ask a supervisor",
            ),
            Self::Restarted => Text::new(
                "重启了终端：没有必要，它会自己恢复，重启只会更慢",
                "the terminal was restarted: it mends itself, and a restart only takes longer",
            ),
        }
    }
}
