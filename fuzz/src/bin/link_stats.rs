//! Netlink replies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::link_stats::{self, Body};
use vmiostat_fuzz::attributes;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        let before = rest;
        let found = link_stats::next(&mut rest);
        let expected = attributes::message(before);
        let Some(message) = found else {
            // No complete header, or a payload too short for its type.
            assert!(expected.is_none_or(|(message, _)| match message.kind {
                link_stats::RTM_NEWSTATS => message.payload.len() < 12,
                link_stats::RTM_NEWLINK => message.payload.len() < 16,
                2 => message.payload.len() < 4,
                _ => false,
            }));
            break;
        };
        let (attributes::Message { kind, flags, sequence, payload }, after) = expected.unwrap();
        assert_eq!(rest, after);
        assert!(rest.len() + 16 <= before.len());
        assert_eq!((message.sequence, message.interrupted), (sequence, flags & 0x10 != 0));
        let word = |at: usize| u32::from_ne_bytes(payload[at..at + 4].try_into().unwrap());
        match message.body {
            Body::Stats { ifindex, attributes } => {
                assert_eq!((kind, ifindex, attributes), (link_stats::RTM_NEWSTATS, word(4), &payload[12..]));
                check(attributes);
            }
            Body::Link { ifindex, attributes } => {
                assert_eq!((kind, ifindex, attributes), (link_stats::RTM_NEWLINK, word(4), &payload[16..]));
            }
            Body::Done => assert_eq!(kind, 3),
            Body::Error(errno) => assert_eq!((kind, errno), (2, word(0) as i32)),
            Body::Other => assert!(![2, 3, link_stats::RTM_NEWSTATS, link_stats::RTM_NEWLINK].contains(&kind)),
        }
    }
    check(bytes);
});

fn check(bytes: &[u8]) {
    let counters = attributes::find(bytes, 1).and_then(attributes::columns);
    assert_eq!(link_stats::large_counters(bytes), counters);
    if let Some(found) = link_stats::counters(bytes) {
        assert_eq!(Some(found), counters);
    }
}
