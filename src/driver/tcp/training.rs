//! The line of training: which places may be a training host, and that one is there, before a byte is sent.
//!
//! Two bars that do not depend on any setting. Nothing but this very machine is connected to, by a literal address, so that
//! no name can lead elsewhere. And whoever takes the connection has to speak first and say that it is a training host: a
//! live host waits for a request, and gets none.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::connect::{before, failure};
use crate::domain::link::{ConnectFailure, ConnectFailureKind, Endpoint};
use crate::domain::training::{GREETING, HOSTS};

/// Where the endpoint is, if it may be a training host at all.
pub(super) fn place(endpoint: &Endpoint) -> Result<SocketAddr, ConnectFailure> {
    let address = HOSTS.contains(&endpoint.host.as_str()).then(|| endpoint.host.parse::<IpAddr>().ok()).flatten();
    match address {
        Some(address) => Ok(SocketAddr::new(address, endpoint.port)),
        None => {
            let [v4, v6] = HOSTS;
            let text = format!("training: {endpoint} is not this machine; only {v4} and {v6} are connected to");
            Err(failure(ConnectFailureKind::Handshake, text))
        }
    }
}

/// Waits for the greeting. Nothing is sent.
pub(super) async fn greeted(
    stream: &mut TcpStream,
    at: &Endpoint,
    within: Duration,
    expired: Pin<&mut Sleep>,
) -> Result<(), ConnectFailure> {
    let mut said = [0; GREETING.len()];
    let what = match before(expired, stream.read_exact(&mut said)).await {
        Some(Ok(_)) if said == *GREETING => return Ok(()),
        Some(Ok(_)) => "says something else than a training host does".to_owned(),
        Some(Err(error)) => format!("did not say that it is a training host: {error}"),
        None => return Err(silence(at, within)),
    };
    let text = format!("training: what answers at {at} {what}; nothing was sent to it");
    Err(failure(ConnectFailureKind::Handshake, text))
}

fn silence(at: &Endpoint, within: Duration) -> ConnectFailure {
    let text = format!(
        "training: {at} takes the connection, but did not say within {:.1} s that it is a training host; nothing was \
         sent to it",
        within.as_secs_f32()
    );
    failure(ConnectFailureKind::TimedOut, text)
}
