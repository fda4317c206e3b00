//! A line of /proc/diskstats.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::parse::diskstats;
use vmiostat_fuzz::words;

fuzz_target!(|line: &[u8]| {
    let device = diskstats::device(line);
    assert_eq!(device, words::block_device(line));
    let Some((_, rest)) = device else { return };
    let named = words::without_blanks(rest);
    let expected = named.iter().position(|byte| *byte == b' ').filter(|end| *end > 0).map(|end| &named[end..]);
    assert_eq!(diskstats::numbers(rest), expected);
});
