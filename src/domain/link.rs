//! The way to the acquirer as plain values: where it is, whom to trust there, and how a connection attempt failed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::domain::cause::Cause;
use crate::domain::outcome::words;

/// Counts connections, so that news of an older one is not taken for the present one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

impl ConnectionId {
    /// The next connection.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Host name or IP address, and TCP port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// 1 ..= 65535.
    pub port: u16,
}

/// Not `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write \"host:port\", such as \"pos.bank.example:5610\", \"192.0.2.7:5610\" or \"[2001:db8::7]:5610\"")]
pub struct BadEndpoint;

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (host, port) = s.rsplit_once(':').ok_or(BadEndpoint)?;
        let port: u16 = port.parse().map_err(|_| BadEndpoint)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let good = match bracketed {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_name_or_ipv4(host),
        };
        let host = bracketed.unwrap_or(host).to_ascii_lowercase();
        if good && port != 0 { Ok(Self { host, port }) } else { Err(BadEndpoint) }
    }
}

fn is_name_or_ipv4(host: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    host.len() <= 253 && host.split('.').all(label)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Whom to trust at the other end. There is no way to switch verification off but to use no TLS at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// No TLS: for lines that the acquirer protects in another way.
    Plain,
    /// TLS; the host's certificate must be issued by this one authority.
    PinnedCa {
        /// PEM file with the authority's certificate.
        ca: PathBuf,
        /// The name the certificate must bear, if it is not the address's.
        server_name: Option<String>,
    },
    /// TLS; the host must show this very certificate.
    PinnedCertificate {
        /// Which certificate.
        pin: CertificatePin,
        /// The name it must bear; not checked if absent, since the certificate itself is known.
        server_name: Option<String>,
    },
    /// Training: nobody but a training host on this very machine, which has to say first that it is one. No profile can
    /// ask for it; the training mode sets it whatever the profile says.
    TrainingHost,
}

impl Trust {
    /// The file that holds what is pinned, where one does.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::PinnedCa { ca: file, .. } | Self::PinnedCertificate { pin: CertificatePin::File(file), .. } => {
                Some(file)
            }
            Self::PinnedCertificate { pin: CertificatePin::Fingerprint(_), .. } | Self::Plain | Self::TrainingHost => {
                None
            }
        }
    }

    /// Whether the line has TLS.
    pub fn has_tls(&self) -> bool {
        match self {
            Self::Plain | Self::TrainingHost => false,
            Self::PinnedCa { .. } | Self::PinnedCertificate { .. } => true,
        }
    }
}

/// How one certificate is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificatePin {
    /// SHA-256 of its DER form.
    Fingerprint([u8; 32]),
    /// PEM file that holds it.
    File(PathBuf),
}

words! {
    /// Why a connection attempt failed.
    ConnectFailureKind {
        /// The port is closed.
        Refused = "refused",
        /// Nothing came back in time.
        TimedOut = "timed-out",
        /// The name does not resolve.
        NameNotFound = "name-not-found",
        /// This machine has no way there.
        Unreachable = "unreachable",
        /// The certificate is not the pinned one, expired, not yet valid, or for another name.
        CertificateRefused = "certificate-refused",
        /// Something else than TLS answered.
        NotTls = "not-tls",
        /// TLS was tried and broken off.
        Handshake = "handshake",
        /// The TLS settings here cannot be used (certificate file missing or damaged).
        Setup = "setup",
    }
}

impl ConnectFailureKind {
    /// The cause of the catalogue.
    pub fn cause(self) -> Cause {
        match self {
            Self::CertificateRefused | Self::Setup => Cause::N09,
            Self::NotTls => Cause::N08,
            Self::Handshake | Self::Refused | Self::TimedOut => Cause::N05,
            Self::NameNotFound => Cause::N04,
            Self::Unreachable => Cause::N02,
        }
    }
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectFailure {
    /// Why.
    pub kind: ConnectFailureKind,
    /// What was seen and what to do, for the technician.
    pub evidence: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_back() {
        for text in ["pos.bank.example:5610", "192.0.2.7:1", "[2001:db8::7]:65535"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in
            ["", "host", "host:", ":5610", "host:0", "host:65536", "http://host:80", "2001:db8::7:5610", "a b:1"]
        {
            assert_eq!(text.parse::<Endpoint>(), Err(BadEndpoint), "{text}");
        }
    }
}
