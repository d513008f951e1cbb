//! What the kernel says of interfaces, addresses, routes and neighbours, over an rtnetlink socket.
//!
//! Owns: four requests and the few attributes of their answers that a diagnosis needs. Written here because the crates for
//! it bring a whole model of rtnetlink (several hundred kilobytes), where two pages do. Follows rtnetlink(7). Reads only.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

const DONE: u16 = 3;
const ERROR: u16 = 2;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const NEW_NEIGHBOUR: u16 = 28;
/// A question has the number of its answer plus two.
const ASK: u16 = 2;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const HEADER: usize = 16;
const ANY: u8 = 0;
const INET: u8 = 2;
const INET6: u8 = 10;
/// The kernel answers at once; this only bounds a fault.
const PATIENCE_MS: i64 = 500;
/// Messages of one dump; a machine with more interfaces than this is no till.
const MOST: usize = 4096;

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number.
    pub index: u32,
    /// Such as `eth0`.
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it has carrier, or is associated.
    pub carrier: bool,
    /// `lo`.
    pub loopback: bool,
    /// Whether it belongs to a bridge or bond.
    pub enslaved: bool,
    /// `bridge`, `dummy`, `veth` …; "" for real ones.
    pub kind: String,
}

/// An address that can be used beyond the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Of which interface.
    pub index: u32,
    /// Which.
    pub ip: IpAddr,
}

/// A way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Through which interface.
    pub index: u32,
    /// By which router; `None` where the other end is on the link.
    pub gateway: Option<IpAddr>,
    /// Whether it ends on this machine.
    pub local: bool,
    /// The lower the better.
    pub priority: u32,
}

/// How the kernel knows a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// It has a hardware address, or needs none.
    Known,
    /// It was asked for and has not answered.
    Silent,
}

/// Everything that is set up on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// All interfaces.
    pub interfaces: Vec<Interface>,
    /// Addresses that can be used beyond the link.
    pub addresses: Vec<Address>,
    /// Default routes, best first.
    pub defaults: Vec<Route>,
}

/// Looks at everything.
pub fn look() -> io::Result<Picture> {
    let mut socket = Socket::open()?;
    let mut picture = Picture::default();
    for body in socket.ask(NEW_LINK, DUMP, &[0; 16])? {
        picture.interfaces.extend(interface(&body));
    }
    for body in socket.ask(NEW_ADDRESS, DUMP, &[0; 8])? {
        picture.addresses.extend(address(&body));
    }
    for body in socket.ask(NEW_ROUTE, DUMP, &[ANY; 12])? {
        picture.defaults.extend(route(&body).filter(|(default, _)| *default).map(|(_, route)| route));
    }
    picture.defaults.sort_by_key(|route| route.priority);
    Ok(picture)
}

