//! An event device behind a Unix socket, for machines whose kernel has no uinput.
//!
//! Owns: the listening socket and its clients. Must not know: which keys are typed when.
//!
//! A client connects and sends one byte for what it wants; `tests/rig/fake_evdev.c` does this in place of open, read
//! and ioctl:
//! - `E`: gets a number (4 bytes), then events until the keypad is unplugged or the client hangs up
//! - `D`: gets the description: input_id (8 bytes), event types (4), key bits (96), repeat delay and period (2 x 4),
//!   name (64, filled up with zeros)
//! - `K`: gets the keys that are down (96 bytes of bits)
//! - `G` or `U` and the number of an event client: grabs or releases for it; gets one byte, an errno or 0
//!
//! Numbers are in the machine's byte order, as an ioctl would give them. As in the kernel, a grabbed device speaks to
//! its holder only, and a client that reads too slowly gets SYN_DROPPED.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event::{Event, SYN_DROPPED, SYN_REPORT, encode};
use super::fingers::{REPEAT_DELAY, REPEAT_PERIOD};
use super::keys::Key;
use crate::sim::control::listen;

const MAX_CLIENTS: usize = 16;
const EBUSY: u8 = 16;
const EINVAL: u8 = 22;
/// KEY_CNT / 8.
const KEY_BYTES: usize = 96;
const NAME_BYTES: usize = 64;
/// BUS_USB, and the numbers that the kernel reserves for nobody.
const IDENTITY: [u16; 4] = [0x03, 0x0000, 0x5350, 0x0001];
/// EV_SYN, EV_KEY, EV_MSC; EV_REP where keys repeat.
const TYPES: u32 = 1 << 0x00 | 1 << 0x01 | 1 << 0x04;
const REPEATS: u32 = 1 << 0x14;

/// What the device says of itself.
#[derive(Clone, Debug)]
pub struct Description {
    /// Name of the device.
    pub name: String,
    /// Its keys.
    pub keys: &'static [Key],
    /// Whether held keys repeat.
    pub repeats: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Unknown,
    Events {
        number: u32,
        overrun: bool,
    },
    /// A grab or its release, while the number is still coming in.
    Grab {
        on: bool,
    },
}

struct Client {
    stream: UnixStream,
    wants: Wants,
    input: Vec<u8>,
    gone: bool,
}

/// The device node. Dropping it is unplugging the keypad.
pub struct Node {
    listener: UnixListener,
    path: PathBuf,
    description: Description,
    clients: Vec<Client>,
    last_number: u32,
    grabbed_by: Option<u32>,
}

impl Node {
    /// Makes the node appear.
    pub fn plug(path: &Path, description: Description) -> Result<Self, String> {
        let listener = listen(path)?;
        Ok(Self { listener, path: path.to_owned(), description, clients: Vec::new(), last_number: 0, grabbed_by: None })
    }

