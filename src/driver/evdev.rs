//! The keypad as Linux input device: found, held exclusively, read, waited for when it is gone.
//!
//! Owns: the file descriptor and the exclusive grab, from opening until the device goes or the daemon ends (a grab
//! keeps the digits off the console). Must not know: what keys mean, entries, the core loop.
//!
//! Reads through `RawDevice`: the crate's `Device` hides `SYN_DROPPED`, and a PIN of which events were lost would be a
//! wrong PIN. Events carry digits: nothing here logs or prints a key code. The crate's read buffer (32 events) cannot
//! be wiped from outside; it is overwritten by the next keys and freed with the device.

mod find;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ::evdev::raw_stream::EventStream;
use ::evdev::{EventSummary, SynchronizationCode};
use futures_util::FutureExt;
use nix::errno::Errno;
use tokio::sync::mpsc;

use crate::domain::cause::Cause;
use crate::domain::time::WallTime;
use crate::driver::udev;
use crate::driver::watch::{Watch, settled};

pub(in crate::driver) use find::pad;
use find::{Found, find};
pub use find::{MOST_CODE, key_code, key_names};

/// Which device is the keypad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one; best a stable name such as `/dev/input/by-id/…-event-kbd`.
    Path(PathBuf),
    /// Whatever looks like a numeric keypad: digits and an OK key, and the udev property `ID_INPUT_KEY` where udev
    /// runs. The udev property `ID_SMARTPOS_ROLE=keypad` makes any device one.
    Auto {
        /// Whether a keyboard with letters may be taken too. It is then lost to the console.
        keyboards: bool,
    },
}

/// Where and how to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which device.
    pub choice: Choice,
    /// The directory of input devices.
    pub devices: PathBuf,
    /// The directory of udev's properties.
    pub udev: PathBuf,
    /// The first pause before trying again where the kernel will not tell; doubles each time.
    pub retry_first: Duration,
    /// The longest such pause.
    pub retry_most: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            choice: Choice::Auto { keyboards: false },
            devices: "/dev/input".into(),
            udev: udev::RECORDS.into(),
            retry_first: Duration::from_millis(250),
            retry_most: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// The directories in which a keypad would appear.
    fn directories(&self) -> Vec<PathBuf> {
        let configured = match &self.choice {
            Choice::Path(path) => path.parent().map(Path::to_owned),
            Choice::Auto { .. } => None,
        };
        configured.into_iter().chain([self.devices.clone()]).collect()
    }
}

/// What the driver is told. When all senders are gone it lets go of the device and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeypadCommand {
    /// Close the device and open it again: the first rung of the repair ladder.
    Reopen,
}

/// What the driver tells. No `Debug`: key codes are digits.
///
/// The receiver of these must not wait. If it has no room for one it must tell the keypad machine that events were lost.
pub enum KeypadDeviceEvent {
    /// The device is open and held exclusively.
    Opened {
        /// What it calls itself.
        name: String,
        /// Where it is.
        path: PathBuf,
        /// Codes of the keys that are down.
        keys_down: Vec<u16>,
    },
    /// There is no device in hand, and why. Told again only when the reason changes.
    Closed {
        /// The reason, with what to do about it.
        why: EvdevError,
    },
    /// A key changed.
    Key {
        /// Linux key code.
        code: u16,
        /// 0 up, 1 down, 2 autorepeat.
        value: i32,
        /// The kernel's stamp.
        stamp: WallTime,
    },
    /// The kernel lost events; this is what is down now.
    SynDropped {
        /// Codes of the keys that are down.
        keys_down: Vec<u16>,
    },
}

