//! The simulated keypad as a running program.
//!
//! Owns: the device, the control socket, the one loop that waits for them. Must not know: key codes.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use nix::poll::PollFd;

use super::event::{Event, Motion};
use super::fingers::{Fingers, Output};
use super::keys::{Key, Layout};
use super::node::{Description, Node};
use super::uinput::Virtual;
use crate::sim::clock::Clock;
use crate::sim::control::{ClientId, Control};
use crate::sim::wait::{Ending, readable, wait};

/// All words, for the error message and `help`.
const WORDS: &str = "key NAME | keys DIGITS | enter | cancel | clear | type DIGITS NAME … | hold NAME SECONDS | \
                     down NAME | up NAME | bounce NAME [TIMES] | raw TYPE CODE VALUE | syn-dropped | \
                     unplug | plug | status | help | quit";
/// Short pairs of a worn contact, if no number is given.
const BOUNCES: u8 = 3;

/// Where the keypad appears.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the kernel, with or without a link to its event node.
    Uinput(Option<PathBuf>),
    /// On a Unix socket.
    Socket(PathBuf),
}

enum Device {
    Unplugged,
    Uinput(Virtual),
    Socket(Node),
}

/// The simulated keypad.
pub struct Server {
    layout: Layout,
    description: Description,
    place: Place,
    device: Device,
    fingers: Fingers,
    control: Control,
    clock: Clock,
    quit: bool,
}

impl Server {
    /// Plugs the keypad in and listens for orders.
    pub fn start(
        layout: Layout,
        description: Description,
        place: Place,
        fingers: Fingers,
        control: &Path,
    ) -> Result<Self, String> {
        let control = Control::bind(control)?;
        let device = plug(&place, &description)?;
        let clock = Clock::start();
        Ok(Self { layout, description, place, device, fingers, control, clock, quit: false })
    }

    /// Where clients open the keypad.
    #[must_use]
    pub fn path(&self) -> &Path {
        match (&self.device, &self.place) {
            (Device::Uinput(device), _) => device.path(),
            (_, Place::Socket(path) | Place::Uinput(Some(path))) => path,
            (_, Place::Uinput(None)) => Path::new("/dev/uinput"),
        }
    }

    /// Serves until told to quit or signalled.
    pub fn run(&mut self) -> Result<(), String> {
        let ending = Ending::watch()?;
        while !self.quit && !ending.has_come() {
            self.wait(&ending)?;
            self.serve();
            for (client, line) in self.control.take() {
                if let Some(answer) = self.order(client, &line).transpose() {
                    self.control.answer(client, &answer);
                }
            }
            self.move_fingers();
        }
        Ok(())
    }

    fn wait(&self, ending: &Ending) -> Result<(), String> {
        let mut fds: Vec<PollFd<'_>> = self.control.fds().map(readable).collect();
        fds.push(readable(ending.fd()));
        if let Device::Socket(node) = &self.device {
            fds.extend(node.fds().map(readable));
        }
        wait(&mut fds, self.fingers.deadline().map(|at| at.since(self.clock.now())))
    }

    fn serve(&mut self) {
        if let Device::Socket(node) = &mut self.device {
            let down: Vec<Key> = self.fingers.down().collect();
            node.serve(&down);
        }
    }

    fn move_fingers(&mut self) {
        self.fingers.expire(self.clock.now());
        while let Some(output) = self.fingers.poll() {
            match output {
                Output::Done(client) => self.control.answer(client, &Ok(String::new())),
                Output::Events(events, ago) => {
                    let sent = match &mut self.device {
                        Device::Unplugged => Ok(()),
                        Device::Socket(node) => {
                            node.emit(&events, Clock::since_epoch().saturating_sub(ago));
                            Ok(())
                        }
                        Device::Uinput(device) => device.emit(&events),
                    };
                    if let Err(why) = sent {
                        eprintln!("smartpos-sim keypad: {why}");
                        self.unplug();
                    }
                }
            }
        }
    }

