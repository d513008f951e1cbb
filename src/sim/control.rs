//! The control socket of a simulator: lines in, one line of answer each.
//!
//! Owns: the Unix socket and its clients. Must not know: what the commands do. Answers are `ok …` or `error: …`.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Clients at the same time.
const MAX_CLIENTS: usize = 16;
/// Bytes of one line.
const MAX_LINE: usize = 4_096;
/// How long the sender waits for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which client sent a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId(u64);

struct Client {
    id: ClientId,
    stream: UnixStream,
    input: Vec<u8>,
    gone: bool,
}

/// A listening control socket. The file goes with the value.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Client>,
    last_id: u64,
}

impl Control {
    /// Listens at a path; a socket that nobody serves any more is replaced.
    pub fn bind(path: &Path) -> Result<Self, String> {
        let listener = listen(path)?;
        Ok(Self { listener, path: path.to_owned(), clients: Vec::new(), last_id: 0 })
    }

    /// What to wait on.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.clients.iter().map(|c| c.stream.as_fd()))
    }

    /// Lines that have come in, without waiting.
    pub fn take(&mut self) -> Vec<(ClientId, String)> {
        self.accept();
        let mut lines = Vec::new();
        for client in &mut self.clients {
            client.read(&mut lines);
        }
        self.clients.retain(|c| !c.gone);
        lines
    }

    /// Answers a client; one that has gone misses it.
    pub fn answer(&mut self, to: ClientId, answer: &Result<String, String>) {
        let line = match answer {
            Ok(text) if text.is_empty() => "ok\n".to_owned(),
            Ok(text) => format!("ok {text}\n"),
            Err(why) => format!("error: {why}\n"),
        };
        for client in self.clients.iter_mut().filter(|c| c.id == to) {
            client.gone |= client.stream.write_all(line.as_bytes()).is_err();
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() < MAX_CLIENTS && stream.set_nonblocking(true).is_ok() {
                self.last_id += 1;
                self.clients.push(Client { id: ClientId(self.last_id), stream, input: Vec::new(), gone: false });
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Nothing to be done if somebody has removed it already.
        let _gone = fs::remove_file(&self.path);
    }
}

impl Client {
    fn read(&mut self, lines: &mut Vec<(ClientId, String)>) {
        let mut chunk = [0u8; 1_024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.gone = true;
                    return;
                }
                Ok(n) => {
                    for byte in chunk.iter().take(n) {
                        match byte {
                            b'\n' => {
                                let line = String::from_utf8_lossy(&std::mem::take(&mut self.input)).trim().to_owned();
                                lines.push((self.id, line));
                            }
                            other => self.input.push(*other),
                        }
                    }
                    if self.input.len() > MAX_LINE {
                        self.gone = true;
                        return;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.gone = e.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }
}

/// A non-blocking listener at a path; refuses to push another simulator off its socket.
pub fn listen(path: &Path) -> Result<UnixListener, String> {
    if UnixStream::connect(path).is_ok() {
        return Err(format!("{} is served by another process; stop it or choose another path", path.display()));
    }
    if let Err(e) = fs::remove_file(path)
        && e.kind() != ErrorKind::NotFound
    {
        return Err(format!("{} is in the way and cannot be removed: {e}", path.display()));
    }
    let listener = UnixListener::bind(path)
        .map_err(|e| format!("cannot listen at {}: {e}; check that its directory exists", path.display()))?;
    listener.set_nonblocking(true).map_err(|e| format!("cannot set up {}: {e}", path.display()))?;
    Ok(listener)
}

/// A conversation with a running simulator: a line, and its answer.
pub struct Talk {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
    path: PathBuf,
}

impl Talk {
    /// Reaches the simulator at this path.
    pub fn with(path: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(path)
            .map_err(|e| format!("no simulator at {}: {e}; start it with --control", path.display()))?;
        let broken = |e| format!("the simulator at {} does not answer: {e}", path.display());
        stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
        let answers = BufReader::new(stream.try_clone().map_err(broken)?);
        Ok(Self { stream, answers, path: path.to_owned() })
    }

    /// What it answers to a line, without the `ok` before it; an `error:` is one.
    pub fn ask(&mut self, line: &str) -> Result<String, String> {
        let broken = |e| format!("the simulator at {} does not answer: {e}", self.path.display());
        self.stream.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes()).map_err(broken)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(broken)?;
        match answer.trim_end() {
            "" => Err(format!("the simulator at {} has gone", self.path.display())),
            "ok" => Ok(String::new()),
            answer => match answer.strip_prefix("ok ") {
                Some(good) => Ok(good.to_owned()),
                None => Err(answer.trim_start_matches("error: ").to_owned()),
            },
        }
    }
}

/// Sends lines to a simulator and prints the answers; the first `error:` ends it.
pub fn send(path: &Path, lines: &[String]) -> Result<(), String> {
    let mut talk = Talk::with(path)?;
    for line in lines {
        match talk.ask(line)?.as_str() {
            "" => println!("ok"),
            // Bare, so that a script can hand it on.
            json if json.starts_with('{') => println!("{json}"),
            good => println!("ok {good}"),
        }
    }
    Ok(())
}
