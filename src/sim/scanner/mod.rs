//! A code scanner on a pty: one that knows GM65 commands, or one that only sends what it reads.
//!
//! Owns: the device's side of the line, written a second time from the maker's frames. Must not know: the daemon's own
//! scanner.
//!
//! - `device`: commands and codes as bytes, told of time, giving bytes
//! - `server`: the real pty, the loop and the control socket

pub mod device;
pub mod server;

use std::path::PathBuf;

use self::device::{Device, Family, Tail};
use self::server::Server;
use super::control;

/// Arguments of this subcommand.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the serial port appears: a symlink to the pty.
    #[arg(long, value_name = "PATH", required_unless_present = "send")]
    link: Option<PathBuf>,
    /// Unix socket for orders while it runs (see `help` there).
    #[arg(long, value_name = "PATH", required_unless_present = "send")]
    control: Option<PathBuf>,
    /// Send orders to a running simulator instead, one per argument: --send SOCKET "scan 6212345678901234567".
    #[arg(long, value_names = ["SOCKET", "ORDER"], num_args = 2.., conflicts_with_all = ["link", "control"])]
    send: Option<Vec<String>>,
    /// What it understands.
    #[arg(long, value_enum, default_value = "gm65")]
    family: Family,
    /// What it ends a code with.
    #[arg(long, value_enum, default_value = "cr")]
    tail: Tail,
    /// The rate of its line; a client with another one hears and says nothing that makes sense.
    #[arg(long, default_value_t = 9_600)]
    baud: u32,
}

/// Runs until told to stop; the error says what to do.
pub fn run(args: Args) -> Result<(), String> {
    if let Some([socket, orders @ ..]) = args.send.as_deref() {
        return control::send(socket.as_ref(), orders);
    }
    let (Some(link), Some(control)) = (&args.link, &args.control) else {
        return Err("--link and --control are needed".to_owned());
    };
    let mut server = Server::start(Device::new(args.family, args.tail, args.baud), link, control)?;
    println!("ready {}", link.display());
    server.run()
}
