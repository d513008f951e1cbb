//! `posctl`, the command-line client: for shopkeepers, technicians and scripts.
//!
//! Owns: arguments, words for people in two languages, JSON for programs, exit codes. Must not know: the engine, the
//! store; it speaks to the daemon over the public D-Bus contract only, like any other app. What is plugged into the machine it
//! reads from the kernel itself: that has to work before there is a daemon.

mod cause;
mod ceremony;
pub mod cli;
mod csv;
mod devices;
mod doctor;
mod drill;
mod egress;
pub(super) mod error;
mod guard;
mod heal;
mod hints;
mod inventory;
mod journal;
mod maintenance;
mod money;
mod operator_code;
mod output;
pub mod pages;
mod queue;
mod record;
mod refusal;
mod report;
mod sale;
pub(super) mod secret;
mod selftest;
mod status;
mod support;
pub(super) mod text;
mod training;
mod transactions;
mod watch;
mod ways;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use serde_json::json;

use crate::app::config;
use crate::app::posctl::cli::{Cli, Command, ConfigCommand, ReaderCommand, TransactionCommand};
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::Voice;
use crate::bus::BusAddress;
use crate::bus::client::Client;
use crate::domain::diagnosis::Class;
use crate::domain::prompt::Language;

pub use text::language_of;

/// How `posctl` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; for a sale: approved.
    Done,
    /// Something is wrong.
    Error,
    /// Host or card refused.
    Declined,
    /// Cancelled.
    Cancelled,
    /// The result is not known (yet).
    Unknown,
    /// The doctor has found something of this class.
    Fault(Class),
}

impl Exit {
    /// The number a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Declined => 2,
            Self::Cancelled => 3,
            Self::Unknown => 4,
            Self::Fault(class) => match class {
                Class::Well => 0,
                Class::ShopNetwork => 10,
                Class::Bank => 11,
                Class::Hardware => 12,
                Class::Keys => 13,
                Class::Platform => 14,
                Class::Software => 15,
                Class::Operator => 16,
            },
        }
    }
}

/// Runs one command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>, language: Language) -> ExitCode {
    let exit = match Cli::try_parse_from(arguments) {
        Ok(cli) => obey(&cli, Voice { language, json: cli.json }),
        Err(error) => {
            let _ = error.print();
            // Not clap's own 2: that means declined here.
            if error.use_stderr() { Exit::Error } else { Exit::Done }
        }
    };
    ExitCode::from(exit.code())
}

/// The description of the command line, for completions and man pages.
pub fn command() -> clap::Command {
    Cli::command()
}

fn obey(cli: &Cli, voice: Voice) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(perform(cli, voice)),
        Err(source) => Err(Fault::Machine { doing: "tokio".to_owned(), source }),
    };
    done.unwrap_or_else(|fault| {
        voice.complain(&fault);
        Exit::Error
    })
}

