//! Announcements of interfaces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::links::{self, Link};
use vmiostat_fuzz::attributes;

/// IFF_UP, IFF_RUNNING and IFF_LOWER_UP.
const STATE: u32 = 0x1 | 0x40 | 0x10000;

fuzz_target!(|bytes: &[u8]| {
    let (mut rest, mut expected) = (bytes, Vec::new());
    while let Some((message, after)) = attributes::message(rest) {
        rest = after;
        let body = message.payload;
        // Other families announce bridge ports and IPv6 settings.
        if ![16, 17].contains(&message.kind) || body.len() < 16 || body[0] != 0 {
            continue;
        }
        let word = |at: usize| u32::from_ne_bytes(body[at..at + 4].try_into().unwrap());
        let name = attributes::find(&body[16..], 3).unwrap_or_default();
        expected.push(Link {
            index: word(4),
            name: name.split(|byte| *byte == 0).next().unwrap(),
            state: word(8) & STATE,
            is_removed: message.kind == 17,
        });
    }
    assert_eq!(links::links(bytes).collect::<Vec<_>>(), expected);
});