/// The way to an address; `None` if there is none.
pub fn route_to(ip: IpAddr) -> io::Result<Option<Route>> {
    let (family, bytes) = octets(ip);
    let length = u8::try_from(bytes.len() * 8).unwrap_or(u8::MAX);
    let mut body = vec![family, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    attribute(&mut body, 1, &bytes);
    match Socket::open()?.ask(NEW_ROUTE, 0, &body) {
        Ok(found) => Ok(found.iter().find_map(|body| route(body)).map(|(_, route)| route)),
        Err(error) if is_no_route(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_no_route(error: &io::Error) -> bool {
    let unreachable = [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::ENETDOWN];
    error.raw_os_error().is_some_and(|code| unreachable.iter().any(|errno| *errno as i32 == code))
}

/// What is known of a neighbour; `None` if nobody has asked for it yet.
pub fn neighbour(index: u32, ip: IpAddr) -> io::Result<Option<Neighbour>> {
    let found = Socket::open()?.ask(NEW_NEIGHBOUR, DUMP, &[0; 12])?;
    Ok(found.iter().find_map(|body| neighbour_at(body, index, ip)))
}

struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::milliseconds(PATIENCE_MS))?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Asks, and gives the body of every message of the answer.
    fn ask(&mut self, wanted: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.sequence += 1;
        let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
        let mut request = Vec::with_capacity(HEADER + body.len());
        request.extend(length.to_ne_bytes());
        request.extend((wanted + ASK).to_ne_bytes());
        request.extend((REQUEST | flags).to_ne_bytes());
        request.extend(self.sequence.to_ne_bytes());
        request.extend(0u32.to_ne_bytes());
        request.extend(body);
        sendto(self.fd.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let mut answer = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while answer.len() < MOST {
            let count = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            let over = take(buffer.get(..count).unwrap_or_default(), wanted, self.sequence, &mut answer)?;
            if over || (flags & DUMP == 0 && !answer.is_empty()) {
                break;
            }
        }
        Ok(answer)
    }
}

/// Cuts a datagram into its messages; whether the last one has come.
fn take(mut bytes: &[u8], wanted: u16, sequence: u32, into: &mut Vec<Vec<u8>>) -> io::Result<bool> {
    while let Some(length) = u32_at(bytes, 0).and_then(|n| usize::try_from(n).ok()) {
        let Some(message) = bytes.get(..length).filter(|_| length >= HEADER) else { break };
        let kind = u16_at(message, 4).unwrap_or_default();
        let ours = u32_at(message, 8) == Some(sequence);
        let body = message.get(HEADER..).unwrap_or_default();
        match kind {
            DONE if ours => return Ok(true),
            ERROR if ours => {
                let code = u32_at(body, 0).map_or(0, |n| i32::from_ne_bytes(n.to_ne_bytes()));
                return if code == 0 { Ok(true) } else { Err(io::Error::from_raw_os_error(-code)) };
            }
            kind if ours && kind == wanted => into.push(body.to_vec()),
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// Type and value of every attribute.
fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut all = Vec::new();
    while let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) {
        let Some(value) = bytes.get(4..usize::from(length)) else { break };
        // The top bits only say that it holds others.
        all.push((kind & 0x3FFF, value));
        bytes = bytes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn octets(ip: IpAddr) -> (u8, Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => (INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (INET6, ip.octets().to_vec()),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|b| Ipv4Addr::from(b).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|b| Ipv6Addr::from(b).into()),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

fn interface(body: &[u8]) -> Option<Interface> {
    const UP: u32 = 1;
    const LOOPBACK: u32 = 8;
    const LOWER_UP: u32 = 0x1_0000;
    let flags = u32_at(body, 8)?;
    let mut found = Interface {
        index: u32_at(body, 4)?,
        up: flags & UP != 0,
        carrier: flags & LOWER_UP != 0,
        loopback: flags & LOOPBACK != 0,
        ..Interface::default()
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            3 => found.name = text(value),
            10 => found.enslaved = true,
            18 => {
                let inner = attributes(value).into_iter().find(|(kind, _)| *kind == 1);
                found.kind = inner.map(|(_, value)| text(value)).unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(found)
}

fn address(body: &[u8]) -> Option<Address> {
    // 200 and below reach beyond the link.
    let global = *body.get(3)? <= 200;
    let all = attributes(body.get(8..)?);
    let value = |wanted| all.iter().find(|(kind, _)| *kind == wanted).and_then(|(_, value)| ip(value));
    let ip = value(2).or_else(|| value(1))?;
    global.then_some(Address { index: u32_at(body, 4)?, ip })
}

/// A unicast or local route, and whether it is a default route.
fn route(body: &[u8]) -> Option<(bool, Route)> {
    const MAIN: u8 = 254;
    let (length, table, kind) = (*body.get(1)?, *body.get(4)?, *body.get(7)?);
    let mut found = Route { index: 0, gateway: None, local: kind == 2, priority: 0 };
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            4 => found.index = u32_at(value, 0)?,
            5 => found.gateway = ip(value),
            6 => found.priority = u32_at(value, 0)?,
            // RTA_VIA: family, then an address of another family than the destination's.
            18 => found.gateway = value.get(2..).and_then(ip),
            _ => {}
        }
    }
    matches!(kind, 1 | 2).then_some((length == 0 && table == MAIN && kind == 1 && found.index != 0, found))
}

fn neighbour_at(body: &[u8], index: u32, wanted: IpAddr) -> Option<Neighbour> {
    const SILENT: u16 = 0x01 | 0x20;
    let all = attributes(body.get(12..)?);
    let at = all.iter().find(|(kind, _)| *kind == 1).and_then(|(_, value)| ip(value))?;
    if u32_at(body, 4)? != index || at != wanted {
        return None;
    }
    Some(if u16_at(body, 8)? & SILENT != 0 { Neighbour::Silent } else { Neighbour::Known })
}

#[cfg(test)]
mod tests;
