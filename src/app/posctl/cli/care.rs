//! What keeps a terminal well and its people in practice: self-test, repair, maintenance, reports, training.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Note, list};
use crate::app::config::DEFAULT_PATH;
use crate::diagnose::drill::DrillName;
use crate::domain::self_test::Level;
use crate::domain::upkeep::Item;

/// `posctl selftest …`
#[derive(Clone, Copy, Debug, Args)]
pub struct SelfTestArguments {
    /// How deep: internal, external, interactive
    #[arg(value_name = "LEVEL", value_parser = level, default_value = "internal")]
    pub level: Level,
    /// Only this part of the interactive test
    #[arg(long, value_enum)]
    pub test: Option<SelfTestPart>,
}

/// What a person helps with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SelfTestPart {
    /// Every key once.
    Keys,
    /// Prompts on this screen.
    Display,
    /// A card.
    Card,
}

/// `posctl heal …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum HealCommand {
    /// Faults, what was done about them, how long they lasted; time to repair per cause, successes per measure
    Log {
        /// At most so many, newest first
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// End safe mode: the daemon forgets its failed starts and starts anew
    LeaveSafeMode,
}

/// `posctl maintenance …`
#[derive(Clone, Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// When what is to be done
    Due,
    /// Put on record that an item was done; a supervisor has to be signed in
    Done {
        /// inspection, cleaning, battery, keys, certificate or backup
        #[arg(value_name = "ITEM", value_parser = work)]
        item: Item,
        /// What was found or done
        #[command(flatten)]
        note: Note,
    },
    /// What was done, newest first
    Log {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

/// `posctl report …`
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Into this file (.tar.gz), which must not exist yet; smartposd-report-TIME.tar.gz if not given
    pub file: Option<PathBuf>,
    /// Only the short code, no file
    #[arg(long, conflicts_with = "file")]
    pub code: bool,
    /// The short code as a QR code too
    #[arg(long)]
    pub qr: bool,
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,
}

/// `posctl training …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum TrainingCommand {
    /// Whether payments are real
    Status,
    /// Change to training; refused while a payment is under way or anything is unsent
    Start,
    /// Change back to real payments
    Stop,
}

/// `posctl drill …`
#[derive(Debug, Args)]
pub struct DrillArguments {
    /// list, or one of: network-cut, host-down, reader-gone, wrong-password, power-cut
    #[arg(value_name = "list|NAME", value_parser = drill, default_value = "list")]
    pub name: String,
    /// Control socket of the training host
    #[arg(long, value_name = "SOCKET", default_value = "/run/smartposd-training-host/control")]
    pub host_control: PathBuf,
}

fn drill(text: &str) -> Result<String, String> {
    let known = text == "list" || DrillName::from_word(text).is_some();
    let words = || ["list"].into_iter().chain(DrillName::ALL.iter().map(|name| name.as_str()));
    if known { Ok(text.to_owned()) } else { Err(list("a drill", words())) }
}

fn work(text: &str) -> Result<Item, String> {
    let known = || Item::ALL.iter().copied().filter(|item| item.is_work());
    known().find(|item| item.as_str() == text).ok_or_else(|| {
        let words: Vec<_> = known().map(Item::as_str).collect();
        format!("one of {}", words.join(", "))
    })
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_word(text).ok_or_else(|| list("a level", Level::ALL.iter().map(|l| l.as_str())))
}
