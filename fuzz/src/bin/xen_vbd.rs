//! A statistics file of a Xen backend.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::xen_vbd;
use vmiostat_fuzz::words;

fuzz_target!(|text: &[u8]| {
    let expected = words::only(text).and_then(|count| match count {
        0.. => Some(count),
        // The upper half of 32 bits.
        _ => (count >= -(1 << 31)).then(|| (1 << 32) + count),
    });
    assert_eq!(xen_vbd::count(text), expected);
    assert_eq!(xen_vbd::bytes(text), expected.and_then(|count| count.checked_mul(512)));
});
