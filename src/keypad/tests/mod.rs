//! Tests of the keypad as a whole, in virtual time.

mod contacts;
mod entries;
mod secrecy;
mod tables;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::domain::secret::{Pin, PinBlock, PinCipher};
use crate::domain::time::{Instant, WallTime};
use crate::keypad::{Entry, Event, Keypad, Output, Settings, TimeLimits};

pub const KP: [u16; 10] = [82, 79, 80, 81, 75, 76, 77, 71, 72, 73];
pub const ENTER: u16 = 96;
pub const ESC: u16 = 1;
pub const BACKSPACE: u16 = 14;
pub const CLEAR: u16 = 0x163;
pub const DOT: u16 = 83;
pub const KEY_A: u16 = 30;

/// The block that the test cipher makes of every PIN: a real one would depend on it.
pub const BLOCK: [u8; 8] = [0xB1; 8];

/// Notes the PINs it was given.
#[derive(Clone, Default)]
pub struct Ciphered(pub Arc<Mutex<Vec<Vec<u8>>>>);

impl PinCipher for Ciphered {
    fn encipher(&self, pin: &Pin) -> PinBlock {
        self.0.lock().unwrap().push(pin.expose().to_vec());
        PinBlock(BLOCK)
    }
}

/// A keypad, a clock and a finger.
pub struct Desk {
    pub keypad: Keypad,
    pub now: Instant,
    pub ciphered: Ciphered,
}

impl Desk {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self { keypad: Keypad::new(Settings::default()), now: Instant(1_000_000_000), ciphered: Ciphered::default() }
    }

    /// With an open keypad; its first state change is already taken.
    pub fn open() -> Self {
        let mut desk = Self::new();
        desk.handle(Event::Opened { name: "pad".into(), keys_down: vec![] });
        assert_eq!(desk.said(), ["state ready"]);
        desk
    }

    pub fn handle(&mut self, event: Event) {
        self.keypad.handle(self.now, event);
    }

    pub fn start(&mut self, entry: Entry) {
        self.handle(Event::Start { entry, limits: TimeLimits::default() });
    }

    pub fn pin(&self, bypass: bool) -> Entry {
        Entry::Pin { cipher: Box::new(self.ciphered.clone()), min: 4, max: 6, bypass }
    }

    pub fn change(&mut self, code: u16, value: i32) {
        let stamp = WallTime(self.now.0 + 7_000_000_000_000);
        self.handle(Event::Key { code, value, stamp });
    }

    pub fn press(&mut self, code: u16) {
        self.change(code, 1);
    }

    pub fn release(&mut self, code: u16) {
        self.change(code, 0);
    }

    /// A person's key press: 60 ms down, 60 ms up.
    pub fn tap(&mut self, code: u16) {
        self.press(code);
        self.pass(60);
        self.release(code);
        self.pass(60);
    }

    pub fn taps(&mut self, codes: &[u16]) {
        codes.iter().for_each(|code| self.tap(*code));
    }

    /// Lets time pass and wakes the machine whenever it asked for it, as the core loop does.
    pub fn pass(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        let mut wakes = 0;
        while let Some(due) = self.keypad.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.keypad.expire(self.now);
            wakes += 1;
            assert!(wakes < 1_000, "a deadline that expire does not take away");
        }
        self.now = end;
    }

    /// Everything said since the last call, in words.
    pub fn said(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.keypad.poll()).map(|output| words(&output)).collect()
    }

    /// The PINs that reached the cipher.
    pub fn pins(&self) -> Vec<Vec<u8>> {
        self.ciphered.0.lock().unwrap().clone()
    }
}

/// An output with all that it carries, for tests only.
pub fn words(output: &Output) -> String {
    match output {
        Output::StateChanged(state, None) => format!("state {state}"),
        Output::StateChanged(state, Some(cause)) => format!("state {state} {cause}"),
        Output::Progress { digits } => format!("digits {digits}"),
        Output::Cleared { why } => format!("cleared {why}"),
        Output::Failed(cause) => format!("failed {cause}"),
        Output::PinEntered(block) => format!("pin {:02x}", block.0[0]),
        Output::NumberEntered(number) => format!("number {number}"),
        Output::PasswordEntered(password) => format!("password {}", String::from_utf8_lossy(password.expose())),
        Output::ComponentEntered(component) => {
            let hex: String = component.expose().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("component {hex}")
        }
        Output::Confirmed | Output::PinBypassed | Output::Cancelled | Output::CancelPressed | Output::TimedOut => {
            output.word().to_owned()
        }
    }
}
