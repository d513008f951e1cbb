//! A keypad in the kernel, through /dev/uinput.
//!
//! Owns: the virtual device and the link to its node. Must not know: which keys are typed when.

use std::fs;
use std::path::{Path, PathBuf};

use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, BusType, InputEvent, InputId, KeyCode, MiscCode};

use super::event::{EV_KEY, Event, SYN_DROPPED};
use super::node::Description;

/// Changes of one key that overrun a reader's buffer in the kernel; even, so that the key ends up released.
const FLOOD: usize = 400;

/// A plugged-in virtual keypad. Dropping it is unplugging it.
pub struct Virtual {
    device: VirtualDevice,
    event_node: PathBuf,
    link: Option<PathBuf>,
    /// A key to flood with.
    first_key: u16,
}

impl Virtual {
    /// Makes the device; with a link, a stable name points at its event node.
    pub fn plug(description: &Description, link: Option<&Path>) -> Result<Self, String> {
        let failed = |e: std::io::Error| {
            format!("cannot make a keypad through /dev/uinput: {e}; without uinput in the kernel use --socket")
        };
        let keys: AttributeSet<KeyCode> = description.keys.iter().map(|k| KeyCode::new(k.code)).collect();
        let scan: AttributeSet<MiscCode> = [MiscCode::MSC_SCAN].into_iter().collect();
        let mut device = VirtualDevice::builder()
            .map_err(failed)?
            .name(&description.name)
            .input_id(InputId::new(BusType::BUS_USB, 0x0000, 0x5350, 0x0001))
            .with_keys(&keys)
            .and_then(|b| b.with_msc(&scan))
            .and_then(evdev::uinput::VirtualDeviceBuilder::build)
            .map_err(failed)?;
        let event_node = device
            .enumerate_dev_nodes_blocking()
            .map_err(failed)?
            .flatten()
            .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("event")))
            .ok_or("the kernel made no event node for the keypad; load the module evdev")?;
        if let Some(link) = link {
            let fresh = link.with_extension(format!("new{}", std::process::id()));
            std::os::unix::fs::symlink(&event_node, &fresh)
                .and_then(|()| fs::rename(&fresh, link))
                .map_err(|e| format!("cannot make the link {}: {e}", link.display()))?;
        }
        let first_key = description.keys.first().map_or(0, |k| k.code);
        Ok(Self { device, event_node, link: link.map(Path::to_owned), first_key })
    }

    /// Where clients open it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.event_node)
    }

    /// Hands a packet to the kernel, which adds SYN_REPORT itself.
    pub fn emit(&mut self, events: &[Event]) -> Result<(), String> {
        // The kernel takes no SYN_DROPPED from outside: overrun the reader's buffer instead. A quick reader may keep up
        // all the same; stop it meanwhile (SIGSTOP) to be sure.
        let packet: Vec<InputEvent> = if events.contains(&SYN_DROPPED) {
            (0..FLOOD).map(|i| InputEvent::new(EV_KEY, self.first_key, i32::from(i % 2 == 0))).collect()
        } else {
            events.iter().filter(|e| e.kind != 0).map(|e| InputEvent::new(e.kind, e.code, e.value)).collect()
        };
        self.device.emit(&packet).map_err(|e| format!("the virtual keypad is gone: {e}"))
    }
}

impl Drop for Virtual {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            // Nothing to be done if somebody has removed it already.
            let _gone = fs::remove_file(link);
        }
    }
}
