//! A simulated numeric keypad.
//!
//! Owns: keys typed by order, on a real kernel device (`uinput`) or on a socket (`node`) that stands in for one where
//! the kernel has no uinput. Must not know: the daemon's keypad machine.
//!
//! - `keys`: layouts; `event`: what the kernel writes; `fingers`: which key moves when, told of the time
//! - `node`, `uinput`: the two devices; `server`: the loop and the control socket
//!
//! Orders that type are answered when the last key is up again.

pub mod event;
pub mod fingers;
pub mod keys;
pub mod node;
pub mod server;
pub mod uinput;

use std::path::PathBuf;
use std::time::Duration;

use self::fingers::Fingers;
use self::keys::Layout;
use self::node::Description;
use self::server::{Place, Server};
use super::control;

/// Arguments of this subcommand.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Appear as a kernel input device through /dev/uinput.
    #[arg(long, required_unless_present_any = ["socket", "send"], conflicts_with = "socket")]
    uinput: bool,
    /// With --uinput: a stable name for the event node.
    #[arg(long, value_name = "PATH", requires = "uinput")]
    link: Option<PathBuf>,
    /// Appear on a Unix socket, for clients under the fake_evdev library.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Unix socket for orders while it runs (see `help` there).
    #[arg(long, value_name = "PATH", required_unless_present = "send")]
    control: Option<PathBuf>,
    /// Send orders to a running simulator instead, one per argument: --send SOCKET "type 123456 enter".
    #[arg(long, value_names = ["SOCKET", "ORDER"], num_args = 2.., conflicts_with_all = ["uinput", "socket", "control"])]
    send: Option<Vec<String>>,
    /// Which keys it has.
    #[arg(long, value_enum, default_value = "numpad")]
    layout: Layout,
    /// Name that the device gives.
    #[arg(long, default_value = "smartpos-sim keypad")]
    name: String,
    /// How long a key is down.
    #[arg(long, value_name = "MS", default_value_t = 40)]
    press_ms: u64,
    /// Pause between two keys.
    #[arg(long, value_name = "MS", default_value_t = 40)]
    gap_ms: u64,
    /// Held keys do not repeat.
    #[arg(long)]
    no_repeat: bool,
}

/// Runs until told to stop; the error says what to do.
pub fn run(args: Args) -> Result<(), String> {
    if let Some([socket, orders @ ..]) = args.send.as_deref() {
        return control::send(socket.as_ref(), orders);
    }
    let control = args.control.ok_or("--control is needed")?;
    let description = Description { name: args.name, keys: args.layout.keys(), repeats: !args.no_repeat };
    let place = args.socket.map_or(Place::Uinput(args.link), Place::Socket);
    let [press, gap] = [args.press_ms, args.gap_ms].map(Duration::from_millis);
    let fingers = Fingers::new(press, gap, description.repeats);
    let mut server = Server::start(args.layout, description, place, fingers, &control)?;
    println!("ready {}", server.path().display());
    server.run()
}
