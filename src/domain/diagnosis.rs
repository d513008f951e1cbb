//! A diagnosis as plain values: what was looked at, what came of it, and the first broken link.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::domain::cause::Cause;
use crate::domain::outcome::words;

words! {
    /// What is looked at, from the own socket outwards to the host, then inwards. The order is the order of blame.
    Step {
        /// Carrier or association of the interface to the host.
        Link = "link",
        /// Address of that interface, and a route to the host.
        Address = "address",
        /// The next router.
        Gateway = "gateway",
        /// Names of the acquirer and of the control hosts.
        Names = "names",
        /// Control hosts given by address.
        Control = "control",
        /// Control hosts given by name.
        ControlByName = "control-by-name",
        /// Whether the network wants a log-in on a web page.
        Portal = "portal",
        /// TCP to the acquirer.
        Acquirer = "acquirer",
        /// TLS with the acquirer.
        Tls = "tls",
        /// Echo test 0820/301.
        Host = "host",
        /// Master key and working keys.
        Keys = "keys",
        /// What the host says to this terminal.
        Terminal = "terminal",
        /// The card reader.
        Reader = "reader",
        /// The keypad.
        Keypad = "keypad",
        /// The code scanner, where one is configured.
        Scanner = "scanner",
        /// Clock.
        Clock = "clock",
        /// Disk and database.
        Storage = "storage",
        /// Supply voltage and temperature.
        Power = "power",
        /// The daemon itself.
        Service = "service",
        /// Who is signed in here.
        Operator = "operator",
    }
}

/// What was wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no interface that could lead anywhere.
    NoInterface,
    /// The interface has no carrier, or is not associated.
    NoCarrier,
    /// A weak radio link, or a way to the next router that loses much.
    Weak,
    /// The interface has no address.
    NoAddress,
    /// No route leads to the host.
    NoRoute,
    /// No answer within the time.
    Silent,
    /// Refused at once.
    Refused,
    /// The system or a router says that there is no way.
    Unreachable,
    /// The name servers do not answer.
    NoNameServer,
    /// No name is known.
    NameUnknown,
    /// The acquirer's names are not known, others are.
    AcquirerUnknown,
    /// A web page answered, or a redirection to one.
    WebPage,
    /// The certificate is not the pinned one, has expired, or bears another name.
    Certificate,
    /// Connected and sent, and never a byte came back from there.
    NoByte,
    /// Connected and sent, and this time no answer came.
    Overdue,
    /// What the daemon knows already.
    Known(Cause),
}

/// What came of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It works.
    Worked,
    /// It does not.
    Failed(Fault),
    /// It could not be looked at; the evidence says why.
    NotRun,
    /// It need not be looked at; the evidence says why.
    NotNeeded,
    /// The time was over before it was known.
    TimedOut,
}

impl Found {
    /// The word used on the bus and in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worked => "worked",
            Self::Failed(_) => "failed",
            Self::NotRun => "not-run",
            Self::NotNeeded => "not-needed",
            Self::TimedOut => "timed-out",
        }
    }

    /// Whether it is known to be broken.
    pub const fn failed(self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// One step with what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub step: Step,
    /// What came of it.
    pub found: Found,
    /// What was seen, for the technician; no card data.
    pub evidence: String,
    /// How long it took.
    pub milliseconds: u64,
}

impl Finding {
    /// A step that took no time worth telling.
    pub fn new(step: Step, found: Found, evidence: impl Into<String>) -> Self {
        Self { step, found, evidence: evidence.into(), milliseconds: 0 }
    }

    /// The same with its time.
    #[must_use]
    pub fn took(self, milliseconds: u64) -> Self {
        Self { milliseconds, ..self }
    }

    /// The cause that the step itself names.
    pub const fn known_cause(&self) -> Option<Cause> {
        match self.found {
            Found::Failed(Fault::Known(cause)) => Some(cause),
            _ => None,
        }
    }
}

words! {
    /// Who has to act on a verdict, as a class.
    Class {
        /// Nothing is wrong.
        Well = "well",
        /// Cable, router, provider: the network of the shop.
        ShopNetwork = "shop-network",
        /// The acquirer.
        Bank = "bank",
        /// Card reader, keypad, display.
        Hardware = "hardware",
        /// Keys.
        Keys = "keys",
        /// Storage, power, clock.
        Platform = "platform",
        /// This program, its parameters, an app.
        Software = "software",
        /// Whoever works at the till.
        Operator = "operator",
    }
}

impl Class {
    /// The class of a cause.
    pub const fn of(cause: Option<Cause>) -> Self {
        let Some(cause) = cause else { return Self::Well };
        match cause {
            Cause::N01 | Cause::N02 | Cause::N03 | Cause::N04 | Cause::N06 | Cause::N07 | Cause::N08 | Cause::N09 => {
                Self::ShopNetwork
            }
            Cause::N05 | Cause::N10 | Cause::B01 | Cause::B02 | Cause::B03 | Cause::B04 | Cause::B06 => Self::Bank,
            Cause::H01
            | Cause::H02
            | Cause::H03
            | Cause::H04
            | Cause::H05
            | Cause::H06
            | Cause::H07
            | Cause::H08
            | Cause::H09
            | Cause::H10
            | Cause::H11 => Self::Hardware,
            Cause::K01 | Cause::K02 | Cause::K03 | Cause::K04 | Cause::K05 | Cause::K06 => Self::Keys,
            Cause::P01 | Cause::P02 | Cause::P03 | Cause::P04 => Self::Platform,
            Cause::S01 | Cause::S02 | Cause::S03 | Cause::S04 | Cause::S05 | Cause::S06 | Cause::S07 => Self::Software,
            Cause::O01 | Cause::O02 | Cause::O03 | Cause::O04 | Cause::O05 => Self::Operator,
        }
    }
}

/// The end of a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The first broken link; `None`: all is well.
    pub cause: Option<Cause>,
    /// The step that shows it.
    pub step: Option<Step>,
    /// What was seen there.
    pub evidence: String,
    /// Whether a contrast was there that rules the other side out. Without one it is the likeliest cause.
    pub sure: bool,
    /// What is certainly not to blame.
    pub ruled_out: Vec<Step>,
    /// Every step, in order.
    pub findings: Vec<Finding>,
    /// How long the whole took.
    pub milliseconds: u64,
}

impl Verdict {
    /// Who has to act.
    pub const fn class(&self) -> Class {
        Class::of(self.cause)
    }

    /// The cause of one step: its own, or the verdict's where that step shows it.
    pub fn cause_of(&self, finding: &Finding) -> Option<Cause> {
        finding.known_cause().or_else(|| self.cause.filter(|_| self.step == Some(finding.step)))
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", self.step.as_str())?;
        map.serialize_entry("found", self.found.as_str())?;
        map.serialize_entry("evidence", &self.evidence)?;
        map.serialize_entry("milliseconds", &self.milliseconds)?;
        map.end()
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ruled_out: Vec<&str> = self.ruled_out.iter().map(|step| step.as_str()).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("cause", &self.cause.map(Cause::as_str))?;
        map.serialize_entry("class", self.class().as_str())?;
        map.serialize_entry("step", &self.step.map(Step::as_str))?;
        map.serialize_entry("evidence", &self.evidence)?;
        map.serialize_entry("sure", &self.sure)?;
        map.serialize_entry("ruled_out", &ruled_out)?;
        map.serialize_entry("steps", &self.findings)?;
        map.serialize_entry("milliseconds", &self.milliseconds)?;
        map.end()
    }
}
