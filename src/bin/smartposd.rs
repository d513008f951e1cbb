//! The daemon: arguments, then the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use smartpos::app::config::{self, DEFAULT_PATH, Journal};
use smartpos::app::journal::{self, Sink};
use smartpos::app::service::{Options, run};
use smartpos::bus::BusAddress;
use smartpos::bus::authority::Authority;

/// Payment daemon for Linux points of sale.
#[derive(Parser)]
#[command(name = "smartposd", version)]
struct Arguments {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
    /// Bus to serve instead of the system bus: `session` or an address such as unix:path=/run/bus. On such a private bus
    /// the user who starts the daemon, and root, may do everything unless --polkit is given.
    #[arg(long, value_name = "ADDRESS")]
    bus: Option<String>,
    /// Ask polkit on a private bus too.
    #[arg(long, requires = "bus")]
    polkit: bool,
}

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smartposd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let config = config::load(&arguments.config)?;
    // systemd says so when stderr is the journal; everywhere else a person reads stderr.
    let journald = match config.journal {
        Journal::Auto => std::env::var_os("JOURNAL_STREAM").is_some(),
        Journal::Journald => true,
        Journal::Stderr => false,
    };
    journal::start(if journald { Sink::Journald } else { Sink::Stderr })?;
    let authority = match &arguments.bus {
        Some(_) if !arguments.polkit => Authority::SameUser { uid: nix::unistd::geteuid().as_raw() },
        _ => Authority::Polkit,
    };
    let bus = arguments.bus.as_deref().map_or(BusAddress::System, BusAddress::from_argument);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Options { config, bus, authority, credentials }))?;
    Ok(())
}
