//! The point of sale that the figures are taken on: signed in, ready, its card reader on a line that is listened to.

use std::error::Error;

use crate::relay::{self, Notes};
use crate::rig::{Rig, Setup};

/// From here on a PIN is asked for, in minor units.
pub const PIN_FROM: u64 = 10_000;

pub struct Scene {
    pub rig: Rig,
    /// What passed between daemon and reader.
    pub notes: Notes,
}

impl Scene {
    /// `None`, said loudly, where something is missing.
    pub fn ready(setup: Setup) -> Option<Result<Self, Box<dyn Error>>> {
        // A customer who taps when asked to, with a card that wants no PIN by itself.
        let reader = ["--tap-delay-ms", "5", "--card-set", "pin=no"].map(String::from).into();
        let rig = Rig::new("benches", Setup { reader, ..setup })?;
        Some(Self::begin(rig))
    }

    fn begin(mut rig: Rig) -> Result<Self, Box<dyn Error>> {
        edit(&rig, "profiles/rig.toml", "pin_above = 0", &format!("pin_above = {PIN_FROM}"))?;
        // The line in between has one rate only.
        edit(&rig, "smartposd.toml", "[reader]", "[reader]\nbaud_max = 115200")?;
        edit(&rig, "smartposd.toml", "ttyReader", "ttyRelay")?;
        let notes = relay::start(&rig.path("ttyReader"), &rig.path("ttyRelay"))?;
        rig.start_daemon();
        rig.provision();
        rig.wait_terminal("ready");
        Ok(Self { rig, notes })
    }
}

/// Changes a file of the rig before the daemon reads it.
pub fn edit(rig: &Rig, file: &str, old: &str, new: &str) -> Result<(), Box<dyn Error>> {
    let path = rig.path(file);
    let text = std::fs::read_to_string(&path)?;
    if !text.contains(old) {
        return Err(format!("no {old:?} in {file}").into());
    }
    Ok(std::fs::write(path, text.replace(old, new))?)
}
