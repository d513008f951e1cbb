//! A till for tests: a D-Bus client of its own on the rig's bus, and the customer who answers the terminal's prompts.

#![allow(dead_code, reason = "each test file uses its own part of the till")]

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::StreamExt;
use serde::Serialize;
use zbus::message::Type;
use zbus::{Connection, DynamicType, Fd, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use super::rig::{COMPONENTS, PATIENCE, Rig, Setup, eventually};

pub const SERVICE: &str = "org.smartposd.Pos1";
pub const TERMINAL: &str = "/org/smartposd/Pos1/Terminal0";
pub const PASSWORD: &str = "sesame-271828";

pub struct Till {
    runtime: tokio::runtime::Runtime,
    connection: Connection,
}

/// Everything but the daemon.
pub fn rig(test: &str, setup: Setup) -> Option<Rig> {
    Rig::new(test, setup)
}

pub fn edit_profile(rig: &Rig, old: &str, new: &str) {
    let profile = rig.path("profiles/rig.toml");
    let text = std::fs::read_to_string(&profile).unwrap().replace(old, new);
    assert!(text.contains(new), "{text}");
    std::fs::write(&profile, text).unwrap();
}

/// The daemon with keys, operator and a signed-in terminal, and a till at its bus.
pub fn started(test: &str, setup: Setup) -> Option<(Rig, Till)> {
    let mut rig = rig(test, setup)?;
    let till = open(&mut rig);
    Some((rig, till))
}

/// The same, where every sale below 1000.00 needs nobody: the card comes by itself and no PIN is asked for.
pub fn unattended(test: &str, setup: Setup) -> Option<(Rig, Till)> {
    let reader = [setup.reader, vec!["--tap-delay-ms".into(), "0".into()]].concat();
    let mut rig = rig(test, Setup { reader, ..setup })?;
    edit_profile(&rig, "pin_above = 0", "pin_above = 100000");
    let till = open(&mut rig);
    Some((rig, till))
}

fn open(rig: &mut Rig) -> Till {
    rig.start_daemon();
    let till = Till::new(&rig.bus_address);
    till.provision();
    till
}

impl Till {
    pub fn new(address: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async { zbus::connection::Builder::address(address).build().await.unwrap() });
        Self { runtime, connection }
    }

    pub fn call<B: Serialize + DynamicType>(
        &self,
        path: &str,
        face: &str,
        method: &str,
        body: &B,
    ) -> zbus::Result<Message> {
        let face = format!("{SERVICE}.{face}");
        self.runtime.block_on(self.connection.call_method(Some(SERVICE), path, Some(face.as_str()), method, body))
    }

    /// Calls a method of somebody else's interface on an object of the daemon.
    pub fn plain_call<B: Serialize + DynamicType>(
        &self,
        path: &str,
        face: &str,
        method: &str,
        body: &B,
    ) -> zbus::Result<Message> {
        self.runtime.block_on(self.connection.call_method(Some(SERVICE), path, Some(face), method, body))
    }

    /// Sends so many calls, a hundred at a time without waiting, and counts the errors that come back by name. None may
    /// succeed. More at a time would be refused by the bus itself and never reach the daemon.
    pub fn flood(&self, calls: usize, call: impl Fn(usize) -> Message) -> BTreeMap<String, usize> {
        const AT_ONCE: usize = 100;
        let mut answers = MessageStream::from(&self.connection);
        answers.set_max_queued(NonZeroUsize::new(2 * AT_ONCE).unwrap());
        let mut errors = BTreeMap::new();
        self.runtime.block_on(async {
            for first in (0..calls).step_by(AT_ONCE) {
                let these = first..calls.min(first + AT_ONCE);
                for n in these.clone() {
                    self.connection.send(&call(n)).await.unwrap();
                }
                let mut open = these.len();
                while open > 0 {
                    let answer = tokio::time::timeout(PATIENCE, answers.next()).await;
                    let answer = answer.unwrap_or_else(|_| panic!("no answer after {errors:?}")).unwrap().unwrap();
                    match answer.message_type() {
                        Type::Error => {
                            let name = answer.header().error_name().unwrap().to_string();
                            *errors.entry(name).or_insert(0) += 1;
                            open -= 1;
                        }
                        Type::MethodReturn => panic!("junk was accepted: {answer:?}"),
                        Type::MethodCall | Type::Signal => {}
                    }
                }
            }
        });
        errors
    }

    /// A property that is text; `None` while the daemon is away.
    pub fn property(&self, path: &str, face: &str, name: &str) -> Option<String> {
        let of = (format!("{SERVICE}.{face}"), name);
        let properties = Some("org.freedesktop.DBus.Properties");
        let call = self.connection.call_method(Some(SERVICE), path, properties, "Get", &of);
        let answer = self.runtime.block_on(call).ok()?;
        String::try_from(answer.body().deserialize::<OwnedVariant>().ok()?).ok()
    }

    /// The read end of a pipe that holds a secret.
    fn pipe(secret: &str) -> Fd<'static> {
        let (read, mut write) = std::io::pipe().unwrap();
        write.write_all(secret.as_bytes()).unwrap();
        Fd::from(std::os::fd::OwnedFd::from(read))
    }

    /// `Terminal.SignIn`: the acquirer is asked.
    pub fn sign_in(&self) -> zbus::Result<Message> {
        self.call(TERMINAL, "Terminal", "SignIn", &(HashMap::<&str, Variant<'_>>::new(),))
    }

    pub fn sign_operator_in(&self, password: &str) -> zbus::Result<Message> {
        let none = HashMap::<&str, Variant<'_>>::new();
        self.call(TERMINAL, "Terminal", "OperatorSignIn", &("01", Self::pipe(password), none))
    }

    pub fn load_components(&self) {
        for ((index, custodian), component) in [(1u32, "Li"), (2, "Wang")].into_iter().zip(COMPONENTS) {
            let none = HashMap::<&str, Variant<'_>>::new();
            self.call(TERMINAL, "Keys", "LoadComponent", &(index, custodian, Self::pipe(component), none)).unwrap();
        }
    }

    /// Sets the supervisor, signs the operator in, loads both key components, waits for the acquirer.
    pub fn provision(&self) {
        let none = HashMap::<&str, Variant<'_>>::new();
        self.call(TERMINAL, "Terminal", "SetOperator", &("01", "supervisor", Self::pipe(PASSWORD), none)).unwrap();
        self.sign_operator_in(PASSWORD).unwrap();
        self.load_components();
        self.wait_ready();
    }

    pub fn wait_ready(&self) {
        eventually("the terminal to be ready", || {
            (self.property(TERMINAL, "Terminal", "State")? == "ready").then_some(())
        });
    }

    /// Creates and starts a sale.
    pub fn begin(&self, minor: u64, key: &str) -> String {
        let sale = self.create(minor, key).unwrap();
        self.start(&sale).unwrap();
        sale
    }

    pub fn create(&self, minor: u64, key: &str) -> zbus::Result<String> {
        let none = HashMap::<&str, Variant<'_>>::new();
        let created = self.call(TERMINAL, "Terminal", "CreateTransaction", &("sale", key, minor, "CNY", none))?;
        Ok(created.body().deserialize::<OwnedObjectPath>().unwrap().to_string())
    }

    pub fn start(&self, sale: &str) -> zbus::Result<Message> {
        self.call(sale, "Transaction", "Start", &())
    }

    /// The app has the result and lets the object go.
    pub fn acknowledge(&self, sale: &str) {
        self.try_acknowledge(sale).unwrap();
    }

    /// The same of a sale that may have gone.
    pub fn try_acknowledge(&self, sale: &str) -> zbus::Result<Message> {
        self.call(sale, "Transaction", "Acknowledge", &())
    }

    /// Cancels a sale.
    pub fn cancel(&self, sale: &str) -> zbus::Result<Message> {
        self.call(sale, "Transaction", "Cancel", &())
    }

    /// The app dies: its connection to the bus is gone.
    pub fn die(self) {
        self.runtime.block_on(self.connection.close()).unwrap();
    }

    pub fn find(&self, key: &str) -> String {
        let found = self.call(TERMINAL, "Terminal", "FindTransaction", &key).unwrap();
        found.body().deserialize::<OwnedObjectPath>().unwrap().to_string()
    }

    pub fn state(&self, sale: &str) -> Option<String> {
        self.property(sale, "Transaction", "State")
    }

    /// How the sale ended, as soon as anything is known about it.
    pub fn outcome(&self, sale: &str) -> Option<String> {
        self.property(sale, "Transaction", "Outcome").filter(|outcome| !outcome.is_empty())
    }

    /// Waits until the sale has this outcome.
    pub fn wait_outcome(&self, sale: &str, outcome: &str) {
        let mut seen = None;
        eventually(&format!("the outcome {outcome}"), || {
            seen = self.property(sale, "Transaction", "Outcome");
            (seen.as_deref()? == outcome).then_some(())
        });
    }

    /// One text of a sale's result; empty if it has none.
    pub fn result(&self, sale: &str, name: &str) -> String {
        let result = self.call(sale, "Transaction", "GetResult", &()).unwrap();
        let mut row: HashMap<String, OwnedVariant> = result.body().deserialize().unwrap();
        row.remove(name).map(|value| String::try_from(value).unwrap()).unwrap_or_default()
    }

    /// The customer taps and types when asked to, and takes the card away again.
    pub fn customer(&self, rig: &Rig, pin: &str) {
        self.wait_prompt("present-card");
        rig.reader_order("card in");
        self.wait_prompt("enter-pin");
        rig.keypad_order(&format!("type {pin} enter"));
        rig.reader_order("card out");
    }

    pub fn wait_prompt(&self, word: &str) {
        eventually(&format!("the prompt {word}"), || {
            (self.property(TERMINAL, "Terminal", "Prompt")? == word).then_some(())
        });
    }

    /// A whole sale up to this outcome; gives its object.
    pub fn sell(&self, rig: &Rig, minor: u64, key: &str, pin: &str, outcome: &str) -> String {
        let sale = self.begin(minor, key);
        self.customer(rig, pin);
        self.wait_outcome(&sale, outcome);
        sale
    }
}

/// Packages from PyPI, kept under the build directory; an error says why they cannot be had.
pub fn python_packages(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if home.join("complete").exists() {
        return Ok(home);
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--retries", "1", "--upgrade", "--target"]).arg(&home).args(packages);
    let output = pip.output().map_err(|e| format!("no python3: {e}; apt-get install python3-pip"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).lines().next_back().unwrap_or_default().to_owned();
        return Err(format!("pip cannot install {}: {why}", packages.join(" ")));
    }
    std::fs::write(home.join("complete"), "").unwrap();
    Ok(home)
}

/// Bytes from hexadecimal text.
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}
