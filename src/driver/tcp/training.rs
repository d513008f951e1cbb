//! The line of training: which places may be a training host, and that one is there, before a byte is sent.
//!
//! Two bars that do not depend on any setting. Nothing but this very machine is connected to, by a literal address, so that
//! no name can lead elsewhere. And whoever takes the connection has to speak first and say that it is a training host: a
//! live host waits for a request, and gets none.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connect::failure;
use crate::domain::link::{ConnectFailure, ConnectFailureKind, Endpoint};
use crate::domain::training::{GREETING, HOSTS};

/// A training host is on this machine and speaks at once. Shorter than any time to connect, so that the evidence is this.
const GREETED_WITHIN: Duration = Duration::from_millis(900);

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
pub(super) async fn greeted(stream: &mut TcpStream, at: &Endpoint) -> Result<(), ConnectFailure> {
    let mut said = [0; GREETING.len()];
    let (kind, what) = match timeout(GREETED_WITHIN, stream.read_exact(&mut said)).await {
        Ok(Ok(_)) if said == *GREETING => return Ok(()),
        Ok(Ok(_)) => (ConnectFailureKind::Handshake, "says something else than a training host".to_owned()),
        Ok(Err(error)) => (ConnectFailureKind::Handshake, format!("does not say that it is a training host: {error}")),
        Err(_) => (ConnectFailureKind::TimedOut, "does not say that it is a training host".to_owned()),
    };
    Err(failure(kind, format!("training: what answers at {at} {what}; nothing was sent to it")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::domain::link::Trust;
    use crate::driver::tcp::{Acquirer, attempt};

    const WITHIN: Duration = Duration::from_secs(20);

    /// Whether nobody has knocked.
    fn untouched(listener: &TcpListener) -> bool {
        listener.set_nonblocking(true).unwrap();
        listener.accept().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    }

    #[tokio::test]
    async fn the_network_driver_itself_connects_to_nothing_but_this_machine_in_training() {
        let elsewhere = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = elsewhere.local_addr().unwrap().port();
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let open = [format!("127.0.0.2:{port}"), format!("localhost:{}", everywhere.local_addr().unwrap().port())];
        for at in open {
            let acquirer = Acquirer { endpoints: vec![at.parse().unwrap()], trust: Trust::TrainingHost };
            let failed = attempt(&acquirer, 0, WITHIN).await.unwrap_err();
            assert!(failed.evidence.contains("is not this machine"), "{at}: {failed:?}");
            // The same place without training is connected to: the listeners work.
            assert!(untouched(&elsewhere) && untouched(&everywhere), "{at}");
            let plain = Acquirer { trust: Trust::Plain, ..acquirer };
            attempt(&plain, 0, WITHIN).await.unwrap();
            assert!(!(untouched(&elsewhere) && untouched(&everywhere)), "{at}");
        }
    }
}
