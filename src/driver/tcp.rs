//! The connection to the acquirer: one TCP or TLS stream at a time, commanded and reported over channels.
//!
//! Owns: the socket, name resolution, TLS, and the exact knowledge whether a byte has been handed to the kernel. Must not
//! know: messages, which address comes next, when to give up waiting for an answer. Sleeps when nothing happens: no timer
//! runs on an idle connection.
//!
//! Promises: every event carries the number its connection was opened with; every `Write` is followed by exactly one
//! `Written` or `WriteFailed`. The event channel may fill up; reading stops until there is room. What of a write the host
//! has not got when its connection goes, it never gets.

mod connect;
mod counted;
mod training;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::{Zeroize, Zeroizing};

use crate::domain::link::{ConnectFailure, ConnectionId, Endpoint, Trust};
use crate::domain::secret::SecretBytes;

use connect::Stream;

/// Where the acquirer is and whom to trust there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquirer {
    /// In the order of the profile.
    pub endpoints: Vec<Endpoint>,
    /// The same for all.
    pub trust: Trust,
}

/// What is to be done.
pub enum Command {
    /// Open a connection; any other is dropped.
    Connect {
        /// Its number.
        connection: ConnectionId,
        /// Which endpoint.
        address_index: usize,
        /// How long it may take, TLS included.
        within: Duration,
    },
    /// Write to the connection.
    Write {
        /// Its number.
        connection: ConnectionId,
        /// All of it, or it fails.
        bytes: SecretBytes,
    },
    /// Close the connection, or stop opening it.
    Disconnect {
        /// Its number.
        connection: ConnectionId,
    },
}

/// What happened.
pub enum Event {
    /// The connection stands, TLS included.
    Connected {
        /// Its number.
        connection: ConnectionId,
    },
    /// It could not be opened.
    ConnectFailed {
        /// Its number.
        connection: ConnectionId,
        /// Why.
        failure: ConnectFailure,
    },
    /// Bytes came.
    Received {
        /// The connection's number.
        connection: ConnectionId,
        /// The bytes.
        bytes: SecretBytes,
    },
    /// All bytes of a write are with the kernel.
    Written {
        /// The connection's number.
        connection: ConnectionId,
    },
    /// A write failed; the connection is gone.
    WriteFailed {
        /// The connection's number.
        connection: ConnectionId,
        /// Whether the kernel took no byte at all.
        nothing_written: bool,
        /// What was seen.
        evidence: String,
    },
    /// The connection has ended without our doing.
    Closed {
        /// Its number.
        connection: ConnectionId,
        /// What was seen.
        evidence: String,
    },
}

/// The largest piece reported at once.
const PIECE: usize = 4096;
/// A message is a few hundred bytes: if the kernel does not take it in this time, the peer has stopped reading.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// A polite goodbye may take this long.
const GOODBYE_WITHIN: Duration = Duration::from_millis(100);

/// Runs until the command channel is closed or nobody listens to the events any more.
pub async fn run<E: From<Event>>(acquirer: Acquirer, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<E>) {
    serve(&acquirer, &mut commands, &events).await;
}

/// The same over channels that stay whole when it is stopped, so that another one can take them over.
pub async fn serve<E: From<Event>>(
    acquirer: &Acquirer,
    commands: &mut mpsc::Receiver<Command>,
    events: &mpsc::Sender<E>,
) {
    let driver = Driver { acquirer, commands, events, buffer: Zeroizing::new(vec![0; PIECE]) };
    // Either way out means that the other side has gone, and there is nobody to tell.
    let _ = driver.run().await;
}

/// Tries one address and closes it again; nothing is sent. For a diagnosis.
pub(super) async fn attempt(acquirer: &Acquirer, address_index: usize, within: Duration) -> Result<(), ConnectFailure> {
    let stream = connect::open(acquirer, address_index, within).await?;
    goodbye(Some(Open { connection: ConnectionId::default(), stream, unanswered: false })).await;
    Ok(())
}

struct Driver<'a, E> {
    acquirer: &'a Acquirer,
    commands: &'a mut mpsc::Receiver<Command>,
    events: &'a mpsc::Sender<E>,
    buffer: Zeroizing<Vec<u8>>,
}

/// The other side of a channel has gone.
struct Gone;

struct Open {
    connection: ConnectionId,
    stream: Stream,
    /// Nothing has come since the last write, so it may lie in the kernel still.
    unanswered: bool,
}

enum Next {
    Command(Command),
    Read(std::io::Result<usize>),
}

