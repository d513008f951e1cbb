//! The configuration: `/etc/smartposd/smartposd.toml` and the acquirer profile it names.
//!
//! Owns: where files are looked for, how profile files are laid over each other, checks across both. Must not know: what
//! is done with any of it. Nothing is read from the environment.
//!
//! A profile NAME is gathered from `NAME.toml` in every profile directory, later directories laid over earlier ones; if
//! one of these files says `base = "OTHER"`, the files of OTHER go below all of them.

mod devices;
mod diagnosis;
mod heal;
mod maintenance;
mod profile_files;
mod scanner;
mod summary;
mod support;
pub mod training;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::domain::ids::{MerchantId, TerminalId};
use crate::domain::link::Endpoint;
use crate::domain::prompt::Language;
use crate::domain::support::Contacts;
use crate::domain::training::TERMINAL as TRAINING_TERMINAL;
use crate::host::message::Identity;
use crate::host::profile::Profile;
use crate::host::settings::{At, Complaint, Complaints, Section, parse};

pub use devices::{KeypadConfig, ReaderConfig, TamperConfig};
pub use heal::HealConfig;
pub use maintenance::MaintenanceConfig;
pub use scanner::ScannerConfig;

/// Where the configuration is unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/smartposd/smartposd.toml";
/// Where profiles are looked for unless told otherwise; later ones are laid over earlier ones.
const PROFILE_DIRS: [&str; 2] = ["/usr/share/smartposd/profiles", "/etc/smartposd/profiles"];
/// Where the daemon keeps what must survive, unless told otherwise.
pub(super) const STATE_DIR: &str = "/var/lib/smartposd";

/// Everything that is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Field 41.
    pub terminal_id: TerminalId,
    /// Field 42.
    pub merchant_id: MerchantId,
    /// Licence and serial number of the device, where the acquirer wants them at sign-in.
    pub device: Option<String>,
    /// The profile's name.
    pub profile_name: String,
    /// The acquirer.
    pub profile: Profile,
    /// The files the profile came from, the most general first.
    pub profile_files: Vec<PathBuf>,
    /// What must survive is kept here.
    pub state_dir: PathBuf,
    /// The directory of the terminal, live or training: whoever holds it has the devices.
    pub home: PathBuf,
    /// What it is used for.
    pub purpose: Purpose,
    /// The card reader.
    pub reader: ReaderConfig,
    /// The keypad.
    pub keypad: KeypadConfig,
    /// The tamper input, where there is one.
    pub tamper: Option<TamperConfig>,
    /// The code scanner, if there is one.
    pub scanner: Option<ScannerConfig>,
    /// Hosts that tell the shop's network from the acquirer's.
    pub control_hosts: Vec<Endpoint>,
    /// What the daemon may do to mend itself.
    pub heal: HealConfig,
    /// What is to be done at the terminal from time to time.
    pub maintenance: MaintenanceConfig,
    /// Whether payments need an operator signed in.
    pub operator_required: bool,
    /// Whether the customer confirms the amount on the keypad, unless the app says otherwise.
    pub confirm_amount: bool,
    /// Language of display and keypad prompts.
    pub language: Language,
    /// Where log lines go.
    pub journal: Journal,
    /// Whom to call.
    pub support: Contacts,
}

/// What a configuration is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Real payments.
    Live,
    /// Training.
    Training,
}

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// To journald under systemd, to stderr when run by hand.
    Auto,
    /// To journald.
    Journald,
    /// To stderr.
    Stderr,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}; write one, or name another with --config")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}", lines(.0).join("\n"))]
    Refused(Vec<Complaint>),
}

impl Config {
    /// Whether nothing of this is real.
    pub fn training(&self) -> bool {
        self.purpose == Purpose::Training
    }

    /// Who this terminal is to the acquirer.
    pub fn identity(&self) -> Identity {
        Identity { terminal: self.terminal_id.clone(), merchant: self.merchant_id.clone(), device: self.device.clone() }
    }
}

/// Reads the configuration and its profile, for real payments.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    load_for(path, Purpose::Live)
}

fn load_for(path: &Path, purpose: Purpose) -> Result<Config, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let table = parse(&path.display().to_string(), &text).map_err(|complaint| ConfigError::Refused(vec![complaint]))?;
    let complaints = Complaints::default();
    let root = Section::root(&table, &complaints);
    let config = read(root, purpose, &complaints);
    let found = complaints.into_sorted();
    match config {
        Ok(Some(config)) if found.is_empty() => Ok(config),
        Ok(_) => Err(ConfigError::Refused(found)),
        Err(of_profile) => Err(ConfigError::Refused(found.into_iter().chain(of_profile).collect())),
    }
}

/// Reads the configuration and the files it names: what it amounts to, or every complaint.
pub fn check(path: &Path) -> Result<String, Vec<String>> {
    let config = load(path).map_err(|error| match error {
        ConfigError::Unreadable { .. } => vec![error.to_string()],
        ConfigError::Refused(complaints) => lines(&complaints),
    })?;
    if let Some(problem) = config.profile.trust.file().and_then(profile_files::certificate_problem) {
        return Err(vec![problem]);
    }
    Ok(summary::summary(&config))
}

fn lines(complaints: &[Complaint]) -> Vec<String> {
    complaints.iter().map(ToString::to_string).collect()
}