    /// Carries out one line. No answer yet for what takes time: it comes when the last key is up.
    fn order(&mut self, client: ClientId, line: &str) -> Result<Option<String>, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now = self.clock.now();
        match words.as_slice() {
            ["key", name] => return self.type_keys(client, &[name]),
            ["keys", digits] if digits.bytes().all(|b| b.is_ascii_digit()) => {
                return self.type_keys(client, &[digits]);
            }
            [name @ ("enter" | "cancel" | "clear")] => return self.type_keys(client, &[name]),
            ["type", text @ ..] if !text.is_empty() => return self.type_keys(client, text),
            ["hold", name, seconds] => {
                let key = self.plugged_key(name)?;
                let seconds: f64 = number(seconds)?;
                let how_long = Duration::try_from_secs_f64(seconds).map_err(|_| "no such time".to_owned())?;
                self.fingers.hold(now, key, how_long)?;
            }
            [motion @ ("down" | "up"), name] => {
                let key = self.plugged_key(name)?;
                self.fingers.set(now, key, if *motion == "down" { Motion::Down } else { Motion::Up });
            }
            ["bounce", name, times @ ..] => {
                let key = self.plugged_key(name)?;
                let times = times.first().map_or(Ok(BOUNCES), |n| number(n))?;
                self.fingers.bounce(now, key, times);
                self.fingers.report(now, client);
                return Ok(None);
            }
            ["raw", kind, code, value] => {
                let event = Event { kind: number(kind)?, code: number(code)?, value: number(value)? };
                self.fingers.emit(now, event);
                self.fingers.report(now, client);
                return Ok(None);
            }
            ["syn-dropped"] => {
                self.fingers.lose_events(now);
                self.fingers.report(now, client);
                return Ok(None);
            }
            ["unplug"] => self.unplug(),
            ["plug"] => {
                if matches!(self.device, Device::Unplugged) {
                    self.device = plug(&self.place, &self.description)?;
                }
            }
            ["status"] => return Ok(Some(self.status())),
            ["help"] => return Ok(Some(WORDS.to_owned())),
            ["quit"] => self.quit = true,
            _ => return Err(format!("not understood; there are: {WORDS}")),
        }
        Ok(Some(String::new()))
    }

    fn type_keys(&mut self, client: ClientId, words: &[&str]) -> Result<Option<String>, String> {
        self.plugged()?;
        let keys = self.layout.text(words)?;
        let now = self.clock.now();
        self.fingers.type_keys(now, &keys)?;
        self.fingers.report(now, client);
        Ok(None)
    }

    fn plugged(&self) -> Result<(), String> {
        match self.device {
            Device::Unplugged => Err("the keypad is unplugged; plug it in first".to_owned()),
            Device::Socket(_) | Device::Uinput(_) => Ok(()),
        }
    }

    fn plugged_key(&self, name: &str) -> Result<Key, String> {
        self.plugged()?;
        self.layout.key(name)
    }

    fn unplug(&mut self) {
        self.device = Device::Unplugged;
        for client in self.fingers.stop() {
            self.control.answer(client, &Err("the keypad was unplugged meanwhile".to_owned()));
        }
    }

    fn status(&self) -> String {
        let yes = |b: bool| if b { "yes" } else { "no" };
        let (opened, grabbed) = match &self.device {
            Device::Socket(node) => (node.opened().to_string(), yes(node.is_grabbed())),
            // The kernel does not tell who has a device open.
            Device::Uinput(_) | Device::Unplugged => ("?".to_owned(), "?"),
        };
        format!("plugged={} opened={opened} grabbed={grabbed}", yes(self.plugged().is_ok()))
    }
}

fn plug(place: &Place, description: &Description) -> Result<Device, String> {
    match place {
        Place::Uinput(link) => Virtual::plug(description, link.as_deref()).map(Device::Uinput),
        Place::Socket(path) => Node::plug(path, description.clone()).map(Device::Socket),
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is no number that fits here"))
}
