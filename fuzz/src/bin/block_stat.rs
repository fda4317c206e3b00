//! The counters of a block device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::fields::block;
use vmiostat_core::parse::block_stat;
use vmiostat_fuzz::words;

fuzz_target!(|text: &[u8]| {
    let record = block_stat::record(text);
    assert_eq!(record, words::block_record(text));
    for size in [0, 8, 39, block::V1_SIZE, block::V1_SIZE + 1, block::SIZE] {
        let within = block_stat::record_within(text, size);
        if let Some(record) = record {
            let within = within.unwrap();
            assert_eq!(within[..size / 8], record[..size / 8]);
        }
        if size > block::V1_SIZE {
            assert_eq!(within, record);
        }
    }
    // For version 1, later numbers are ignored.
    if let Some(found) = words::numbers(text, 7).filter(|found| found.len() == 7) {
        let bytes = |sectors| words::scaled(sectors, 512);
        let expected = [found[0], bytes(found[2]), found[4], bytes(found[6]), -1];
        let expected = Some(expected).filter(|expected| expected.iter().any(|number| *number >= 0));
        let within = block_stat::record_within(text, block::V1_SIZE);
        assert_eq!(within.map(|record| record[..5].try_into().unwrap()), expected);
    }
});
