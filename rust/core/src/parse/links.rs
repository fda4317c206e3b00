//! Announcements of interfaces by rtnetlink's group RTNLGRP_LINK: RTM_NEWLINK for a new or changed one, RTM_DELLINK for
//! a removed one (net/core/rtnetlink.c, rtnl_fill_ifinfo).

use super::link_stats::RTM_NEWLINK;
use super::netlink::{Message, attribute, messages, u32_at};

const RTM_DELLINK: u16 = 17;
const IFLA_IFNAME: u16 = 3;
/// struct ifinfomsg.
const LINK_HEADER: usize = 16;
const AF_UNSPEC: u8 = 0;

const IFF_UP: u32 = 0x1;
const IFF_RUNNING: u32 = 0x40;
const IFF_LOWER_UP: u32 = 0x10000;

/// An announced interface.
#[derive(Debug, PartialEq, Eq)]
pub struct Link<'bytes> {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: &'bytes [u8],
    /// IFF_UP, IFF_RUNNING and IFF_LOWER_UP. A tap has carrier while a VMM holds it.
    pub state: u32,
    /// Whether it was removed.
    pub is_removed: bool,
}

/// The interfaces that a datagram announces, up to the first incomplete message.
pub fn links(datagram: &[u8]) -> impl Iterator<Item = Link<'_>> {
    messages(datagram).filter_map(|message| link(&message))
}

fn link<'bytes>(message: &Message<'bytes>) -> Option<Link<'bytes>> {
    let is_removed = match message.kind {
        RTM_NEWLINK => false,
        RTM_DELLINK => true,
        _ => return None,
    };
    let rest = message.payload.get(LINK_HEADER..)?;
    // Another family announces a bridge port, or the IPv6 settings of an interface.
    if *message.payload.first()? != AF_UNSPEC {
        return None;
    }
    let (index, flags) = (u32_at(message.payload, 4)?, u32_at(message.payload, 8)?);
    let name = attribute(rest, IFLA_IFNAME).unwrap_or_default();
    let name = &name[..memchr::memchr(0, name).unwrap_or(name.len())];
    Some(Link { index, name, state: flags & (IFF_UP | IFF_RUNNING | IFF_LOWER_UP), is_removed })
}

/// Builds announcements for tests.
#[cfg(test)]
pub(crate) mod build {
    use super::super::netlink::build::{attribute, message};
    use super::IFLA_IFNAME;

    /// An announcement with `before` as attributes before the name.
    pub(crate) fn link(kind: u16, family: u8, index: u32, flags: u32, name: &[u8], before: &[u8]) -> Vec<u8> {
        let header = [&[family, 0, 0, 0][..], &index.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 4]].concat();
        message(kind, 0, 0, &[header, before.to_vec(), attribute(IFLA_IFNAME, &[name, b"\0"].concat())].concat())
    }

    /// IFLA_ADDRESS.
    pub(crate) fn mac() -> Vec<u8> {
        attribute(1, b"abcdef")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::netlink::build::message;
    use super::build::{link as build, mac};
    use super::*;

    const AF_INET6: u8 = 10;
    const IFF_MULTICAST: u32 = 0x1000;

    fn found(bytes: &[u8]) -> Vec<Link<'_>> {
        links(bytes).collect()
    }

    #[test]
    fn number_name_and_state() {
        let flags = IFF_UP | IFF_LOWER_UP | IFF_MULTICAST;
        let datagram = [
            build(RTM_NEWLINK, AF_UNSPEC, 7, flags, b"vnet0", &mac()),
            build(RTM_DELLINK, AF_UNSPEC, 8, 0, b"tap0", &[]),
        ]
        .concat();
        let up = IFF_UP | IFF_LOWER_UP;
        let expected = [
            Link { index: 7, name: b"vnet0", state: up, is_removed: false },
            Link { index: 8, name: b"tap0", state: 0, is_removed: true },
        ];
        assert_eq!(found(&datagram), expected);
    }

    #[test]
    fn other_messages_are_skipped() {
        let datagram = [
            build(RTM_NEWLINK, AF_INET6, 7, 0, b"vnet0", &[]),
            message(RTM_NEWLINK, 0, 0, &[0; LINK_HEADER - 1]),
            message(3, 0, 0, &[]),
            message(RTM_NEWLINK, 0, 0, &[0; LINK_HEADER]),
        ]
        .concat();
        assert_eq!(found(&datagram), [Link { index: 0, name: b"", state: 0, is_removed: false }]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = found(&bytes);
            let whole = build(RTM_NEWLINK, AF_UNSPEC, 7, 1, b"vnet0", &mac());
            prop_assert!(found(&[whole.clone(), bytes.clone()].concat()).len() <= 1 + bytes.len() / 16);
            let mut end = whole.clone();
            let kept = whole.len().saturating_sub(bytes.len());
            end.truncate(kept);
            end.extend(&bytes);
            let _ = found(&end);
        }

        #[test]
        fn no_changed_byte_panics(place in 0..52usize, byte: u8) {
            let mut bytes = build(RTM_NEWLINK, AF_UNSPEC, 7, 1, b"vnet0", &mac());
            bytes[place] = byte;
            let _ = found(&bytes);
            prop_assert!(found(&bytes[..place]).is_empty());
        }
    }
}