/// Why there is no keypad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvdevError {
    /// The configured device does not exist.
    #[error("there is no {0}; plug the keypad in, or correct its path")]
    Missing(PathBuf),
    /// No device looks like a keypad.
    #[error("no numeric keypad in {0}; plug one in, or configure its path")]
    NoneFound(PathBuf),
    /// The only candidate has letters.
    #[error(
        "{0} is a whole keyboard, which is not taken by itself; configure its path, or set keypad.keyboards = true"
    )]
    OnlyKeyboard(PathBuf),
    /// The configured path is something else.
    #[error("{0} is not an input device with keys; configure another path")]
    NotAKeypad(PathBuf),
    /// Another program holds it.
    #[error("{0} is held exclusively by another program; stop that program (`fuser -v {0}` shows it)")]
    Busy(PathBuf),
    /// Not allowed to open it.
    #[error("no permission to open {0}; add the service's user to the group of that file")]
    Denied(PathBuf),
    /// It was there and is gone.
    #[error("the keypad {0} was unplugged; plug it in again")]
    Unplugged(PathBuf),
    /// It was closed on command and is being opened again.
    #[error("the keypad {0} is being reopened; wait a moment")]
    Reopening(PathBuf),
    /// The kernel reports something else.
    #[error("the keypad {path} cannot be used: {source}; replug it")]
    Io {
        /// Which device.
        path: PathBuf,
        /// What the kernel says.
        source: Errno,
    },
}

impl EvdevError {
    /// The cause of the catalogue: whatever the reason, there is no keypad.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Missing(_)
            | Self::NoneFound(_)
            | Self::OnlyKeyboard(_)
            | Self::NotAKeypad(_)
            | Self::Busy(_)
            | Self::Denied(_)
            | Self::Unplugged(_)
            | Self::Reopening(_)
            | Self::Io { .. } => Cause::H05,
        }
    }

    fn new(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw) {
            Errno::ENOENT | Errno::ENOTDIR => Self::Missing(path),
            Errno::ENODEV | Errno::ENXIO => Self::Unplugged(path),
            Errno::EBUSY => Self::Busy(path),
            Errno::EACCES | Errno::EPERM => Self::Denied(path),
            Errno::ENOTTY | Errno::EINVAL | Errno::EISDIR => Self::NotAKeypad(path),
            source => Self::Io { path, source },
        }
    }

    /// Whether a change in the device directories announces the end of this; otherwise only trying helps.
    fn is_announced(&self) -> bool {
        match self {
            Self::Missing(_) | Self::NoneFound(_) | Self::OnlyKeyboard(_) | Self::NotAKeypad(_) | Self::Denied(_) => {
                true
            }
            Self::Busy(_) | Self::Unplugged(_) | Self::Reopening(_) | Self::Io { .. } => false,
        }
    }

    /// Whether this is news after `last`. That an unplugged device is then missing is none.
    fn is_news_after(&self, last: Option<&Self>) -> bool {
        match (last, self) {
            (Some(Self::Unplugged(_) | Self::Reopening(_)), Self::Missing(_) | Self::NoneFound(_)) => false,
            (Some(last), _) => std::mem::discriminant(last) != std::mem::discriminant(self),
            (None, _) => true,
        }
    }
}

/// Pauses that double up to a limit.
struct Pauses {
    next: Duration,
    first: Duration,
    most: Duration,
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.most).max(self.first);
        pause
    }

    fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Keeps the keypad open as long as there is one, and waits for it while there is none: for a change in the device
/// directories, and with a timer only where no such change would come.
pub async fn run(
    settings: Settings,
    mut commands: mpsc::Receiver<KeypadCommand>,
    events: impl Fn(KeypadDeviceEvent) + Send + Sync,
) {
    hold(&settings, &mut commands, &events).await;
}

/// The same over channels that stay whole when it is stopped, so that another one can take them over.
pub async fn hold(
    settings: &Settings,
    commands: &mut mpsc::Receiver<KeypadCommand>,
    events: &(impl Fn(KeypadDeviceEvent) + Send + Sync + ?Sized),
) {
    let mut pauses = Pauses { next: settings.retry_first, first: settings.retry_first, most: settings.retry_most };
    let mut told: Option<EvdevError> = None;
    loop {
        let mut watch = None;
        let opened = Pad::open(settings).or_else(|_| {
            // Looking again once the watch is there, so that nothing can appear in between unseen. Not before the first
            // look: closing a watch takes the kernel milliseconds, and nearly always the device is there.
            watch = Watch::over(&settings.directories());
            Pad::open(settings)
        });
        let why = match opened {
            Err(why) => why,
            Ok(mut pad) => {
                drop(watch);
                told = None;
                events(pad.opened());
                let end = pad.serve(commands, events).await;
                if pad.seen_events {
                    pauses.reset();
                }
                drop(pad);
                watch = Watch::over(&settings.directories());
                let Some(why) = end else { return };
                why
            }
        };
        let announced = watch.is_some() && why.is_announced();
        if announced {
            pauses.reset();
        }
        if why.is_news_after(told.as_ref()) {
            told = Some(why.clone());
            events(KeypadDeviceEvent::Closed { why });
        }
        let pause = (!announced).then(|| pauses.next());
        if !wait(watch, pause, commands).await {
            return;
        }
    }
}

