//! The daemon: arguments, then the library.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use smartpos::app;
use smartpos::app::config::{self, DEFAULT_PATH, Journal};
use smartpos::app::journal::{self, Sink};
use smartpos::app::service::{Ended, Options, RESTART_CODE, run};
use smartpos::bus::BusAddress;
use smartpos::bus::authority::Authority;
use smartpos::store::unsent::{self, Unsent};

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
    /// Be a terminal for training: own state, own keys, own host on this machine; no money moves. Only one of the two, live
    /// or training, runs at a time.
    #[arg(long, conflicts_with_all = ["queue_state", "restore"])]
    training: bool,
    /// Say what the host does not have yet, as far as the database of a stopped daemon tells, and end: exit code 0 when
    /// there is nothing, 1 otherwise. For the package's own scripts; a running daemon is asked with posctl queue guard.
    #[arg(long, conflicts_with_all = ["bus", "polkit"])]
    queue_state: bool,
    /// Bring back a backup made with posctl backup, and end. Only where there is no database; the daemon must not run.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bus", "polkit", "queue_state"])]
    restore: Option<PathBuf>,
    /// Read the backup's passphrase from this file descriptor instead of asking for it.
    #[arg(long, value_name = "N", requires = "restore")]
    passphrase_fd: Option<u16>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match &arguments.restore {
        Some(archive) => restore(&arguments, archive).map(|()| ExitCode::SUCCESS),
        None if arguments.queue_state => {
            queue_state(&arguments).map(|nothing| if nothing { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        None => start(arguments).map(|ended| match ended {
            Ended::Stopped => ExitCode::SUCCESS,
            Ended::ForRestart => ExitCode::from(RESTART_CODE),
        }),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("smartposd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing is unsent.
fn queue_state(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let config = config::load(&arguments.config)?;
    let found = unsent::look(&config.state_dir.join("pos.db"))?;
    let Unsent { waiting, held, reversals } = found;
    println!("payments to be sent: {waiting}, payments held: {held}, reversals open: {reversals}");
    Ok(found.is_nothing())
}

fn restore(arguments: &Arguments, archive: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let config = config::load(&arguments.config)?;
    println!("{}", app::restore::run(&config, archive, arguments.passphrase_fd)?);
    Ok(())
}

fn start(arguments: Arguments) -> Result<Ended, Box<dyn std::error::Error>> {
    // Keys are in memory: no core dump, whatever the limits are, and nobody but root looks into this process.
    nix::sys::prctl::set_dumpable(false)?;
    let config = match arguments.training {
        true => config::training::load(&arguments.config)?,
        false => config::load(&arguments.config)?,
    };
    // systemd says so when stderr is the journal; everywhere else a person reads stderr.
    let journald = match config.journal {
        Journal::Auto => std::env::var_os("JOURNAL_STREAM").is_some(),
        Journal::Journald => true,
        Journal::Stderr => false,
    };
    let _log = journal::start(if journald { Sink::Journald } else { Sink::Stderr }, arguments.training)?;
    let authority = match &arguments.bus {
        Some(_) if !arguments.polkit => Authority::SameUser { uid: nix::unistd::geteuid().as_raw() },
        _ => Authority::Polkit,
    };
    let bus = arguments.bus.as_deref().map_or(BusAddress::System, BusAddress::from_argument);
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // One directory; systemd writes several with colons between them.
    let runtime_directory = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let ended = runtime.block_on(run(Options { config, bus, authority, credentials, runtime_directory }));
    app::service::tell_end(&ended);
    Ok(ended?)
}
