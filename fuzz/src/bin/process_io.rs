//! /proc/PID/io.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::fields::block;
use vmiostat_core::parse::process_io;
use vmiostat_fuzz::words;

fuzz_target!(|text: &[u8]| {
    // The last line of a key counts, and each must have a number.
    let last = |key: &[u8]| -> Option<i64> {
        let lines = text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(key));
        let numbers: Option<Vec<i64>> = lines.map(|rest| words::only(rest).filter(|number| *number >= 0)).collect();
        numbers?.last().copied()
    };
    let expected = (|| {
        let mut record = block::UNKNOWN;
        (record[block::rd_bytes], record[block::wr_bytes]) = (last(b"read_bytes: ")?, last(b"write_bytes: ")?);
        Some(record)
    })();
    assert_eq!(process_io::record(text), expected);
});