async fn perform(cli: &Cli, voice: Voice) -> Result<Exit, Fault> {
    // What needs no daemon first.
    match &cli.command {
        Command::Completions { shell } => {
            output::print(String::from_utf8_lossy(&pages::completions(command(), *shell)).trim_end());
            return Ok(Exit::Done);
        }
        Command::Man { directory } => return write_man(directory, voice),
        Command::Config(ConfigCommand::Check { config }) => return check(config, voice),
        Command::Config(ConfigCommand::Egress { config }) => return egress(config, voice),
        Command::DecodeReport { code } => {
            report::decode(code, voice)?;
            return Ok(Exit::Done);
        }
        Command::Report(arguments) => {
            // Whether there is a daemon at all is one of its questions.
            report::make(&BusAddress::from_argument(&cli.bus), arguments, voice).await?;
            return Ok(Exit::Done);
        }
        Command::Devices { command: Some(command), .. } => {
            devices::obey(command, voice)?;
            return Ok(Exit::Done);
        }
        Command::Devices { command: None, all, config } => {
            devices::show(config, *all, voice);
            return Ok(Exit::Done);
        }
        Command::Inventory { config } => {
            inventory::show(&BusAddress::from_argument(&cli.bus), config, voice).await;
            return Ok(Exit::Done);
        }
        _ => {}
    }
    let address = BusAddress::from_argument(&cli.bus);
    let client = match cli.command {
        Command::Journal(_) | Command::Backup { .. } | Command::SelfTest(_) => {
            Client::connect_patiently(&address).await?
        }
        _ => Client::connect(&address).await?,
    };
    training::banner(&client, voice).await;
    match &cli.command {
        Command::Status => status::show(&client, voice).await?,
        Command::SignIn => {
            let result = client.sign_in().await?;
            voice.tell(&result.into(), || voice.pick("已签到", "signed in with the acquirer").to_owned());
        }
        Command::SignOut => {
            client.sign_out().await?;
            voice.tell(&json!({"state": "signed-out"}), || {
                voice.pick("已签退", "signed out with the acquirer").to_owned()
            });
        }
        Command::Operator(command) => ceremony::operator(&client, command, voice).await?,
        Command::Sale(arguments) => return sale::make(&client, arguments, voice).await,
        Command::Watch => watch::watch(&client, voice).await?,
        Command::Transactions(arguments) => transactions::list(&client, arguments, voice).await?,
        Command::Transaction(TransactionCommand::Show { key }) => transactions::show(&client, key, voice).await?,
        Command::Queue(command) => return queue::obey(&client, command, voice).await,
        Command::Journal(command) => journal::obey(&client, *command, voice).await?,
        Command::Backup { file, passphrase_fd } => journal::back_up(&client, file, *passphrase_fd, voice).await?,
        Command::Keys(command) => ceremony::keys(&client, command, voice).await?,
        Command::Reader(ReaderCommand::Reset) => {
            client.reset_reader().await?;
            voice.tell(&json!({"reset": true}), || {
                voice.pick("读卡器正在重启", "the card reader is being brought up anew").to_owned()
            });
        }
        Command::Reader(ReaderCommand::PowerCycle) => {
            client.power_cycle_reader().await?;
            voice.tell(&json!({"power-cycle": true}), || {
                voice.pick("读卡器正在断电重启", "the card reader is being switched off and on").to_owned()
            });
        }
        Command::Scanner(command) => operator_code::scanner(&client, *command, voice).await?,
        Command::Doctor => return doctor::run(&client, voice).await,
        Command::SelfTest(arguments) => return selftest::run(&client, arguments, voice).await,
        Command::Heal(command) => heal::obey(&client, *command, voice).await?,
        Command::Maintenance { command } => maintenance::obey(&client, command.as_ref(), voice).await?,
        Command::Hints => hints::show(&client, voice).await?,
        Command::Drill(arguments) => return drill::obey(&client, arguments, voice).await,
        Command::Training(command) => training::obey(&client, *command, voice).await?,
        Command::Record { file, seconds, no_reset } => {
            record::record(&client, file, *seconds, !no_reset, voice).await?
        }
        Command::Config(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Inventory { .. }
        | Command::Devices { .. }
        | Command::Report(_)
        | Command::DecodeReport { .. } => {}
    }
    Ok(Exit::Done)
}

fn check(path: &Path, voice: Voice) -> Result<Exit, Fault> {
    match config::check(path) {
        Ok(summary) => {
            voice.tell(&json!({"ok": true, "summary": summary}), || summary.clone());
            Ok(Exit::Done)
        }
        Err(complaints) => {
            if voice.json {
                voice.object(&json!({"ok": false, "complaints": complaints}));
                return Ok(Exit::Error);
            }
            Err(Fault::Config(complaints))
        }
    }
}

fn egress(path: &Path, voice: Voice) -> Result<Exit, Fault> {
    let config = config::load(path).map_err(|error| Fault::Config(vec![error.to_string()]))?;
    // Without the file the name server is on this machine.
    let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let text = egress::drop_in(&config, &resolv_conf).map_err(Fault::Config)?;
    voice.tell(&json!({ "drop_in": text }), || text.trim_end().to_owned());
    Ok(Exit::Done)
}

fn write_man(directory: &Path, voice: Voice) -> Result<Exit, Fault> {
    let written = pages::man_pages(command(), "1", directory)
        .map_err(|source| Fault::Machine { doing: directory.display().to_string(), source })?;
    let names: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
    voice.tell(&json!({ "written": names }), || names.join("\n"));
    Ok(Exit::Done)
}
