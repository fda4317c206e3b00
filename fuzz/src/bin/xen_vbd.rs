//! A file of a Xen backend's statistics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::xen_vbd;
use vmiostat_fuzz::words;

fuzz_target!(|text: &[u8]| {
    let (negative, unsigned) = match text.strip_prefix(b"-") {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let printed = words::numbers(unsigned, 2).filter(|found| found.len() == 1 && unsigned[0].is_ascii_digit());
    let expected = printed.and_then(|found| match found[0] {
        0 => Some(0),
        count if !negative => Some(count),
        // The upper half of an int's 32 bits.
        count => (count <= 1 << 31).then(|| (1 << 32) - count),
    });
    assert_eq!(xen_vbd::count(text), expected);
    assert_eq!(xen_vbd::bytes(text), expected.and_then(|count| count.checked_mul(512)));
});
