//! The virtual functions of a network card, in the RTM_GETLINK reply for its physical function (rtnl_fill_vfinfo in
//! net/core/rtnetlink.c; with counters since Linux 4.2).
//!
//! IFLA_VFINFO_LIST contains an IFLA_VF_INFO for each function. That contains an IFLA_VF_MAC, which begins with the
//! function's number, and an IFLA_VF_STATS with an attribute for each counter. The length of an attribute has 16 bits,
//! so a list of some hundred functions may overflow and be cut: the functions before the cut are used.

use super::netdev::Counters;
use super::netlink;

const IFLA_VFINFO_LIST: u16 = 22;
const IFLA_VF_INFO: u16 = 1;
const IFLA_VF_MAC: u16 = 1;
const IFLA_VF_STATS: u16 = 8;

/// The two highest bits of a type are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
const KIND: u16 = 0x3FFF;

/// A virtual function's number, and its counters in the order of /proc/net/dev; None on a kernel without them.
pub type Function = (u32, Option<Counters>);

/// The index in `Counters` of each attribute type from 0 on. Broadcasts (4) have none, 6 is padding, drops exist since
/// Linux 4.17. Missing counters are -1.
const PLACES: [Option<usize>; 9] = [Some(1), Some(9), Some(0), Some(8), None, Some(7), None, Some(3), Some(11)];

/// The functions in the attributes of an interface, in the card's order.
pub fn functions(link: &[u8]) -> impl Iterator<Item = Function> {
    let lists = attributes(link).filter(|(kind, _)| *kind == IFLA_VFINFO_LIST);
    let infos = lists.flat_map(|(_, list)| attributes(list)).filter(|(kind, _)| *kind == IFLA_VF_INFO);
    infos.filter_map(|(_, info)| function(info))
}

fn function(info: &[u8]) -> Option<Function> {
    let of_kind = |wanted| attributes(info).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let number = of_kind(IFLA_VF_MAC)?.first_chunk().copied().map(u32::from_ne_bytes)?;
    Some((number, of_kind(IFLA_VF_STATS).map(counters)))
}

fn counters(stats: &[u8]) -> Counters {
    let mut counters = [-1; 16];
    for (kind, value) in attributes(stats) {
        let Some(Some(place)) = PLACES.get(usize::from(kind)) else { continue };
        let number = value.first_chunk().copied().map(u64::from_ne_bytes);
        counters[*place] = number.and_then(|number| i64::try_from(number).ok()).unwrap_or(-1);
    }
    counters
}

/// The attributes, with the flags masked out of their types.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    netlink::attributes(bytes).map(|(kind, value)| (kind & KIND, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::netlink::build::attribute;
    use super::*;

    const NLA_F_NESTED: u16 = 0x8000;

    /// In the kernel's order: MAC first, counters last.
    fn info(number: u32, counters: &[(u16, u64)]) -> Vec<u8> {
        let mac = [&number.to_ne_bytes()[..], &[2; 32]].concat();
        let link_state = [&number.to_ne_bytes()[..], &[0; 4]].concat();
        let stats: Vec<u8> =
            counters.iter().flat_map(|(kind, number)| attribute(*kind, &number.to_ne_bytes())).collect();
        let inside = [attribute(IFLA_VF_MAC, &mac), attribute(5, &link_state), attribute(IFLA_VF_STATS, &stats)];
        attribute(IFLA_VF_INFO, &inside.concat())
    }

    fn link(infos: &[Vec<u8>], flags: u16) -> Vec<u8> {
        let name = attribute(3, b"enp1s0f0\0");
        [
            name,
            attribute(21, &[2, 0, 0, 0]),
            attribute(IFLA_VFINFO_LIST | flags, &infos.concat()),
            attribute(29, &[0; 4]),
        ]
        .concat()
    }

    fn found(link: &[u8]) -> Vec<Function> {
        functions(link).collect()
    }

    #[test]
    fn every_counter_has_its_index() {
        let counters: Vec<(u16, u64)> = (0..9).map(|kind| (kind, u64::from(kind) + 100)).collect();
        for flags in [0, NLA_F_NESTED] {
            let all = found(&link(&[info(0, &counters), info(7, &counters[..7])], flags));
            let [rx_packets, tx_packets, rx_bytes, tx_bytes, multicast] = [100, 101, 102, 103, 105];
            let mut expected = [-1; 16];
            (expected[0], expected[1], expected[7]) = (rx_bytes, rx_packets, multicast);
            (expected[8], expected[9]) = (tx_bytes, tx_packets);
            assert_eq!(all[1], (7, Some(expected)), "without drops, before 4.17");
            (expected[3], expected[11]) = (107, 108);
            assert_eq!(all[0], (0, Some(expected)));
            assert_eq!(all.len(), 2);
        }
    }

    #[test]
    fn a_function_without_counters_and_a_card_without_functions() {
        let mac = [&3u32.to_ne_bytes()[..], &[2; 32]].concat();
        let bare = attribute(IFLA_VF_INFO, &attribute(IFLA_VF_MAC, &mac));
        assert_eq!(found(&link(&[bare], 0)), [(3, None)]);
        assert_eq!(found(&link(&[], 0)), []);
        assert_eq!(found(&attribute(3, b"lo\0")), []);
        assert_eq!(found(&link(&[attribute(IFLA_VF_INFO, &attribute(2, &[0; 8]))], 0)), [], "without a number");
    }

    #[test]
    fn a_counter_that_overflows_is_unknown() {
        let all = found(&link(&[info(1, &[(2, u64::MAX), (3, i64::MAX as u64)])], 0));
        let counters = all[0].1.unwrap();
        assert_eq!((counters[0], counters[8]), (-1, i64::MAX));
    }

    #[test]
    fn cut_functions_are_left_out() {
        let whole = link(&[info(0, &[(0, 5)]), info(1, &[(0, 6)])], 0);
        let complete = found(&whole);
        for length in 0..whole.len() {
            let cut = found(&whole[..length]);
            assert!(cut.is_empty() || cut == complete, "{length}");
        }
        let list = [info(0, &[(0, 5)]), info(1, &[(0, 6)])].concat();
        for length in 0..list.len() {
            let cut = found(&attribute(IFLA_VFINFO_LIST, &list[..length]));
            assert!(complete.starts_with(&cut), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, list: Vec<u8>, info: Vec<u8>, stats: Vec<u8>) {
            let _ = found(&bytes);
            let _ = found(&attribute(IFLA_VFINFO_LIST, &list));
            let _ = found(&attribute(IFLA_VFINFO_LIST, &attribute(IFLA_VF_INFO, &info)));
            prop_assert!(counters(&stats).iter().all(|counter| *counter >= -1));
        }

        #[test]
        fn no_changed_byte_panics(place in 0..400usize, byte: u8) {
            let mut bytes = link(&[info(0, &[(0, 5), (8, 6)]), info(1, &[(2, 6)])], 0);
            let place = place % bytes.len();
            bytes[place] = byte;
            prop_assert!(functions(&bytes).count() <= bytes.len());
        }

        #[test]
        fn every_function_is_found(functions in prop::collection::vec((any::<u32>(), 0..=i64::MAX), 0..60)) {
            let infos: Vec<Vec<u8>> =
                functions.iter().map(|(number, bytes)| info(*number, &[(2, bytes.cast_unsigned())])).collect();
            let all: Vec<(u32, i64)> =
                found(&link(&infos, 0)).into_iter().map(|(number, counters)| (number, counters.unwrap()[0])).collect();
            prop_assert_eq!(all, functions);
        }
    }
}
