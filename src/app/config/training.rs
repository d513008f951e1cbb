//! The table `[training]` of the configuration, and what becomes of a configuration when it is used for training.
//!
//! Owns: that a training daemon is another terminal with another host, other keys and another place on the disk, whatever
//! the files say. Every doubt is a refusal: a training that does not begin costs nothing.

use std::path::{Path, PathBuf};

use crate::app::config::{Config, ConfigError, Purpose, load_for, profile_name};
use crate::domain::ids::{MerchantId, TerminalId};
use crate::domain::link::{Endpoint, Trust};
use crate::domain::training::{HOSTS, MERCHANT, TERMINAL};
use crate::host::settings::{At, Section};

/// The profile that training uses unless told otherwise.
const PROFILE: &str = "training";
/// The directory of training, below that of real payments.
const DIRECTORY: &str = "training";

/// Why no training can begin.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The configuration, or one of the two profiles, cannot be read. What is live has to be known to be kept away from.
    #[error("training: {0}")]
    Config(#[from] ConfigError),
    /// A host that is not on this machine.
    #[error(
        "training: {at} in profile \"{profile}\" is not on this machine; a training host is at {} or {} and nowhere else",
        HOSTS[0],
        HOSTS[1]
    )]
    Elsewhere {
        /// What was configured.
        at: Endpoint,
        /// Where.
        profile: String,
    },
    /// A host that stands in the live profile.
    #[error(
        "training: {at} in profile \"{profile}\" has the port of the live host {live}; what leads to the acquirer is never \
         used for training: give the training host a port of its own"
    )]
    Live {
        /// What was configured.
        at: Endpoint,
        /// The live one.
        live: Endpoint,
        /// Where.
        profile: String,
    },
}

/// The profile for training.
pub(super) fn profile(section: Section<'_>) -> At<String> {
    let usual = At { value: PROFILE.to_owned(), place: section.place().clone() };
    let named = section.parsed("profile", "a name of small letters, digits, - and _", profile_name);
    section.finish();
    named.unwrap_or(usual)
}

/// Reads the configuration for training.
pub fn load(path: &Path) -> Result<Config, TrainingError> {
    let live = load_for(path, Purpose::Live)?;
    separate(&live, load_for(path, Purpose::Training)?)
}

/// Makes a configuration that shares nothing with the live one but the devices.
fn separate(live: &Config, mut config: Config) -> Result<Config, TrainingError> {
    let profile = || config.profile_name.clone();
    for at in &config.profile.addresses {
        if !HOSTS.contains(&at.host.as_str()) {
            return Err(TrainingError::Elsewhere { at: at.clone(), profile: profile() });
        }
        // By the port alone: a name, or another address, may lead to the same door.
        if let Some(live) = live.profile.addresses.iter().find(|live| live.port == at.port) {
            return Err(TrainingError::Live { at: at.clone(), live: live.clone(), profile: profile() });
        }
    }
    config.profile.trust = Trust::TrainingHost;
    config.home = live.state_dir.clone();
    config.state_dir = directory(&live.state_dir);
    config.control_hosts = Vec::new();
    // Cutting the power is an exercise here, not a restart loop; and no exercise restarts the machine.
    config.heal.safe_mode_after = 0;
    config.heal.reboot = false;
    Ok(config)
}

/// Where training keeps what it keeps.
pub fn directory(live: &Path) -> PathBuf {
    live.join(DIRECTORY)
}

/// Who the terminal is in training.
pub(super) fn identity() -> Option<(TerminalId, MerchantId)> {
    TerminalId::new(TERMINAL).zip(MerchantId::new(MERCHANT))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with the shipped profiles, the live host and the training host at these addresses.
    fn load_with(live: &str, training: &str, more: &str) -> Result<Config, TrainingError> {
        let dir = tempfile::tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/profiles");
        std::fs::write(dir.path().join("unionpay-example.toml"), format!("addresses = [{live}]")).unwrap();
        if !training.is_empty() {
            std::fs::write(dir.path().join("training.toml"), format!("addresses = [{training}]\n{more}")).unwrap();
        }
        let text = format!(
            "terminal_id = \"99000001\"\nmerchant_id = \"999000000000001\"\nprofile = \"unionpay-example\"\n\
             profile_dirs = [{shipped:?}, {:?}]\nstate_dir = \"/var/lib/smartposd\"\n[heal]\nreboot = true\n",
            dir.path()
        );
        let path = dir.path().join("smartposd.toml");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    #[test]
    fn a_training_configuration_is_another_terminal_with_another_host_and_another_place() {
        let config = load_with("\"pos.bank.example:5610\"", "", "").unwrap();
        assert_eq!((config.terminal_id.as_str(), config.merchant_id.as_str()), (TERMINAL, MERCHANT));
        assert_eq!(config.profile.trust, Trust::TrainingHost);
        assert_eq!(config.state_dir, Path::new("/var/lib/smartposd/training"));
        assert_eq!(config.home, Path::new("/var/lib/smartposd"));
        assert!(config.profile.addresses.iter().all(|at| HOSTS.contains(&at.host.as_str())));
        assert!(config.control_hosts.is_empty() && !config.heal.reboot && config.training());
    }

    #[test]
    fn a_profile_cannot_make_training_trust_anybody_else() {
        let tls = "[tls]\nmode = \"pinned-certificate\"\nfingerprint = \
                   \"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\"";
        let config = load_with("\"pos.bank.example:5610\"", "\"127.0.0.1:5611\"", tls).unwrap();
        assert_eq!(config.profile.trust, Trust::TrainingHost);
    }

    #[test]
    fn no_host_but_one_of_this_machine_with_a_port_of_its_own_is_taken() {
        let live = "\"pos.bank.example:5610\", \"127.0.0.1:7000\"";
        for elsewhere in ["pos.bank.example:5610", "192.0.2.7:5611", "127.0.0.2:5611", "localhost:5611", "[::2]:5611"] {
            let one = load_with(live, &format!("\"{elsewhere}\""), "");
            assert!(matches!(one, Err(TrainingError::Elsewhere { .. })), "{elsewhere}: {one:?}");
            let second = load_with(live, &format!("\"127.0.0.1:5611\", \"{elsewhere}\""), "");
            assert!(matches!(second, Err(TrainingError::Elsewhere { .. })), "{elsewhere}");
        }
        for door in ["127.0.0.1:5610", "[::1]:5610", "127.0.0.1:7000", "[::1]:7000"] {
            let refused = load_with(live, &format!("\"{door}\""), "");
            assert!(matches!(refused, Err(TrainingError::Live { .. })), "{door}: {refused:?}");
        }
        assert!(load_with(live, "\"127.0.0.1:5611\", \"[::1]:5612\"", "").is_ok());
    }
}
