//! Interfaces that appear, disappear, are renamed, or go up or down: rtnetlink's group RTNLGRP_LINK.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::EventSource;
use super::multicast::{MulticastSocket, Received};
use crate::error::Error;
use crate::parse::links::links;
use crate::source::net::namespace;

const NAME: &str = "rtnetlink";
/// RTNLGRP_LINK as a mask.
const LINK_GROUP: u32 = 1;

/// Events of the interfaces of one network namespace.
#[derive(Debug)]
pub struct LinkEvents {
    socket: MulticastSocket,
    known: KnownLinks,
}

impl LinkEvents {
    /// Listens in the network namespace of the calling thread.
    pub fn open() -> Result<LinkEvents, Error> {
        // NETLINK_ROUTE is the first protocol of its family.
        let socket = MulticastSocket::open(NAME, None, LINK_GROUP)?;
        Ok(LinkEvents { socket, known: KnownLinks::default() })
    }

    /// Listens in the network namespace of an open file (/proc/PID/ns/net).
    pub fn open_in(namespace: BorrowedFd<'_>) -> Result<LinkEvents, Error> {
        let opened = namespace::within_open(namespace, LinkEvents::open);
        opened.map_err(|failure| failure.error(Path::new("setns").to_owned()))?
    }
}

impl EventSource for LinkEvents {
    fn drain(&mut self) -> Result<bool, Error> {
        self.socket.drain(|received| match received {
            Received::Message(datagram) => self.known.update(datagram),
            Received::Lost => {
                self.known = KnownLinks::default();
                true
            }
        })
    }
}

impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The announced name and state of each interface: drivers often announce an interface without a change.
#[derive(Debug, Default)]
struct KnownLinks(HashMap<u32, (Box<[u8]>, u32)>);

impl KnownLinks {
    /// Whether a datagram announces a change.
    fn update(&mut self, datagram: &[u8]) -> bool {
        let mut changed = false;
        for link in links(datagram) {
            if link.is_removed {
                self.0.remove(&link.index);
                changed = true;
            } else if self.0.get(&link.index).is_none_or(|(name, state)| (&**name, *state) != (link.name, link.state)) {
                self.0.insert(link.index, (Box::from(link.name), link.state));
                changed = true;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::links::build::{link, mac};

    const NEW: u16 = 16;
    const REMOVED: u16 = 17;
    const UP: u32 = 1;
    const MULTICAST: u32 = 0x1000;
    const AF_INET6: u8 = 10;

    #[test]
    fn only_changes_matter() {
        let mut known = KnownLinks::default();
        assert!(known.update(&link(NEW, 0, 7, UP, b"vnet0", &[])));
        assert!(!known.update(&link(NEW, 0, 7, UP, b"vnet0", &mac())));
        assert!(known.update(&link(NEW, 0, 7, 0, b"vnet0", &[])));
        assert!(known.update(&link(NEW, 0, 7, 0, b"vnet1", &mac())));
        assert!(!known.update(&link(NEW, 0, 7, MULTICAST, b"vnet1", &[])));
        assert!(!known.update(&link(NEW, AF_INET6, 8, UP, b"vnet1", &[])));
        assert!(known.update(&link(REMOVED, 0, 7, 0, b"vnet1", &[])));
        let again = link(NEW, 0, 7, 0, b"vnet1", &[]);
        assert!(known.update(&again));
        assert!(!known.update(&again.repeat(3)));
        assert!(known.update(&[again, link(NEW, 0, 9, UP, b"tap0", &[])].concat()));
        assert!(!known.update(&[16, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "NLMSG_DONE");
    }

    #[test]
    fn the_kernel_lets_anyone_listen() {
        let mut events = LinkEvents::open().unwrap();
        // Other programs may create interfaces, but not all the time.
        assert!((0..100).any(|_| !events.drain().unwrap()));
    }

    #[test]
    fn a_file_that_is_no_namespace_is_an_error() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let error = LinkEvents::open_in(file.as_fd()).unwrap_err().to_string();
        assert!(error.starts_with("setns: "), "{error}");
    }
}
