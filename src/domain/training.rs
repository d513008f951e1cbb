//! What makes training unmistakable on every wire and in every file: its terminal, its key, its host's greeting.
//!
//! All of it is public and means nothing to a live host: no acquirer knows this terminal, a live terminal does not take
//! this key, and no live host speaks first.

/// Field 41 of every training message, and the beginning of every transaction code of training.
pub const TERMINAL: &str = "TRAINING";
/// Field 42.
pub const MERCHANT: &str = "TRAININGNOMONEY";
/// The master key, which reads as what it is. It protects nothing.
pub const MASTER_KEY: [u8; 16] = *b"TRAINING KEY ONE";
/// What a training host says before anything is said to it.
pub const GREETING: &[u8] = b"SMARTPOS TRAINING HOST 1\r\n";
/// The one place where a training host may be: this machine itself, by these addresses.
pub const HOSTS: [&str; 2] = ["127.0.0.1", "::1"];
/// The stamp of a training database (SQLite's application id, "TRNG").
pub const STAMP: i32 = 0x5452_4E47;
/// What stands before every text of training, in Chinese and English.
pub const MARK: [&str; 2] = ["【培训】", "[TRAINING] "];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{MerchantId, TerminalId};

    #[test]
    fn terminal_and_merchant_are_good_ones_that_no_acquirer_gives() {
        assert!(TerminalId::new(TERMINAL).is_some() && MerchantId::new(MERCHANT).is_some());
        assert!(std::str::from_utf8(&MASTER_KEY).is_ok_and(|text| text.contains("TRAINING")));
        assert!(HOSTS.iter().all(|host| host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())));
    }
}
