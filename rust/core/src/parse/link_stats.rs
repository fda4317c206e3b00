//! Replies to RTM_GETSTATS (net/core/rtnetlink.c, since Linux 4.7): a netlink message for each interface, with the
//! kernel's `struct rtnl_link_stats64` in an attribute.
//!
//! The struct has grown at its end (rx_nohandler in 4.6, rx_otherhost_dropped in 5.19); the members used here are older
//! than the message. They are summed to the columns of /proc/net/dev as the kernel sums them there, so that every
//! source makes the same record of an interface.

use super::decimal;
use super::netdev::Counters;
use super::netlink::{self, Message, u32_at};

/// The reply to RTM_GETSTATS.
pub const RTM_NEWSTATS: u16 = 92;
/// The reply to RTM_GETLINK.
pub const RTM_NEWLINK: u16 = 16;
/// The request for counters.
pub const RTM_GETSTATS: u16 = 94;
/// The request for an interface.
pub const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// Interfaces appeared or disappeared during a dump, so that some may be missing.
const NLM_F_DUMP_INTR: u16 = 0x10;
const IFLA_STATS_LINK_64: u16 = 1;

const STATS_HEADER: usize = 12;
/// struct ifinfomsg.
const LINK_HEADER: usize = 16;
/// The words up to tx_compressed, which every kernel with RTM_GETSTATS has.
const WORDS: usize = 23;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'bytes> {
    /// The sequence number of the request.
    pub sequence: u32,
    /// Whether the dump was interrupted and may lack interfaces.
    pub interrupted: bool,
    /// Its content.
    pub body: Body<'bytes>,
}

/// The content of a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Body<'bytes> {
    /// The statistics of an interface, for `counters`.
    Stats {
        /// The number of the interface.
        ifindex: u32,
        /// Its attributes.
        attributes: &'bytes [u8],
    },
    /// An interface itself.
    Link {
        /// Its number.
        ifindex: u32,
        /// Its attributes.
        attributes: &'bytes [u8],
    },
    /// The end of a dump.
    Done,
    /// An error (ENODEV: no such interface), or 0, an acknowledgement.
    Error(i32),
    /// Any other message.
    Other,
}

/// Takes the next reply off the front of a datagram. None at its end, and for an incomplete message.
pub fn next<'bytes>(bytes: &mut &'bytes [u8]) -> Option<Reply<'bytes>> {
    let (Message { kind, flags, sequence, payload }, rest) = netlink::split(bytes)?;
    let body = match kind {
        RTM_NEWSTATS => Body::Stats { ifindex: u32_at(payload, 4)?, attributes: payload.get(STATS_HEADER..)? },
        RTM_NEWLINK => Body::Link { ifindex: u32_at(payload, 4)?, attributes: payload.get(LINK_HEADER..)? },
        NLMSG_DONE => Body::Done,
        NLMSG_ERROR => Body::Error(u32_at(payload, 0)?.cast_signed()),
        _ => Body::Other,
    };
    *bytes = rest;
    Some(Reply { sequence, interrupted: flags & NLM_F_DUMP_INTR != 0, body })
}

/// The counters of an interface, in the order of /proc/net/dev. None if there are none, or if one may not fit: then
/// `large_counters` has them.
pub fn counters(attributes: &[u8]) -> Option<Counters> {
    // An empty attribute of type 0 may precede them for alignment (nla_reserve_64bit).
    netlink::attribute(attributes, IFLA_STATS_LINK_64).and_then(summed)
}

fn summed(stats: &[u8]) -> Option<Counters> {
    let (words, _) = stats.as_chunks::<8>();
    let words = words.first_chunk::<WORDS>()?.map(u64::from_ne_bytes);
    // The sum of four counters below 2^61 always fits into a word. Checking the union of all bits is cheaper than
    // checking each sum.
    if words.iter().fold(0, |bits, word| bits | word) >> 61 != 0 {
        return None;
    }
    let [
        rx_packets,
        tx_packets,
        rx_bytes,
        tx_bytes,
        rx_errors,
        tx_errors,
        rx_dropped,
        tx_dropped,
        multicast,
        collisions,
        rx_length,
        rx_over,
        rx_crc,
        rx_frame,
        rx_fifo,
        rx_missed,
        tx_aborted,
        tx_carrier,
        tx_fifo,
        tx_heartbeat,
        tx_window,
        rx_compressed,
        tx_compressed,
    ] = words.map(u64::cast_signed);
    Some([
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped + rx_missed,
        rx_fifo,
        rx_length + rx_over + rx_crc + rx_frame,
        rx_compressed,
        multicast,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
        tx_fifo,
        collisions,
        tx_carrier + tx_aborted + tx_window + tx_heartbeat,
        tx_compressed,
    ])
}