/// Until something changed, the pause is over or a command came; `false` when the driver is to end.
async fn wait(watch: Option<Watch>, pause: Option<Duration>, commands: &mut mpsc::Receiver<KeypadCommand>) -> bool {
    let changed = async {
        match watch {
            Some(watch) => settled(&watch).await,
            None => std::future::pending().await,
        }
    };
    let paused = async {
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = changed => true,
        () = paused => true,
        command = commands.recv() => command.is_some(),
    }
}

/// More lost events than this are not skipped in one go.
const MOST_SKIPPED: usize = 4_096;

/// The device in hand.
struct Pad {
    stream: EventStream,
    name: String,
    path: PathBuf,
    keys_down: Vec<u16>,
    /// Whether it has ever said anything: a device that dies at once each time must not be reopened at full speed.
    seen_events: bool,
}

impl Pad {
    fn open(settings: &Settings) -> Result<Self, EvdevError> {
        let Found { mut device, path } = find(settings)?;
        let failed = |source| EvdevError::new(&path, source);
        device.grab().map_err(failed)?;
        let name = device.name().unwrap_or("keypad").to_owned();
        let stream = device.into_event_stream().map_err(failed)?;
        // Reading the state also discards key events queued before the grab.
        let keys_down = keys_down(&stream).map_err(failed)?;
        Ok(Self { stream, name, path, keys_down, seen_events: false })
    }

    fn opened(&mut self) -> KeypadDeviceEvent {
        KeypadDeviceEvent::Opened {
            name: self.name.clone(),
            path: self.path.clone(),
            keys_down: std::mem::take(&mut self.keys_down),
        }
    }

    /// Delivers events until the device is lost or given up; without a reason the driver is to end.
    async fn serve(
        &mut self,
        commands: &mut mpsc::Receiver<KeypadCommand>,
        events: &(impl Fn(KeypadDeviceEvent) + Send + Sync + ?Sized),
    ) -> Option<EvdevError> {
        loop {
            let event = tokio::select! {
                event = self.stream.next_event() => event,
                command = commands.recv() => {
                    return command.map(|KeypadCommand::Reopen| EvdevError::Reopening(self.path.clone()));
                }
            };
            match event.and_then(|event| self.deliver(event)) {
                Ok(Some(event)) => events(event),
                Ok(None) => {}
                Err(source) => return Some(EvdevError::new(&self.path, source)),
            }
        }
    }

    fn deliver(&mut self, event: ::evdev::InputEvent) -> std::io::Result<Option<KeypadDeviceEvent>> {
        self.seen_events = true;
        match event.destructure() {
            EventSummary::Key(_, code, value) => {
                let since_epoch = event.timestamp().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let stamp = WallTime(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX));
                Ok(Some(KeypadDeviceEvent::Key { code: code.code(), value, stamp }))
            }
            EventSummary::Synchronization(_, SynchronizationCode::SYN_DROPPED, _) => {
                self.skip()?;
                Ok(Some(KeypadDeviceEvent::SynDropped { keys_down: keys_down(&self.stream)? }))
            }
            // Scan codes, ends of reports and the like say nothing about keys.
            _ => Ok(None),
        }
    }

    /// Skips what was read together with the loss. What the kernel still holds, reading the state discards.
    fn skip(&mut self) -> std::io::Result<()> {
        for _ in 0..MOST_SKIPPED {
            match self.stream.next_event().now_or_never() {
                Some(Ok(_)) => {}
                Some(Err(source)) => return Err(source),
                None => break,
            }
        }
        Ok(())
    }
}

fn keys_down(stream: &EventStream) -> std::io::Result<Vec<u16>> {
    Ok(stream.device().get_key_state()?.iter().map(|key| key.code()).collect())
}

#[cfg(test)]
mod tests;
