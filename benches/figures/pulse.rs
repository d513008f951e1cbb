//! The least program between a serial line and D-Bus: whatever it reads it answers at once, with a signal, or with bytes.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use tokio_serial::SerialPortBuilderExt;
use zbus::connection::Builder;

use crate::commit::Raw;
use crate::relay::raw_pty;

/// What the first byte of a chunk asks for.
const SIGNAL: u8 = 1;
const COMMIT_AND_SIGNAL: u8 = 2;
const BYTES: u8 = 3;

/// A chunk of the usual length of an answer.
const CHUNK: usize = 60;

pub struct Pulse {
    line: File,
    _far: File,
}

impl Pulse {
    /// Starts it on a thread of its own; its signals go to this connection. Files it makes are in `directory`.
    pub fn start(address: &str, listener: &str, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let link = directory.join("ttyPulse");
        let (line, far) = raw_pty(&link)?;
        let (address, listener) = (address.to_owned(), listener.to_owned());
        let raw = Raw::new(directory)?;
        let (ready, wait) = channel();
        let serve = async move || serve(&address, &listener, &link, raw, ready).await;
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
        });
        wait.recv_timeout(Duration::from_secs(10))?;
        Ok(Self { line, _far: far })
    }

    /// Asks for a signal: when its last byte was written.
    pub fn signal(&mut self, commit: bool) -> std::io::Result<Instant> {
        use std::io::Write;
        let begin = Instant::now();
        self.line.write_all(&[if commit { COMMIT_AND_SIGNAL } else { SIGNAL }; CHUNK])?;
        Ok(begin)
    }

    /// As many turns of the line as a tap has, and what they took.
    pub fn turns(&mut self, count: usize) -> std::io::Result<Duration> {
        (0..count).map(|_| self.turn()).sum()
    }

    /// From bytes to bytes.
    fn turn(&mut self) -> std::io::Result<Duration> {
        use std::io::{Read, Write};
        let begin = Instant::now();
        self.line.write_all(&[BYTES; CHUNK])?;
        self.line.read_exact(&mut [0; CHUNK / 2])?;
        Ok(begin.elapsed())
    }
}

async fn serve(
    address: &str,
    listener: &str,
    link: &Path,
    mut raw: Raw,
    ready: Sender<()>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bus = Builder::address(address).build().await?;
    let mut port = tokio_serial::new(link.to_string_lossy(), 115_200).open_native_async()?;
    ready.send(())?;
    let mut buffer = [0u8; 512];
    loop {
        let count = port.read(&mut buffer).await?;
        let what = buffer[0];
        if what == BYTES {
            port.write_all(&buffer[..count / 2]).await?;
            continue;
        }
        if what == COMMIT_AND_SIGNAL {
            raw.overwrite()?;
        }
        let body = ("awaiting-card", "awaiting-pin");
        bus.emit_signal(Some(listener), "/org/example/Pulse", "org.example.Pulse", "Pulse", &body).await?;
    }
}