impl<E: From<Event>> Driver<'_, E> {
    async fn run(mut self) -> Result<(), Gone> {
        let mut open: Option<Open> = None;
        let mut waiting: Option<Command> = None;
        loop {
            let next = match (waiting.take(), &mut open) {
                (Some(command), _) => Next::Command(command),
                (None, None) => Next::Command(self.commands.recv().await.ok_or(Gone)?),
                (None, Some(open)) => tokio::select! {
                    // Reading first: a write must not go to a connection already known to be closed.
                    biased;
                    read = open.stream.read(&mut self.buffer) => Next::Read(read),
                    command = self.commands.recv() => Next::Command(command.ok_or(Gone)?),
                },
            };
            match next {
                Next::Read(result) => open = self.read(open, result).await?,
                Next::Command(Command::Connect { connection, address_index, within }) => {
                    goodbye(open.take()).await;
                    (open, waiting) = self.connect(connection, address_index, within).await?;
                }
                Next::Command(Command::Write { connection, bytes }) => {
                    open = self.write(open, connection, &bytes).await?;
                }
                Next::Command(Command::Disconnect { connection }) => {
                    if open.as_ref().is_some_and(|open| open.connection == connection) {
                        goodbye(open.take()).await;
                    }
                }
            }
        }
    }

    async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event.into()).await.map_err(|_| Gone)
    }

    /// Opens a connection unless another command comes first; that command is handed back.
    async fn connect(
        &mut self,
        connection: ConnectionId,
        address_index: usize,
        within: Duration,
    ) -> Result<(Option<Open>, Option<Command>), Gone> {
        let attempt = connect::open(self.acquirer, address_index, within);
        tokio::pin!(attempt);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut attempt => break result,
                command = self.commands.recv() => match command.ok_or(Gone)? {
                    Command::Disconnect { connection: other } if other != connection => {}
                    // Not this connection's, or too early: either way no byte of it goes anywhere.
                    Command::Write { connection, .. } => {
                        let event = not_open(connection);
                        self.events.send(event.into()).await.map_err(|_| Gone)?;
                    }
                    other @ (Command::Connect { .. } | Command::Disconnect { .. }) => return Ok((None, Some(other))),
                },
            }
        };
        match result {
            Ok(stream) => {
                self.tell(Event::Connected { connection }).await?;
                Ok((Some(Open { connection, stream, unanswered: false }), None))
            }
            Err(failure) => {
                self.tell(Event::ConnectFailed { connection, failure }).await?;
                Ok((None, None))
            }
        }
    }

    async fn read(&mut self, open: Option<Open>, result: std::io::Result<usize>) -> Result<Option<Open>, Gone> {
        let Some(Open { connection, stream, .. }) = open else { return Ok(None) };
        let evidence = match result {
            Ok(0) => "end of stream".to_owned(),
            Ok(count) => {
                let piece = self.buffer.get_mut(..count).unwrap_or_default();
                let bytes = SecretBytes::new(piece.to_vec());
                piece.zeroize();
                self.tell(Event::Received { connection, bytes }).await?;
                return Ok(Some(Open { connection, stream, unanswered: false }));
            }
            Err(error) => error.to_string(),
        };
        self.tell(Event::Closed { connection, evidence }).await?;
        Ok(None)
    }

    async fn write(
        &mut self,
        open: Option<Open>,
        connection: ConnectionId,
        bytes: &SecretBytes,
    ) -> Result<Option<Open>, Gone> {
        let Some(mut open) = open else {
            self.tell(not_open(connection)).await?;
            return Ok(None);
        };
        if open.connection != connection {
            self.tell(not_open(connection)).await?;
            return Ok(Some(open));
        }
        let before = open.stream.written();
        open.unanswered = true;
        let attempt = async {
            open.stream.write_all(bytes.expose()).await?;
            open.stream.flush().await
        };
        let evidence = match timeout(WRITE_WITHIN, attempt).await {
            Ok(Ok(())) => {
                self.tell(Event::Written { connection }).await?;
                return Ok(Some(open));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the host has read nothing for {} s", WRITE_WITHIN.as_secs()),
        };
        let nothing_written = open.stream.written() == before;
        self.tell(Event::WriteFailed { connection, nothing_written, evidence }).await?;
        Ok(None)
    }
}

fn not_open(connection: ConnectionId) -> Event {
    let evidence = "the connection was closed already".to_owned();
    Event::WriteFailed { connection, nothing_written: true, evidence }
}

/// Closes in order, so that a TLS host does not log an attack; a peer that does not listen is not waited for. With a write
/// unanswered the connection is reset instead: what the kernel holds of it would be repeated for minutes, arrive after its
/// reversal, and be charged.
async fn goodbye(open: Option<Open>) {
    if let Some(mut open) = open
        && !open.unanswered
        && open.stream.end_in_order().is_ok()
    {
        let _ = timeout(GOODBYE_WITHIN, open.stream.shutdown()).await;
    }
}
