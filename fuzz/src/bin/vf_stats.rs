//! A netlink reply about the virtual functions of a network card.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::vf_stats;
use vmiostat_fuzz::attributes;

fuzz_target!(|bytes: &[u8]| {
    let mut expected = Vec::new();
    for list in attributes::all(bytes, 22) {
        for info in attributes::all(list, 1) {
            let Some(number) = attributes::all(info, 1).first().and_then(|mac| mac.get(..4)) else { continue };
            let number = u32::from_ne_bytes(number.try_into().unwrap());
            expected.push((number, attributes::all(info, 8).first().map(|stats| counters(stats))));
        }
    }
    assert_eq!(vf_stats::functions(bytes).collect::<Vec<_>>(), expected);
});

/// The counters in the order of /proc/net/dev.
fn counters(stats: &[u8]) -> [i64; 16] {
    let mut counters = [-1; 16];
    for (place, kind) in [(0, 2), (1, 0), (3, 7), (7, 5), (8, 3), (9, 1), (11, 8)] {
        if let Some(value) = attributes::all(stats, kind).last() {
            let number = value.get(..8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
            counters[place] = number.and_then(|number| number.try_into().ok()).unwrap_or(-1);
        }
    }
    counters
}