/// Reads the whole file. `Ok(None)` and complaints, or the complaints of the profile.
fn read(root: Section<'_>, purpose: Purpose, complaints: &Complaints) -> Result<Option<Config>, Vec<Complaint>> {
    let terminal_id = root.parsed("terminal_id", "the 8 letters or digits the acquirer gave", TerminalId::new);
    let terminal_id = root.need("terminal_id", terminal_id, "terminal_id = \"99000001\" as the acquirer gave it");
    let merchant_id = root.parsed("merchant_id", "the 15 letters or digits the acquirer gave", MerchantId::new);
    let merchant_id =
        root.need("merchant_id", merchant_id, "merchant_id = \"999000000000001\" as the acquirer gave it");
    let licence = root.parsed("licence", "up to 32 letters or digits", device_text);
    let serial = root.parsed("serial", "up to 32 letters or digits", device_text);
    let profile_name = root.parsed("profile", "a name of small letters, digits, - and _", profile_name);
    let profile_name = root.need("profile", profile_name, "profile = \"unionpay-example\" or your acquirer's");
    let dirs = profile_dirs(&root);
    let state_dir = directory(&root, "state_dir").unwrap_or_else(|| STATE_DIR.into());
    let operator_required = root.truth("operator_required").is_none_or(|at| at.value);
    let confirm_amount = root.truth("confirm_amount").is_some_and(|at| at.value);
    let language = root.choice("language", &[("zh", Language::Zh), ("en", Language::En)]);
    let journals = [("auto", Journal::Auto), ("journald", Journal::Journald), ("stderr", Journal::Stderr)];
    let journal = root.choice("journal", &journals).map_or(Journal::Auto, |at| at.value);
    let reader = devices::reader(root.section("reader"));
    let keypad = devices::keypad(root.section("keypad"));
    let tamper = devices::tamper(root.section("tamper"));
    let scanner = scanner::scanner(root.section("scanner"));
    let control_hosts = diagnosis::control_hosts(root.section("diagnosis"));
    let heal = heal::heal(root.section("heal"));
    let maintenance = maintenance::maintenance(root.section("maintenance"));
    let training_profile = training::profile(root.section("training"));
    if let Some(at) = terminal_id.as_ref().filter(|at| at.value.as_str() == TRAINING_TERMINAL) {
        root.refuse(&at.place, format!("`terminal_id` {TRAINING_TERMINAL} is that of training; write the acquirer's"));
    }
    let support = support::contacts(root.section("support"));
    root.finish();
    let (Some(name), Some(dirs)) = (profile_name, dirs) else { return Ok(None) };
    let name = match purpose {
        Purpose::Live => name,
        Purpose::Training => training_profile,
    };
    let Some(sources) = profile_files::gather(&name, &dirs, complaints) else { return Ok(None) };
    let profile = Profile::read(&sources)?;
    let device = device(&profile, licence, serial, &name, complaints);
    let own = terminal_id.zip(merchant_id).map(|(terminal, merchant)| (terminal.value, merchant.value));
    let identity = match purpose {
        Purpose::Live => own,
        Purpose::Training => own.and(training::identity()),
    };
    let Some((terminal_id, merchant_id)) = identity else { return Ok(None) };
    Ok(Some(Config {
        terminal_id,
        merchant_id,
        device,
        profile_name: name.value,
        profile,
        profile_files: sources.into_iter().map(|source| source.file.into()).collect(),
        home: state_dir.clone(),
        state_dir,
        purpose,
        reader,
        keypad,
        tamper,
        scanner,
        control_hosts,
        heal,
        maintenance,
        operator_required,
        confirm_amount,
        language: language.map_or(Language::Zh, |at| at.value),
        journal,
        support,
    }))
}

fn device_text(text: &str) -> Option<String> {
    let good = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    good.then(|| text.to_owned())
}

fn profile_name(text: &str) -> Option<String> {
    let good = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    good.then(|| text.to_owned())
}

fn absolute(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    path.is_absolute().then_some(path)
}

fn directory(section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    section.parsed(key, "a path that begins with /", absolute).map(|at| at.value)
}

fn profile_dirs(root: &Section<'_>) -> Option<Vec<PathBuf>> {
    let Some(list) = root.texts("profile_dirs") else {
        return Some(PROFILE_DIRS.map(PathBuf::from).into());
    };
    let mut dirs = Vec::new();
    for At { value, place } in list.value {
        match absolute(&value) {
            Some(dir) => dirs.push(dir),
            None => {
                root.refuse(&place, format!("`profile_dirs` has \"{value}\"; write paths that begin with /"));
                return None;
            }
        }
    }
    if dirs.is_empty() {
        root.refuse(&list.place, "`profile_dirs` is empty; name at least one directory");
        return None;
    }
    Some(dirs)
}

/// Licence and serial number, which the profile may make necessary.
fn device(
    profile: &Profile,
    licence: Option<At<String>>,
    serial: Option<At<String>>,
    name: &At<String>,
    complaints: &Complaints,
) -> Option<String> {
    match (licence, serial) {
        (Some(licence), Some(serial)) => Some(licence.value + &serial.value),
        (licence, _) if profile.forms.device_info => {
            let missing = if licence.is_some() { "serial" } else { "licence" };
            let text = format!(
                "`{missing}` is missing, and the profile {} wants it at sign-in (message.device_info); write {missing} = \"…\"",
                name.value
            );
            complaints.add(&name.place, text);
            None
        }
        _ => None,
    }
}