    /// What to wait on.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.clients.iter().map(|c| c.stream.as_fd()))
    }

    /// Programs that have the device open.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.clients.iter().filter(|c| matches!(c.wants, Wants::Events { .. })).count()
    }

    /// Whether one of them has it for itself.
    #[must_use]
    pub fn is_grabbed(&self) -> bool {
        self.grabbed_by.is_some()
    }

    /// Answers what clients ask, without waiting.
    pub fn serve(&mut self, down: &[Key]) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() < MAX_CLIENTS && stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client { stream, wants: Wants::Unknown, input: Vec::new(), gone: false });
            }
        }
        for index in 0..self.clients.len() {
            self.serve_one(index, down);
        }
        let holder = self.grabbed_by;
        let still_there = |c: &Client| matches!(c.wants, Wants::Events { number, .. } if Some(number) == holder);
        self.clients.retain(|c| !c.gone);
        if !self.clients.iter().any(still_there) {
            self.grabbed_by = None;
        }
    }

    /// Hands a packet to those who may see it.
    pub fn emit(&mut self, events: &[Event], since_epoch: Duration) {
        let packet: Vec<u8> = events.iter().flat_map(|e| encode(*e, since_epoch)).collect();
        let warning: Vec<u8> = [SYN_DROPPED, SYN_REPORT].iter().flat_map(|e| encode(*e, since_epoch)).collect();
        for client in &mut self.clients {
            let Wants::Events { number, overrun } = &mut client.wants else { continue };
            if self.grabbed_by.is_some_and(|holder| holder != *number) {
                continue;
            }
            let bytes = if *overrun { [&warning[..], &packet].concat() } else { packet.clone() };
            match client.stream.write(&bytes) {
                Ok(n) if n == bytes.len() => *overrun = false,
                Err(e) if e.kind() == ErrorKind::WouldBlock => *overrun = true,
                // Half a packet would put the client out of step for ever.
                Ok(_) | Err(_) => client.gone = true,
            }
        }
    }

    fn serve_one(&mut self, index: usize, down: &[Key]) {
        let Some(client) = self.clients.get_mut(index) else { return };
        client.read();
        match (client.wants, client.input.as_slice()) {
            (Wants::Unknown, [b'E', ..]) => {
                self.last_number += 1;
                let number = self.last_number;
                client.wants = Wants::Events { number, overrun: false };
                client.say(&number.to_ne_bytes());
            }
            (Wants::Unknown, [b'D', ..]) => {
                let description = describe(&self.description);
                client.finish(&description);
            }
            (Wants::Unknown, [b'K', ..]) => client.finish(&bits(down)),
            (Wants::Unknown, [order @ (b'G' | b'U'), rest @ ..]) => {
                client.wants = Wants::Grab { on: *order == b'G' };
                client.input = rest.to_vec();
                self.serve_grab(index);
            }
            (Wants::Unknown, [_, ..]) => client.gone = true,
            (Wants::Unknown, []) => {}
            // Programs write to set lamps; this keypad has none.
            (Wants::Events { .. }, _) => client.input.clear(),
            (Wants::Grab { .. }, _) => self.serve_grab(index),
        }
    }

    fn serve_grab(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let (Wants::Grab { on }, [a, b, c, d, ..]) = (client.wants, client.input.as_slice()) else { return };
        let number = u32::from_ne_bytes([*a, *b, *c, *d]);
        let errno = match (on, self.grabbed_by) {
            (true, Some(_)) => EBUSY,
            (true, None) => {
                self.grabbed_by = Some(number);
                0
            }
            (false, Some(holder)) if holder == number => {
                self.grabbed_by = None;
                0
            }
            (false, _) => EINVAL,
        };
        client.finish(&[errno]);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing to be done if somebody has removed it already.
        let _gone = std::fs::remove_file(&self.path);
    }
}

impl Client {
    fn read(&mut self) {
        let mut chunk = [0u8; 256];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.gone = true;
                    return;
                }
                Ok(n) => self.input.extend(chunk.iter().take(n)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.gone |= e.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
            if self.input.len() > 4_096 {
                self.input.clear();
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.input.clear();
        self.gone |= self.stream.write_all(bytes).is_err();
    }

    fn finish(&mut self, bytes: &[u8]) {
        self.say(bytes);
        self.gone = true;
    }
}

fn describe(description: &Description) -> Vec<u8> {
    let mut out: Vec<u8> = IDENTITY.iter().flat_map(|n| n.to_ne_bytes()).collect();
    let types = if description.repeats { TYPES | REPEATS } else { TYPES };
    out.extend(types.to_ne_bytes());
    out.extend(bits(description.keys));
    for span in [REPEAT_DELAY, REPEAT_PERIOD] {
        out.extend(u32::try_from(span.as_millis()).unwrap_or(u32::MAX).to_ne_bytes());
    }
    let mut name: Vec<u8> = description.name.bytes().take(NAME_BYTES - 1).collect();
    name.resize(NAME_BYTES, 0);
    out.extend(name);
    out
}

fn bits(keys: &[Key]) -> Vec<u8> {
    let mut out = vec![0u8; KEY_BYTES];
    for key in keys {
        if let Some(byte) = out.get_mut(usize::from(key.code / 8)) {
            *byte |= 1 << (key.code % 8);
        }
    }
    out
}
