//! A statistics file of a Xen backend.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::xen_vbd;
use vmiostat_fuzz::words;

fuzz_target!(|text: &[u8]| {
    // Below zero, the upper half of 32 bits.
    let upper = |count: i64| (count >= -(1 << 31)).then(|| if count < 0 { (1 << 32) + count } else { 0 });
    let expected = if text.starts_with(b"-") { words::only(text).and_then(upper) } else { words::counter(text) };
    assert_eq!(xen_vbd::count(text), expected);
    assert_eq!(xen_vbd::bytes(text), expected.map(|count| words::scaled(count, 512)));
});
