//! Maintenance in plain values: what is counted per day, what is due, what was done, what is noticed. What the numbers
//! mean is said in `diagnose::upkeep`.

use std::sync::Arc;

use crate::domain::cause::Cause;
use crate::domain::ids::OperatorId;
use crate::domain::outcome::words;
use crate::domain::time::WallTime;

/// Days of which counters are kept.
pub const KEPT_DAYS: u32 = 90;
const MICROSECONDS_A_DAY: u64 = 86_400_000_000;

words! {
    /// What is counted or measured, one number a day.
    Counter {
        /// Cards shown.
        Taps = "taps",
        /// Cards shown that could not be read.
        ReadFailures = "read-failures",
        /// Whole frames of the reader.
        Frames = "frames",
        /// Damaged bytes on the reader's line.
        FramingErrors = "framing-errors",
        /// Commands that the reader did not acknowledge in time.
        AckTimeouts = "ack-timeouts",
        /// How often the reader had to be reopened, reset or switched off and on.
        ReaderResets = "reader-resets",
        /// How often the reader was woken.
        ReaderWakes = "reader-wakes",
        /// Keys pressed.
        KeyPresses = "key-presses",
        /// Presses and gaps too short to be a person's.
        KeyBounces = "key-bounces",
        /// Keys that stayed down.
        StuckKeys = "stuck-keys",
        /// Looks at the supply that found it short.
        Undervoltage = "undervoltage",
        /// KiB written to the disk that holds the books.
        WrittenKib = "written-kib",
        /// Used part of the disk's life in per cent, rounded up to tens by the disk itself.
        StorageWear = "storage-wear",
        /// The disk's own word on its spare blocks: 1 good, 2 most are used, 3 nearly none.
        StorageSpares = "storage-spares",
        /// Largest difference to the host's clock, seconds.
        ClockDifference = "clock-difference",
        /// Age of the working keys, hours.
        KeyAge = "key-age",
        /// Days until the pinned certificate expires.
        CertificateDays = "certificate-days",
    }
}

/// How the numbers of one day become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// They add up.
    Sum,
    /// The largest counts.
    Max,
    /// The last one counts.
    Last,
}

impl Counter {
    /// How its numbers of one day become one.
    pub const fn fold(self) -> Fold {
        match self {
            Self::Taps
            | Self::ReadFailures
            | Self::Frames
            | Self::FramingErrors
            | Self::AckTimeouts
            | Self::ReaderResets
            | Self::ReaderWakes
            | Self::KeyPresses
            | Self::KeyBounces
            | Self::StuckKeys
            | Self::Undervoltage
            | Self::WrittenKib => Fold::Sum,
            Self::ClockDifference => Fold::Max,
            Self::StorageWear | Self::StorageSpares | Self::KeyAge | Self::CertificateDays => Fold::Last,
        }
    }
}

/// A day: how many since 1970-01-01 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u32);

impl Day {
    /// The day of a moment.
    pub fn of(at: WallTime) -> Self {
        Self(u32::try_from(at.0 / MICROSECONDS_A_DAY).unwrap_or(u32::MAX))
    }

    /// When it begins.
    pub fn begins(self) -> WallTime {
        WallTime(u64::from(self.0).saturating_mul(MICROSECONDS_A_DAY))
    }
}

/// The number of one counter on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which day.
    pub day: Day,
    /// Which counter.
    pub counter: Counter,
    /// The number.
    pub value: u64,
}

words! {
    /// What is to be done at the terminal from time to time.
    Item {
        /// Taken into service: no work, but what dates are counted from until an item was done once.
        Start = "start",
        /// The whole terminal is looked over.
        Inspection = "inspection",
        /// Reader and keypad are cleaned.
        Cleaning = "cleaning",
        /// The buffer battery or supply is checked.
        Battery = "battery",
        /// The master key is renewed.
        Keys = "keys",
        /// The acquirer's certificate is renewed.
        Certificate = "certificate",
        /// A backup is made and taken away.
        Backup = "backup",
    }
}

impl Item {
    /// Whether it is work that can be due and done.
    pub const fn is_work(self) -> bool {
        !matches!(self, Self::Start)
    }
}

/// An item with its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub item: Item,
    /// Days from one time to the next.
    pub interval: u32,
    /// When it was done last.
    pub done: Option<WallTime>,
    /// The day on which it is due; `None` while nobody knows since when the terminal serves.
    pub on: Option<Day>,
}

impl Due {
    /// Whether its day has come.
    pub fn is_due(&self, today: Day) -> bool {
        self.on.is_some_and(|on| on <= today)
    }
}

/// A line of the inspection log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: WallTime,
    /// What.
    pub item: Item,
    /// The supervisor on duty; `None` for what the daemon wrote itself.
    pub operator: Option<OperatorId>,
    /// The user who asked.
    pub uid: u32,
    /// What was found or done.
    pub note: String,
}

/// Something that wants to be seen to before it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which rule or item: stays the same as long as the notice does.
    pub kind: &'static str,
    /// The cause that it would become.
    pub cause: Option<Cause>,
    /// The number that is too high or too low.
    pub value: u64,
    /// The number that it is measured by.
    pub limit: u64,
    /// What was seen, zh and en.
    pub text: [String; 2],
    /// What to do, zh and en.
    pub advice: [&'static str; 2],
}

/// All notices, shared: they change a few times a day at most.
pub type Notices = Arc<[Notice]>;

/// What a counter says at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trend {
    /// Which.
    pub counter: Counter,
    /// Today.
    pub today: Option<u64>,
    /// The last seven days, today with them.
    pub week: Option<u64>,
    /// The 28 days before those.
    pub before: Option<u64>,
}

/// A question about maintenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpkeepQuestion {
    /// What is due when.
    Due,
    /// What the counters say.
    Trends,
    /// What was done.
    Log {
        /// At most so many, newest first.
        limit: u16,
    },
    /// An item was done.
    Done {
        /// Which.
        item: Item,
        /// The user who says so.
        uid: u32,
        /// What was found or done.
        note: String,
    },
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpkeepAnswer {
    /// Every item that has an interval, with today.
    Due(Vec<Due>, Day),
    /// Every counter that has a number.
    Trends(Vec<Trend>),
    /// Lines of the log, newest first.
    Log(Vec<Done>),
}