/// The same, with -1 for each number and sum that does not fit into a word. Not part of `counters`: on its way there even
/// the test for it would cost a dump a fifth.
#[cold]
pub fn large_counters(attributes: &[u8]) -> Option<Counters> {
    /// The places of the words in each column.
    const COLUMNS: [&[usize]; 16] = [
        &[2],
        &[0],
        &[4],
        &[6, 15],
        &[14],
        &[10, 11, 12, 13],
        &[21],
        &[8],
        &[3],
        &[1],
        &[5],
        &[7],
        &[18],
        &[9],
        &[17, 16, 20, 19],
        &[22],
    ];
    let (words, _) = netlink::attribute(attributes, IFLA_STATS_LINK_64)?.as_chunks::<8>();
    let words = words.first_chunk::<WORDS>()?.map(|word| decimal::or_unknown(u64::from_ne_bytes(word)));
    Some(COLUMNS.map(|places| places.iter().map(|place| words[*place]).fold(0, decimal::sum)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::netlink::build::{attribute, message};
    use super::*;

    fn stats(ifindex: u32, words: impl Iterator<Item = u64>) -> Vec<u8> {
        let words: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        [&[0; 4][..], &ifindex.to_ne_bytes(), &[0; 4], &attribute(0, &[]), &attribute(IFLA_STATS_LINK_64, &words)]
            .concat()
    }

    #[test]
    fn the_columns_of_proc_net_dev() {
        for length in [23, 24, 25, 40] {
            let bytes = message(RTM_NEWSTATS, 2, 7, &stats(3, 1..=length));
            let mut rest = &bytes[..];
            let Some(Reply { sequence: 7, interrupted: false, body: Body::Stats { ifindex: 3, attributes } }) =
                next(&mut rest)
            else {
                panic!("not understood")
            };
            assert!(rest.is_empty());
            let expected = [3, 1, 5, 7 + 16, 15, 11 + 12 + 13 + 14, 22, 9, 4, 2, 6, 8, 19, 10, 18 + 17 + 21 + 20, 23];
            assert_eq!(counters(attributes), Some(expected), "{length} words");
        }
    }

    #[test]
    fn several_messages_in_a_row() {
        let intr = NLM_F_DUMP_INTR;
        let bytes = [
            message(RTM_NEWSTATS, intr, 1, &stats(1, 1..=23)),
            message(NLMSG_ERROR, 0, 2, &(-19i32).to_ne_bytes()),
            message(24, 0, 3, b"odd"),
            message(RTM_NEWLINK, 0, 5, &[&[0; 4][..], &7u32.to_ne_bytes(), &[0; 8], b"attr"].concat()),
            message(NLMSG_DONE, 0, 4, &[0; 4]),
        ]
        .concat();
        let mut rest = &bytes[..];
        let found: Vec<(u32, bool)> =
            std::iter::from_fn(|| next(&mut rest)).map(|message| (message.sequence, message.interrupted)).collect();
        assert_eq!(found, [(1, true), (2, false), (3, false), (5, false), (4, false)]);
        let mut rest = &bytes[message(RTM_NEWSTATS, 0, 1, &stats(1, 1..=23)).len()..];
        assert_eq!(next(&mut rest).unwrap().body, Body::Error(-19));
        assert_eq!(next(&mut rest).unwrap().body, Body::Other);
        assert_eq!(next(&mut rest).unwrap().body, Body::Link { ifindex: 7, attributes: b"attr" });
        assert_eq!(next(&mut rest).unwrap().body, Body::Done);
    }

    #[test]
    fn a_number_that_does_not_fit_costs_no_other() {
        let mut words: [u64; 23] = std::array::from_fn(|at| at as u64 + 1);
        let attribute = |words: [u64; 23]| attribute(IFLA_STATS_LINK_64, &words.map(u64::to_ne_bytes).concat());
        let mut expected = counters(&attribute(words)).unwrap();
        assert_eq!(large_counters(&attribute(words)), Some(expected));
        (words[0], words[10]) = (1 << 63, i64::MAX as u64);
        (expected[1], expected[5]) = (-1, -1);
        assert_eq!((counters(&attribute(words)), large_counters(&attribute(words))), (None, Some(expected)));
        words[10] = 1 << 62;
        expected[5] = (1 << 62) + 12 + 13 + 14;
        assert_eq!((counters(&attribute(words)), large_counters(&attribute(words))), (None, Some(expected)));
    }

    #[test]
    fn what_is_cut_is_no_message() {
        let bytes = message(RTM_NEWSTATS, 0, 1, &stats(1, 1..=23));
        for length in 0..bytes.len() {
            assert_eq!(next(&mut &bytes[..length]), None, "{length}");
        }
        let attributes = attribute(IFLA_STATS_LINK_64, &[0; 23 * 8]);
        for length in 0..attributes.len() {
            assert_eq!(counters(&attributes[..length]), None, "{length}");
        }
        assert_eq!(counters(&[0, 0, 1, 0]), None, "an attribute shorter than its header");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_every_message_ends(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            while let Some(message) = next(&mut rest) {
                if let Body::Stats { attributes, .. } = message.body {
                    let _ = counters(attributes);
                }
            }
            let _ = counters(&bytes);
        }
    }
}
