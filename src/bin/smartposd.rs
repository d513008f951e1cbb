//! The daemon: arguments, then the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use smartpos::app::config::DEFAULT_PATH;
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
    let arguments = Arguments::parse();
    // systemd says so when stderr is the journal; everywhere else a person reads stderr.
    let sink = if std::env::var_os("JOURNAL_STREAM").is_some() { Sink::Journald } else { Sink::Stderr };
    if let Err(error) = journal::start(sink) {
        eprintln!("smartposd: journal: {error}");
        return ExitCode::FAILURE;
    }
    let authority = match &arguments.bus {
        Some(_) if !arguments.polkit => Authority::SameUser { uid: nix::unistd::geteuid().as_raw() },
        _ => Authority::Polkit,
    };
    let bus = arguments.bus.as_deref().map_or(BusAddress::System, BusAddress::from_argument);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("smartposd: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(Options { config: arguments.config, bus, authority, credentials }));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smartposd: {error}");
            ExitCode::FAILURE
        }
    }
}
