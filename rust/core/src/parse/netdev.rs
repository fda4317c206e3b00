//! /proc/net/dev: a line for each interface, printed by `dev_seq_printf_stats` (net/core/net-procfs.c).
//!
//! `  name: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop fifo colls carrier
//! compressed`, what the host receives first. Before Linux 2.6.38 there was no blank after the colon. A name may
//! contain colons (`ibr10:30`): the numbers follow the last one.

use crate::fields::interface;

use super::decimal;

/// The numbers of one line: eight of what the host receives, eight of what it sends.
pub type Counters = [i64; 16];

/// The name in a line, and the rest of it. None for a line without an interface.
pub fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memrchr(b':', line)?;
    let name = name_from(line).get(..colon - indent(line))?;
    (!name.is_empty()).then_some((name, &line[colon + 1..]))
}

/// The numbers in the line of the interface `name`; cheaper than `split`. None for the line of another interface.
#[inline]
pub fn numbers_of<'line>(line: &'line [u8], name: &[u8]) -> Option<&'line [u8]> {
    let numbers = name_from(line).strip_prefix(name)?.strip_prefix(b":")?;
    // `br1` is not `br1:2`. A second colon follows within the 15 bytes of a name (IFNAMSIZ), and not after a blank,
    // which no name contains.
    let longer_name = numbers.first() != Some(&b' ') && numbers[..numbers.len().min(16)].contains(&b':');
    (!longer_name).then_some(numbers)
}

/// Exactly sixteen numbers, of which one fits into a word.
pub fn counters(mut numbers: &[u8]) -> Option<Counters> {
    let mut counters = [0; 16];
    for counter in &mut counters {
        *counter = decimal::next(&mut numbers)?;
    }
    (decimal::at_end(numbers) && counters.iter().any(|counter| *counter >= 0)).then_some(counters)
}

/// The record of an interface's counters. With `swap_rx_tx`, counters of one direction only (frame and multicast, colls
/// and carrier) are -1.
pub fn record(counters: &Counters, swap_rx_tx: bool) -> interface::Record {
    use interface as word;
    let [rx_bytes, rx_packets, rx_errs, rx_drop, rx_fifo, rx_frame, rx_compressed, rx_multicast, transmit @ ..] =
        *counters;
    let [tx_bytes, tx_packets, tx_errs, tx_drop, tx_fifo, tx_colls, tx_carrier, tx_compressed] = transmit;
    let mut record = interface::UNKNOWN;
    let rx = [rx_bytes, rx_packets, rx_errs, rx_drop];
    let tx = [tx_bytes, tx_packets, tx_errs, tx_drop];
    let (first, second) = if swap_rx_tx { (tx, rx) } else { (rx, tx) };
    record[word::rx_bytes..=word::rx_drop].copy_from_slice(&first);
    record[word::tx_bytes..=word::tx_drop].copy_from_slice(&second);
    if swap_rx_tx {
        (record[word::rx_fifo], record[word::tx_fifo]) = (tx_fifo, rx_fifo);
        (record[word::rx_compressed], record[word::tx_compressed]) = (tx_compressed, rx_compressed);
    } else {
        (record[word::rx_fifo], record[word::tx_fifo]) = (rx_fifo, tx_fifo);
        (record[word::rx_compressed], record[word::tx_compressed]) = (rx_compressed, tx_compressed);
        (record[word::rx_frame], record[word::rx_multicast]) = (rx_frame, rx_multicast);
        (record[word::tx_colls], record[word::tx_carrier]) = (tx_colls, tx_carrier);
    }
    record
}

fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|&&byte| byte == b' ').count()
}

/// A line without leading blanks.
fn name_from(line: &[u8]) -> &[u8] {
    &line[indent(line)..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NUMBERS: &str = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";

    fn parse(line: &str) -> Option<(String, Counters)> {
        let (name, numbers) = split(line.as_bytes())?;
        Some((String::from_utf8(name.to_vec()).unwrap(), counters(numbers)?))
    }

    #[test]
    fn old_and_new_spacing() {
        let expected = std::array::from_fn(|index| index as i64 + 1);
        for line in
            [format!("  eth0:{NUMBERS}"), format!("eth0:{}", NUMBERS.trim_start()), format!("eth0: {NUMBERS}  ")]
        {
            assert_eq!(parse(&line), Some(("eth0".to_owned(), expected)), "{line}");
        }
    }

    #[test]
    fn a_name_may_hold_colons() {
        assert_eq!(parse(&format!("ibr10:30:{NUMBERS}")).unwrap().0, "ibr10:30");
        assert_eq!(parse(&format!("a::b:{NUMBERS}")).unwrap().0, "a::b");
        assert_eq!(numbers_of(format!("  ibr10:30:{NUMBERS}").as_bytes(), b"ibr10:30"), Some(NUMBERS.as_bytes()));
        assert_eq!(numbers_of(b"ibr10:30: 1", b"ibr10"), None);
    }

    #[test]
    fn only_the_whole_name_matches() {
        let line = format!(" vnet1:{NUMBERS}");
        for other in ["net1", "vnet", "vnet10", "", "1"] {
            assert_eq!(numbers_of(line.as_bytes(), other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_interface_s_line() {
        assert_eq!(split(b"Inter-|   Receive                                                |  Transmit"), None);
        assert_eq!(split(b"   : 1 2"), None);
        assert_eq!(counters(b"1 2 3"), None);
        assert_eq!(counters(format!("{NUMBERS} 17").as_bytes()), None);
        assert_eq!(counters(NUMBERS.replace("16", "16x").as_bytes()), None);
        assert_eq!(counters(NUMBERS.replace("16", "-16").as_bytes()), None);
        assert_eq!(counters(NUMBERS.replace("16", "18446744073709551616").as_bytes()), None);
    }

    #[test]
    fn the_guest_receives_what_the_host_transmits() {
        let host = counters(NUMBERS.as_bytes()).unwrap();
        let as_host = record(&host, false);
        assert_eq!(as_host[..8], [1, 2, 3, 4, 9, 10, 11, 12]);
        assert_eq!(as_host[8..16], [5, 6, 7, 8, 13, 14, 15, 16]);
        let as_guest = record(&host, true);
        assert_eq!(as_guest[..8], [9, 10, 11, 12, 1, 2, 3, 4]);
        assert_eq!(as_guest[8..16], [13, -1, 16, -1, 5, -1, -1, 7]);
    }

    /// The obvious parser.
    fn reference(line: &str) -> Option<(String, Counters)> {
        let (name, numbers) = line.rsplit_once(':')?;
        let name = name.trim_start_matches(' ');
        let numbers: Vec<i64> = numbers
            .split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        (!name.is_empty()).then_some((name.to_owned(), numbers.try_into().ok()?))
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_parser(name in "[a-zA-Z0-9:._@-]{1,15}", numbers in prop::collection::vec(0..=i64::MAX, 15..=17), gap in " {0,9}") {
            let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
            let line = format!("{name:>6}:{gap}{}", numbers.join(" "));
            prop_assert_eq!(parse(&line), reference(&line));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Some((name, numbers)) = split(&bytes) {
                prop_assert_eq!(numbers_of(&bytes, name), Some(numbers), "nothing after the last colon is a colon");
                let _ = counters(numbers);
            }
            let _ = numbers_of(&bytes, b"eth0");
        }
    }
}
