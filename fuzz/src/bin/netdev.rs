//! A line of /proc/net/dev.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::fields::interface as word;
use vmiostat_core::parse::netdev;
use vmiostat_fuzz::words;

fuzz_target!(|line: &[u8]| {
    let split = netdev::split(line);
    assert_eq!(split, words::interface(line));
    if let Some((name, numbers)) = split {
        assert_eq!(netdev::numbers_of(line, name), Some(numbers));
        let counters = netdev::counters(numbers);
        assert_eq!(counters, words::interface_counters(numbers));
        if let Some(counters) = counters {
            let (host, guest) = (netdev::record(&counters, false), netdev::record(&counters, true));
            assert_eq!(host[word::rx_bytes..=word::rx_drop], counters[..4]);
            assert_eq!(host[word::tx_bytes..=word::tx_drop], counters[8..12]);
            assert_eq!(guest[word::rx_bytes..=word::rx_drop], counters[8..12]);
            assert_eq!(guest[word::tx_bytes..=word::tx_drop], counters[..4]);
        }
    }
    // `numbers_of` may accept the line of another interface only if it has no numbers.
    let start = line.iter().position(|byte| *byte != b' ').unwrap_or(line.len());
    for colon in (start + 1..line.len()).filter(|at| line[*at] == b':') {
        let (name, numbers) = (&line[start..colon], &line[colon + 1..]);
        if let Some(found) = netdev::numbers_of(line, name) {
            assert_eq!(found, numbers);
            assert!(split == Some((name, numbers)) || netdev::counters(numbers).is_none());
        }
    }
});
