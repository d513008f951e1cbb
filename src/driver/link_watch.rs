//! When the network may work again: the kernel tells of links, addresses and routes that appear (rtnetlink multicast).
//!
//! Owns: that socket and the reading of its messages. Must not know: what is tried then. Sleeps until the kernel has
//! something to tell; a terminal whose network does not change is never woken. Follows rtnetlink(7).

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
/// IFF_UP and IFF_RUNNING: switched on, and with a carrier.
const WORKING: u32 = 0x1 | 0x40;
/// IFA_F_TENTATIVE: not usable yet; another message comes when it is.
const TENTATIVE: u8 = 0x40;
/// RTN_UNICAST: a way to somewhere, not one of this machine's own addresses.
const UNICAST: u8 = 1;
/// From the first news to the word that is given.
const SETTLE: Duration = Duration::from_millis(100);
/// Bytes read at once; a message of the kernel is at most so long.
const BUFFER: usize = 32 << 10;
/// Most messages that are read away in one go.
const MOST_READS: usize = 256;
/// Links whose state is remembered.
const MOST_LINKS: usize = 256;

/// Runs until nobody listens, or until the kernel tells no more, and why: one word each time the way to the host may have
/// come back.
pub async fn run(changes: &mpsc::Sender<()>) -> io::Result<()> {
    let mut watch = Watch::open()?;
    loop {
        watch.improved().await?;
        // Links, addresses and routes come in a burst, and a first packet that is lost costs a second.
        tokio::time::sleep(SETTLE).await;
        // A full channel has a word in it already.
        if let Err(mpsc::error::TrySendError::Closed(())) = changes.try_send(()) {
            return Ok(());
        }
    }
}

/// The socket, and which links work.
struct Watch {
    socket: AsyncFd<OwnedFd>,
    links: Links,
}

impl Watch {
    fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        #[expect(
            deprecated,
            reason = "the replacement is unsafe; this descriptor is owned, never closed or swapped before"
        )]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Self { socket, links: Links::default() })
    }

    /// Until something has come that may bring the network back.
    async fn improved(&mut self) -> io::Result<()> {
        let mut buffer = vec![0u8; BUFFER];
        loop {
            let mut ready = self.socket.readable().await?;
            let mut better = false;
            for _ in 0..MOST_READS {
                let read = ready.try_io(|socket| {
                    recv(socket.get_ref().as_raw_fd(), &mut buffer, MsgFlags::empty()).map_err(Into::into)
                });
                match read {
                    Ok(Ok(length)) => better |= self.links.improve(buffer.get(..length).unwrap_or_default()),
                    // More came than fits: something of it may have been good.
                    Ok(Err(error)) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => better = true,
                    Ok(Err(error)) => return Err(error),
                    Err(_not_now) => break,
                }
            }
            if better {
                return Ok(());
            }
        }
    }
}

/// Which links work, by index.
#[derive(Default)]
struct Links(BTreeMap<u32, bool>);

impl Links {
    /// Takes one datagram in; whether anything in it may bring the network back.
    fn improve(&mut self, mut messages: &[u8]) -> bool {
        let mut better = false;
        while let Some((kind, body, rest)) = first(messages) {
            better |= match kind {
                RTM_NEWLINK => self.link(body),
                RTM_NEWADDR => body.get(2).is_some_and(|flags| flags & TENTATIVE == 0),
                RTM_NEWROUTE => body.get(7).is_some_and(|kind| *kind == UNICAST),
                _ => false,
            };
            messages = rest;
        }
        better
    }

    /// A link has changed: family, type, index, flags. Told for many reasons; only a carrier that was not there counts.
    fn link(&mut self, body: &[u8]) -> bool {
        let (Some(index), Some(flags)) = (number(body, 4), number(body, 8)) else { return false };
        let works = flags & WORKING == WORKING;
        if !self.0.contains_key(&index) && self.0.len() >= MOST_LINKS {
            self.0.clear();
        }
        let worked = self.0.insert(index, works);
        works && worked != Some(true)
    }
}

/// The first message: its type, what is in it, and what comes behind it.
fn first(messages: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    const HEADER: usize = 16;
    let length = usize::try_from(number(messages, 0)?).ok()?;
    let kind = u16::from_ne_bytes(messages.get(4..6)?.try_into().ok()?);
    let body = messages.get(HEADER..length)?;
    // Each begins at a multiple of four.
    Some((kind, body, messages.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(index: u32, flags: u32) -> Vec<u8> {
        message(RTM_NEWLINK, &[&[0; 4][..], &index.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 4]].concat())
    }

    #[test]
    fn a_carrier_that_comes_back_counts_and_one_that_is_only_told_of_does_not() {
        let mut links = Links::default();
        assert!(links.improve(&link(2, WORKING)), "nobody knows how it was before");
        assert!(!links.improve(&link(2, WORKING)));
        assert!(!links.improve(&link(2, 1)));
        assert!(links.improve(&[link(3, 0), link(2, WORKING)].concat()));
        assert!(!links.improve(&link(2, WORKING)));
    }

    #[test]
    fn addresses_and_routes_count_once_they_are_of_use() {
        let mut links = Links::default();
        assert!(links.improve(&message(RTM_NEWADDR, &[2, 24, 0x80, 0, 2, 0, 0, 0])));
        assert!(!links.improve(&message(RTM_NEWADDR, &[10, 64, TENTATIVE, 0, 2, 0, 0, 0])));
        assert!(links.improve(&message(RTM_NEWROUTE, &[2, 0, 0, 0, 254, 3, 0, UNICAST, 0, 0, 0, 0])));
        assert!(!links.improve(&message(RTM_NEWROUTE, &[2, 32, 0, 0, 255, 2, 254, 2, 0, 0, 0, 0])));
        // What goes away brings nothing back.
        assert!(!links.improve(&message(25, &[2, 0, 0, 0, 254, 3, 0, UNICAST, 0, 0, 0, 0])));
    }

    #[test]
    fn junk_is_nothing() {
        let mut links = Links::default();
        let whole = link(2, WORKING);
        for cut in 0..whole.len() {
            assert!(!links.improve(&whole[..cut]), "{cut}");
        }
        let mut short = whole;
        short[..4].copy_from_slice(&3u32.to_ne_bytes());
        assert!(!links.improve(&short));
    }

    #[tokio::test]
    async fn the_kernel_gives_the_socket_to_everybody() {
        Watch::open().unwrap();
    }
}
