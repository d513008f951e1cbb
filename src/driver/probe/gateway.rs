//! Whether the next router lives. Any answer proves it: a refused connection as well as an echo.
//!
//! Three ways at once, because routers differ in what they ignore: TCP to the ports most of them serve, a datagram to a
//! port that nobody serves, and an ICMP echo where the kernel lets ordinary users send one
//! (`net.ipv4.ping_group_range`). What the kernel knows of the neighbour tells a dead router from a deaf one.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket as StdUdpSocket};
use std::time::Duration;

use futures_util::future::select_ok;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Boxed;
use super::local::Router;
use super::netlink::{self, Neighbour};
use crate::domain::diagnosis::{Fault, Finding, Found, Step};

/// Ports that home routers serve.
const PORTS: [u16; 3] = [80, 53, 443];
/// Nobody serves this one (discard).
const NOBODY: u16 = 9;

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
        Ok(Ok((how, _))) => Finding::new(Step::Gateway, Found::Worked, format!("router {ip} {how}")),
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

    #[tokio::test]
    async fn a_machine_that_refuses_everything_lives() {
        let router = Router { ip: [127, 0, 0, 1].into(), index: 1 };
        let seen = gateway(router, Duration::from_secs(2)).await;
        assert_eq!(seen.found, Found::Worked, "{}", seen.evidence);
    }
}
