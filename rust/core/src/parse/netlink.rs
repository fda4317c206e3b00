//! Netlink messages and attributes (include/uapi/linux/netlink.h): both begin with their length and are aligned to 4
//! bytes.

const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'bytes> {
    /// Its type.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// Its sequence number, in a reply that of the request.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'bytes [u8],
}

/// Splits the first message off a datagram, and returns the rest, too. None for an incomplete message.
#[inline]
pub fn split(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = u32_at(bytes, 0)? as usize;
    let message = bytes.get(..length).filter(|message| message.len() >= MESSAGE_HEADER)?;
    let (kind, flags, sequence) = (u16_at(message, 4)?, u16_at(message, 6)?, u32_at(message, 8)?);
    let payload = &message[MESSAGE_HEADER..];
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((Message { kind, flags, sequence, payload }, rest))
}

/// The messages of a datagram, up to the first incomplete one.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (message, rest) = split(bytes)?;
        bytes = rest;
        Some(message)
    })
}

/// The type and value of each attribute in a message or in another attribute, up to the first malformed one.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind, value) = first_attribute(bytes)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of this type, unless an earlier one is malformed. Cheaper than `attributes`, for
/// dumps of thousands of interfaces.
#[inline]
pub fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (length, kind, value) = first_attribute(bytes)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// The length, type and value of the attribute at the front.
#[inline]
fn first_attribute(bytes: &[u8]) -> Option<(usize, u16, &[u8])> {
    let length = usize::from(u16_at(bytes, 0)?);
    let attribute = bytes.get(..length).filter(|attribute| attribute.len() >= ATTRIBUTE_HEADER)?;
    Some((length, u16_at(attribute, 2)?, &attribute[ATTRIBUTE_HEADER..]))
}

/// The number at an offset.
#[inline]
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// The number at an offset.
#[inline]
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// Builds messages and attributes for the tests of all netlink parsers.
#[cfg(test)]
pub(super) mod build {
    use super::{ATTRIBUTE_HEADER, MESSAGE_HEADER};

    pub(in crate::parse) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = (MESSAGE_HEADER + payload.len()) as u32;
        let mut bytes = [
            &length.to_ne_bytes()[..],
            &kind.to_ne_bytes(),
            &flags.to_ne_bytes(),
            &sequence.to_ne_bytes(),
            &[0; 4],
            payload,
        ]
        .concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    pub(in crate::parse) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = (ATTRIBUTE_HEADER + value.len()) as u16;
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::build::{attribute, message};
    use super::*;

    #[test]
    fn messages_and_attributes_in_a_row() {
        let payload = [attribute(3, b"lo\0"), attribute(7, b""), attribute(8, b"12345")].concat();
        let datagram = [message(16, 2, 9, &payload), message(3, 0, 9, b"abc")].concat();
        let found: Vec<_> = messages(&datagram).collect();
        assert_eq!((found[0].kind, found[0].flags, found[0].sequence), (16, 2, 9));
        assert_eq!((found[1].kind, found[1].payload), (3, &b"abc"[..]));
        assert_eq!(found.len(), 2);
        let inside: Vec<_> = attributes(found[0].payload).collect();
        assert_eq!(inside, [(3, &b"lo\0"[..]), (7, b""), (8, b"12345")]);
        for (kind, value) in inside {
            assert_eq!(super::attribute(found[0].payload, kind), Some(value));
        }
        assert_eq!(super::attribute(found[0].payload, 9), None);
    }

    #[test]
    fn incomplete_messages_and_malformed_attributes() {
        let whole = message(16, 0, 0, &[0; 8]);
        for length in 0..whole.len() {
            assert_eq!(split(&whole[..length]), None, "{length}");
        }
        let whole = attribute(3, &[1; 8]);
        for length in 0..whole.len() {
            assert_eq!(attributes(&whole[..length]).count(), 0, "{length}");
        }
        for too_short in [0u32, 15] {
            assert_eq!(split(&[&too_short.to_ne_bytes()[..], &[0; 60]].concat()), None);
        }
        assert_eq!(attributes(&[3, 0, 1, 0, 0, 0, 0, 0]).count(), 0, "shorter than its header");
    }

    proptest! {
        #[test]
        fn every_iteration_ends(bytes: Vec<u8>) {
            prop_assert!(messages(&bytes).count() <= bytes.len() / MESSAGE_HEADER);
            prop_assert!(attributes(&bytes).count() <= bytes.len() / ATTRIBUTE_HEADER);
            let first = attributes(&bytes).find(|(kind, _)| *kind == 3).map(|(_, value)| value);
            prop_assert_eq!(super::attribute(&bytes, 3), first);
        }
    }
}
