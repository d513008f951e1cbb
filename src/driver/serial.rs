//! A serial line, the card reader's or the code scanner's: found, held exclusively, read, waited for when it is gone.
//!
//! Owns: the file descriptor of the port. Must not know: what the bytes mean. A hung-up port reads `Ok(0)` for ever and
//! writes EIO: both mean unplugged. Modem lines are left alone: a pty has none, and the reader needs none.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_serial::{SerialPort, SerialPortBuilderExt, SerialStream};
use zeroize::Zeroizing;

use crate::domain::secret::SecretBytes;
use crate::driver::device_path::{Choice, candidates};
use crate::driver::watch::{Watch, settled};

/// Where and how to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which port.
    pub choice: Choice,
    /// The rate at power-up.
    pub baud: u32,
}

/// What the driver is told. When all senders are gone it closes the port and ends.
#[derive(Clone, PartialEq, Eq)]
pub enum SerialCommand {
    /// Write these bytes.
    Write(SecretBytes),
    /// Change the rate once everything written has left.
    SetBaud(u32),
    /// Close the port and open it again; with several candidates, the next one.
    Reopen,
}

/// What the driver tells. No `Debug`: the bytes are card data.
#[derive(Clone, PartialEq, Eq)]
pub enum SerialEvent {
    /// The port is open, at the power-up rate.
    Opened {
        /// Where it is.
        path: PathBuf,
    },
    /// Bytes came.
    Received(SecretBytes),
    /// There is no port in hand. Told again only when the reason changes.
    Closed {
        /// The reason, with what to do about it.
        reason: String,
    },
}

/// Pauses before trying again where no change in a directory would announce success.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// A write that takes longer means that the line is dead: 4 KiB at 9600 baud are 4.3 s.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Keeps the port open as long as there is one. `events` is awaited, so a full core slows the line, not the memory.
pub async fn run(settings: Settings, mut commands: mpsc::Receiver<SerialCommand>, events: mpsc::Sender<SerialEvent>) {
    hold(&settings, &mut commands, &events).await;
}

/// The same over channels that stay whole when it is stopped, so that another one can take them over.
pub async fn hold(
    settings: &Settings,
    commands: &mut mpsc::Receiver<SerialCommand>,
    events: &mpsc::Sender<SerialEvent>,
) {
    let mut turn = 0usize;
    let mut pause = PAUSES.0;
    let mut told = String::new();
    loop {
        let mut watch = None;
        let opened = open(settings, turn).or_else(|_| {
            // Looking again once the watch is there, so that nothing can appear in between unseen. Not before the first
            // look: closing a watch takes the kernel milliseconds, and nearly always the port is there.
            watch = Watch::over(&settings.choice.directories());
            open(settings, turn)
        });
        let reason = match opened {
            Ok((path, mut port)) => {
                drop(watch);
                told.clear();
                if events.send(SerialEvent::Opened { path: path.clone() }).await.is_err() {
                    return;
                }
                let (end, heard) = serve(&mut port, commands, events).await;
                if heard {
                    pause = PAUSES.0;
                }
                drop(port);
                match end {
                    End::Over => return,
                    End::Reopen => {
                        turn = turn.wrapping_add(1);
                        format!("{} is being reopened", path.display())
                    }
                    End::Lost(why) => format!("{} is gone ({why}); plug the device in again", path.display()),
                }
            }
            Err(reason) => {
                let announced = watch.is_some() && reason.announced;
                if told != reason.text {
                    told.clone_from(&reason.text);
                    if events.send(SerialEvent::Closed { reason: reason.text }).await.is_err() {
                        return;
                    }
                }
                if !wait(watch.filter(|_| announced), pause, commands).await {
                    return;
                }
                pause = if announced { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
                continue;
            }
        };
        told.clone_from(&reason);
        if events.send(SerialEvent::Closed { reason }).await.is_err() || !wait(None, PAUSES.0, commands).await {
            return;
        }
    }
}

struct Unopened {
    text: String,
    /// Whether a change in the directories will announce the end of it.
    announced: bool,
}

fn open(settings: &Settings, turn: usize) -> Result<(PathBuf, SerialStream), Unopened> {
    let all = candidates(&settings.choice);
    let Some(path) = all.get(turn.checked_rem(all.len()).unwrap_or(0)) else {
        return Err(Unopened { text: settings.choice.missing(), announced: true });
    };
    let failed = |e: tokio_serial::Error| {
        let kind = e.kind();
        let announced =
            matches!(kind, tokio_serial::ErrorKind::NoDevice | tokio_serial::ErrorKind::Io(io::ErrorKind::NotFound));
        Unopened { text: format!("{}: {e}; check the path and who may open it", path.display()), announced }
    };
    let port = tokio_serial::new(path.to_string_lossy(), settings.baud).open_native_async().map_err(failed)?;
    Ok((path.clone(), port))
}

enum End {
    Over,
    Reopen,
    Lost(String),
}

/// Carries bytes both ways until the port is lost or given up; says whether anything was ever heard.
async fn serve(
    port: &mut SerialStream,
    commands: &mut mpsc::Receiver<SerialCommand>,
    events: &mpsc::Sender<SerialEvent>,
) -> (End, bool) {
    let mut buffer = Zeroizing::new([0u8; 512]);
    let mut heard = false;
    loop {
        let end = tokio::select! {
            read = port.read(buffer.as_mut()) => match read {
                Ok(0) => Some(End::Lost("hung up".to_owned())),
                Ok(n) => {
                    heard = true;
                    let bytes = SecretBytes::new(buffer.get(..n).unwrap_or_default().to_vec());
                    events.send(SerialEvent::Received(bytes)).await.is_err().then_some(End::Over)
                }
                Err(e) => Some(End::Lost(e.to_string())),
            },
            command = commands.recv() => match command {
                None => Some(End::Over),
                Some(command) => obey(port, command).await,
            },
        };
        if let Some(end) = end {
            return (end, heard);
        }
    }
}

async fn obey(port: &mut SerialStream, command: SerialCommand) -> Option<End> {
    let done = match command {
        SerialCommand::Write(bytes) => match tokio::time::timeout(WRITE_WITHIN, port.write_all(bytes.expose())).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        },
        SerialCommand::SetBaud(baud) => {
            // What was written still leaves at the old rate.
            match tokio::time::timeout(WRITE_WITHIN, port.flush()).await {
                Ok(Ok(())) => port.set_baud_rate(baud).map_err(io::Error::from),
                Ok(Err(e)) => Err(e),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        }
        SerialCommand::Reopen => return Some(End::Reopen),
    };
    done.err().map(|e| End::Lost(e.to_string()))
}

/// Until something changed or the pause is over; bytes for a port that is not there are dropped.
async fn wait(watch: Option<Watch>, pause: Duration, commands: &mut mpsc::Receiver<SerialCommand>) -> bool {
    let change = async {
        match watch {
            Some(watch) => settled(&watch).await,
            None => tokio::time::sleep(pause).await,
        }
    };
    tokio::pin!(change);
    loop {
        tokio::select! {
            () = &mut change => return true,
            command = commands.recv() => match command {
                None => return false,
                Some(SerialCommand::Reopen) => return true,
                Some(SerialCommand::Write(_) | SerialCommand::SetBaud(_)) => {}
            },
        }
    }
}

#[cfg(test)]
mod tests;
