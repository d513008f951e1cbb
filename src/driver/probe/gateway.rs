//! Whether the next router lives. Any answer proves it: a refused connection as well as an echo.
//!
//! Three ways at once, because routers differ in what they ignore: TCP to the ports most of them serve, a datagram to a
//! port that nobody serves, and an ICMP echo where the kernel lets ordinary users send one
//! (`net.ipv4.ping_group_range`). What the kernel knows of the neighbour tells a dead router from a deaf one. A router that
//! lives is asked a few times more, to see whether the way to it is any good.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket as StdUdpSocket};
use std::time::Duration;

use futures_util::future::{join_all, select_ok};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Boxed;
use super::local::Router;
use super::netlink::{self, Neighbour};
use crate::domain::diagnosis::{Fault, Finding, Found, Step};
use crate::driver::clock;

/// Ports that home routers serve.
const PORTS: [u16; 3] = [80, 53, 443];
/// Nobody serves this one (discard).
const NOBODY: u16 = 9;
/// Questions to a router that lives.
const SERIES: usize = 8;
/// From one of them to the next.
const SPACING: Duration = Duration::from_millis(60);
/// An answer later than this counts as lost: TCP sends again after a second, which would hide a loss.
const PATIENCE: Duration = Duration::from_millis(800);
/// A way that loses so many of a series is weak: with a third lost each way, a handshake and one exchange no longer fit
/// into the time that a host is given.
const WEAK_LOSS: usize = 3;
/// The same for the time there and back of the middle one; a router in the same building answers within a few.
const WEAK_TIME: Duration = Duration::from_millis(400);

/// Asks the router for any answer.
pub async fn gateway(router: Router, within: Duration) -> Finding {
    let mut ways: Vec<Boxed<'_, Result<String, ()>>> = Vec::new();
    for port in PORTS {
        ways.push(Box::pin(async move { tcp(at(router, port)).await.ok_or(()) }));
    }
    ways.push(Box::pin(async move { datagram(at(router, NOBODY)).await.ok_or(()) }));
    ways.push(Box::pin(async move { echo(router).await.ok_or(()) }));
    let answered = timeout(within, select_ok(ways)).await;
    let ip = router.ip;
    match answered {
        Ok(Ok((how, _))) => {
            let (found, seen) = quality(router).await;
            Finding::new(Step::Gateway, found, format!("router {ip} {how}{seen}"))
        }
        Ok(Err(())) | Err(_) => {
            let seen = match netlink::neighbour(router.index, ip) {
                Ok(Some(Neighbour::Silent)) => format!("router {ip} does not even answer on the link"),
                Ok(Some(Neighbour::Known)) => format!("router {ip} is on the link, and answers nothing"),
                Ok(None) | Err(_) => format!("router {ip} answers nothing"),
            };
            Finding::new(Step::Gateway, Found::Failed(Fault::Silent), seen)
        }
    }
}

/// Whether the way to a router that lives is any good. Refusals of datagrams do not count: kernels limit their number.
async fn quality(router: Router) -> (Found, String) {
    let by_tcp = series(|| async { tcp(at(router, PORTS[0])).await.is_some() });
    let by_echo = series(|| async { echo(router).await.is_some() });
    let (tcp, echo) = tokio::join!(by_tcp, by_echo);
    // A router may ignore either.
    let best = if tcp.len() >= echo.len() { tcp } else { echo };
    sum(best)
}

/// Times of the questions that were answered, in order of length.
async fn series<A: Future<Output = bool>>(ask: impl Fn() -> A) -> Vec<Duration> {
    let one = |number: u32| {
        let asked = ask();
        async move {
            tokio::time::sleep(SPACING * number).await;
            let start = clock::now().mono;
            let answered = timeout(PATIENCE, asked).await.unwrap_or(false);
            answered.then(|| clock::now().mono.since(start))
        }
    };
    let mut times: Vec<_> = join_all((0..SERIES as u32).map(one)).await.into_iter().flatten().collect();
    times.sort_unstable();
    times
}

/// `times`: of what was answered, in order; one that answers nothing of this kind says nothing.
fn sum(times: Vec<Duration>) -> (Found, String) {
    let Some(middle) = times.get(times.len() / 2) else { return (Found::Worked, String::new()) };
    let lost = SERIES - times.len();
    let weak = lost >= WEAK_LOSS || *middle > WEAK_TIME;
    let found = if weak { Found::Failed(Fault::Weak) } else { Found::Worked };
    (found, format!("; {lost} of {SERIES} lost, {} ms there and back", middle.as_millis()))
}

fn at(router: Router, port: u16) -> SocketAddr {
    match router.ip {
        IpAddr::V4(ip) => (ip, port).into(),
        // A router's own address is usually one of the link, which is nothing without its interface.
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, router.index).into(),
    }
}

async fn tcp(to: SocketAddr) -> Option<String> {
    match TcpStream::connect(to).await {
        Ok(_) => Some(format!("answers at port {}", to.port())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Some(format!("refuses port {}, so it lives", to.port()))
        }
        Err(_) => None,
    }
}

async fn datagram(to: SocketAddr) -> Option<String> {
    let from: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(from).await.ok()?;
    socket.connect(to).await.ok()?;
    socket.send(&[0]).await.ok()?;
    match socket.recv(&mut [0; 1]).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Some("refuses a datagram, so it lives".into())
        }
        Ok(_) => Some("answers a datagram".into()),
        Err(_) => None,
    }
}

/// An ICMP echo without privileges; `None` also where the kernel allows it to nobody.
async fn echo(router: Router) -> Option<String> {
    const ECHO_REQUEST: u8 = 8;
    const ECHO_REQUEST_6: u8 = 128;
    let (family, protocol, kind) = match router.ip {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, ECHO_REQUEST),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, ECHO_REQUEST_6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, protocol).ok()?;
    let socket = UdpSocket::from_std(StdUdpSocket::from(fd)).ok()?;
    socket.connect(at(router, 0)).await.ok()?;
    // Type, code, checksum (the kernel's), identifier (the kernel's), sequence number.
    socket.send(&[kind, 0, 0, 0, 0, 0, 0, 1]).await.ok()?;
    socket.recv(&mut [0; 64]).await.ok()?;
    Some("answers an echo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_loses_a_third_or_takes_long_is_weak() {
        let ms = Duration::from_millis;
        let found = |times: &[u64]| sum(times.iter().copied().map(ms).collect()).0;
        assert_eq!(found(&[]), Found::Worked, "nothing of this kind is answered at all");
        assert_eq!(found(&[3; 8]), Found::Worked);
        assert_eq!(found(&[3; 6]), Found::Worked);
        assert_eq!(found(&[3; 5]), Found::Failed(Fault::Weak));
        assert_eq!(found(&[3, 3, 3, 3, 400, 400, 400, 400]), Found::Worked);
        assert_eq!(found(&[3, 3, 3, 3, 401, 500, 500, 500]), Found::Failed(Fault::Weak));
        assert_eq!(sum(vec![ms(7); 5]).1, "; 3 of 8 lost, 7 ms there and back");
    }

    #[tokio::test]
    async fn a_machine_that_refuses_everything_lives() {
        let router = Router { ip: [127, 0, 0, 1].into(), index: 1 };
        let seen = gateway(router, Duration::from_secs(2)).await;
        assert_eq!(seen.found, Found::Worked, "{}", seen.evidence);
    }
}
