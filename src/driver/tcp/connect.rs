//! From an endpoint to a standing connection: name, TCP, TLS, all within one span of time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::client::TlsStream;

use super::counted::Counted;
use super::{Acquirer, training};
use crate::domain::link::{ConnectFailure, ConnectFailureKind, Endpoint, Trust};
use crate::driver::tls;

/// A standing connection.
pub(super) enum Stream {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

impl Stream {
    /// Bytes the kernel has taken.
    pub(super) fn written(&self) -> u64 {
        self.tcp().written()
    }

    /// From now on a close sends what is left; until then it forgets it.
    pub(super) fn end_in_order(&self) -> io::Result<()> {
        self.tcp().end_in_order()
    }

    fn tcp(&self) -> &Counted {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// The most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// Opens a connection to one of the acquirer's endpoints.
pub(super) async fn open(acquirer: &Acquirer, index: usize, within: Duration) -> Result<Stream, ConnectFailure> {
    let Some(endpoint) = acquirer.endpoints.get(index) else {
        return Err(failure(ConnectFailureKind::Setup, "the profile has no such address"));
    };
    let tls = tls::prepare(&acquirer.trust, &endpoint.host)?;
    let expired = sleep(within);
    tokio::pin!(expired);
    let training = acquirer.trust == Trust::TrainingHost;
    let addresses = match training {
        true => vec![training::place(endpoint)?],
        false => resolve(endpoint, within, expired.as_mut()).await?,
    };
    let mut tcp = connect(&addresses, within, expired.as_mut()).await?;
    if training {
        training::greeted(&mut tcp, endpoint).await?;
    }
    // Every message is one small write and waits for its answer: nothing is gained by collecting.
    tcp.set_nodelay(true).map_err(|error| failure(ConnectFailureKind::Unreachable, error))?;
    // Whoever closes it, and be it the kernel after a crash: a request that has not arrived by then must not arrive later.
    tcp.set_zero_linger().map_err(|error| failure(ConnectFailureKind::Unreachable, error))?;
    let tcp = Counted::new(tcp);
    let Some(tls) = tls else { return Ok(Stream::Plain(tcp)) };
    let handshake = tls.connector.connect(tls.name.clone(), tcp);
    match before(expired, handshake).await {
        Some(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
        Some(Err(error)) => Err(tls.failure(&error)),
        None => {
            let text = format!("connected, but no TLS handshake within {} s", within.as_secs());
            Err(failure(ConnectFailureKind::TimedOut, text))
        }
    }
}

async fn resolve(
    endpoint: &Endpoint,
    within: Duration,
    expired: Pin<&mut Sleep>,
) -> Result<Vec<SocketAddr>, ConnectFailure> {
    match before(expired, lookup_host((endpoint.host.as_str(), endpoint.port))).await {
        Some(Ok(found)) => {
            let addresses: Vec<SocketAddr> = found.take(MOST_ADDRESSES).collect();
            if addresses.is_empty() {
                return Err(failure(ConnectFailureKind::NameNotFound, "the name has no address"));
            }
            Ok(addresses)
        }
        Some(Err(error)) => Err(failure(ConnectFailureKind::NameNotFound, format!("name not resolved: {error}"))),
        None => {
            let text = format!("name not resolved within {} s", within.as_secs());
            Err(failure(ConnectFailureKind::NameNotFound, text))
        }
    }
}

/// Tries the addresses of a name in turn. Each gets its share of the time, so that one that swallows everything does not
/// hide the next.
async fn connect(
    addresses: &[SocketAddr],
    within: Duration,
    expired: Pin<&mut Sleep>,
) -> Result<TcpStream, ConnectFailure> {
    let share = within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let attempts = async {
        let mut last = None;
        for address in addresses {
            last = Some(match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => refusal(address, &error),
                Err(_) => silence(address, share),
            });
        }
        Err(last.unwrap_or_else(|| failure(ConnectFailureKind::NameNotFound, "the name has no address")))
    };
    match before(expired, attempts).await {
        Some(result) => result,
        None => Err(silence(addresses.first().unwrap_or(&SocketAddr::from(([0, 0, 0, 0], 0))), within)),
    }
}

fn silence(address: &SocketAddr, within: Duration) -> ConnectFailure {
    let text =
        format!("{address} does not answer within {:.1} s (wrong address, firewall, line down)", within.as_secs_f32());
    failure(ConnectFailureKind::TimedOut, text)
}

fn refusal(address: &SocketAddr, error: &io::Error) -> ConnectFailure {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => ConnectFailureKind::Refused,
        io::ErrorKind::TimedOut => ConnectFailureKind::TimedOut,
        _ => ConnectFailureKind::Unreachable,
    };
    failure(kind, format!("{address}: {error}"))
}

pub(super) fn failure(kind: ConnectFailureKind, evidence: impl ToString) -> ConnectFailure {
    ConnectFailure { kind, evidence: evidence.to_string() }
}

/// The future's result, or `None` once the time is over.
async fn before<T>(expired: Pin<&mut Sleep>, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        result = future => Some(result),
        () = expired => None,
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
