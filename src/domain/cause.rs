//! The stable codes of everything that can be wrong. Texts and remedies live in `diagnose`.

use crate::domain::outcome::words;

words! {
    /// One code of the cause catalogue. Letters: N network, H hardware, S software, O operator, B bank/host,
    /// K keys, P power, clock and storage.
    Cause {
        /// No carrier.
        N01 = "N01",
        /// No address or default route.
        N02 = "N02",
        /// Gateway silent.
        N03 = "N03",
        /// Names do not resolve.
        N04 = "N04",
        /// The acquirer refuses or times out at every address.
        N05 = "N05",
        /// Nothing outside answers.
        N06 = "N06",
        /// Weak link.
        N07 = "N07",
        /// A web page answered where the host should be.
        N08 = "N08",
        /// TLS certificate not the pinned one, expired or for another name.
        N09 = "N09",
        /// Connected and sent, but no byte came back.
        N10 = "N10",
        /// Reader gone.
        H01 = "H01",
        /// Reader present but silent.
        H02 = "H02",
        /// Reader line noisy.
        H03 = "H03",
        /// Card reads fail more often than usual.
        H04 = "H04",
        /// Keypad gone.
        H05 = "H05",
        /// Key stuck.
        H06 = "H06",
        /// Key bounces.
        H07 = "H07",
        /// Display fails.
        H08 = "H08",
        /// Tamper input active.
        H09 = "H09",
        /// Code scanner gone.
        H10 = "H10",
        /// Code scanner present but silent.
        H11 = "H11",
        /// Restart loop.
        S01 = "S01",
        /// Database damaged.
        S02 = "S02",
        /// Program too old for the acquirer.
        S03 = "S03",
        /// Parameters outdated.
        S04 = "S04",
        /// Client uses an API version that is not supported.
        S05 = "S05",
        /// The host calls our message malformed (30).
        S06 = "S06",
        /// A database of training where real payments belong, or the other way round.
        S07 = "S07",
        /// Operator password wrong.
        O01 = "O01",
        /// Operator locked.
        O02 = "O02",
        /// No operator signed in.
        O03 = "O03",
        /// Transaction code unknown or its check digit wrong.
        O04 = "O04",
        /// Card removed too early, or two cards.
        O05 = "O05",
        /// Bank system fault or day cut.
        B01 = "B01",
        /// Terminal not registered (97).
        B02 = "B02",
        /// Merchant invalid (03).
        B03 = "B03",
        /// Batch differs (77).
        B04 = "B04",
        /// Host did not answer in time.
        B06 = "B06",
        /// MAC refused by the host, or the answer's MAC is wrong.
        K01 = "K01",
        /// PIN block refused (99).
        K02 = "K02",
        /// A working key's check value does not match.
        K03 = "K03",
        /// No master key.
        K04 = "K04",
        /// Key-block length, MAC method or MAK rule set wrongly.
        K05 = "K05",
        /// Keys older than policy.
        K06 = "K06",
        /// Clock not to be trusted.
        P01 = "P01",
        /// Storage full, read-only or failing.
        P02 = "P02",
        /// Undervoltage or heat.
        P03 = "P03",
        /// Unclean shutdown found.
        P04 = "P04",
    }
}
