//! What a read of an inotify descriptor returns: `struct inotify_event` and a name, one after the other (inotify(7)).

use super::netlink::u32_at;

const HEADER: usize = 16;

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'bytes> {
    /// The watch that it belongs to.
    pub watch: i32,
    /// What happened: IN_* bits.
    pub mask: u32,
    /// The name in the watched folder; empty for an event of the folder itself.
    pub name: &'bytes [u8],
}

/// The events, up to the first incomplete one.
pub fn events(mut bytes: &[u8]) -> impl Iterator<Item = Event<'_>> {
    std::iter::from_fn(move || {
        let (watch, mask, length) = (u32_at(bytes, 0)?.cast_signed(), u32_at(bytes, 4)?, u32_at(bytes, 12)?);
        let end = HEADER.checked_add(length as usize)?;
        // The name is padded with zero bytes.
        let name = bytes.get(HEADER..end)?;
        let name = &name[..memchr::memchr(0, name).unwrap_or(name.len())];
        bytes = &bytes[end..];
        Some(Event { watch, mask, name })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(watch: i32, mask: u32, name: &[u8]) -> Vec<u8> {
        let length = name.len() as u32;
        [&watch.to_ne_bytes()[..], &mask.to_ne_bytes(), &[0; 4], &length.to_ne_bytes(), name].concat()
    }

    #[test]
    fn events_with_and_without_a_name() {
        let bytes = [event(1, 0x80, b"web1.xml\0\0\0\0\0\0\0\0"), event(-1, 0x4000, b""), event(2, 8, b"abc")].concat();
        let expected = [
            Event { watch: 1, mask: 0x80, name: b"web1.xml" },
            Event { watch: -1, mask: 0x4000, name: b"" },
            Event { watch: 2, mask: 8, name: b"abc" },
        ];
        assert_eq!(events(&bytes).collect::<Vec<_>>(), expected);
        for length in 0..HEADER + 16 {
            assert_eq!(events(&bytes[..length]).count(), 0, "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(events(&bytes).count() <= bytes.len() / HEADER);
            let first = event(1, 0x80, b"web1.xml\0\0\0\0\0\0\0\0");
            let all = [first, bytes].concat();
            prop_assert_eq!(events(&all).next(), Some(Event { watch: 1, mask: 0x80, name: b"web1.xml" }));
        }
    }
}
