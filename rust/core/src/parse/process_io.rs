//! /proc/PID/io: what a process and all its threads, also those that have ended, read and wrote
//! (Documentation/filesystems/proc.rst).
//!
//! `read_bytes` is what was asked of block devices (and network file systems). `write_bytes` is counted when a page becomes
//! dirty, not when it reaches the device, and at once for direct I/O. What was dirtied and then thrown away by a truncation
//! stands in `cancelled_write_bytes`; it is not subtracted: a process can cancel what others wrote, and the difference could
//! fall, which no counter does. rchar, wchar, syscr and syscw are system calls on anything, pipes and sockets among them,
//! without io_uring's and native aio's: no requests of a disk.

use super::decimal;
use crate::fields::block;

/// The record of a process. None where a number is missing or is none.
pub fn record(text: &[u8]) -> Option<block::Record> {
    let mut record = block::UNKNOWN;
    for line in text.split(|byte| *byte == b'\n') {
        let (word, number) = if let Some(number) = line.strip_prefix(b"read_bytes: ") {
            (block::rd_bytes, number)
        } else if let Some(number) = line.strip_prefix(b"write_bytes: ") {
            (block::wr_bytes, number)
        } else {
            continue;
        };
        record[word] = decimal::only(number).filter(|number| *number >= 0)?;
    }
    (record[block::rd_bytes] >= 0 && record[block::wr_bytes] >= 0).then_some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "rchar: 19784941\nwchar: 7382741\nsyscr: 78376\nsyscw: 221643\nread_bytes: 6796288\n\
                        write_bytes: 6758400\ncancelled_write_bytes: 4096\n";

    #[test]
    fn the_bytes_and_no_requests() {
        let found = record(TEXT.as_bytes()).unwrap();
        assert_eq!(found[..5], [-1, 6796288, -1, 6758400, -1]);
        assert!(found[5..].iter().all(|word| *word == -1));
    }

    #[test]
    fn what_is_missing_or_no_number() {
        for (there, instead) in [
            ("read_bytes: 6796288\n", ""),
            ("write_bytes: 6758400\n", ""),
            ("6796288", ""),
            ("6796288", "-1"),
            ("6758400", "9223372036854775808"),
            ("6758400", "6758400 1"),
            ("write_bytes: 6", "write_bytes 6"),
        ] {
            assert_eq!(record(TEXT.replace(there, instead).as_bytes()), None, "{there:?}");
        }
        assert_eq!(record(b""), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = record(&bytes);
        }

        #[test]
        fn every_number_that_a_word_holds(read in 0..=i64::MAX, written in 0..=i64::MAX, cancelled: u64) {
            let text = format!("read_bytes: {read}\nwrite_bytes: {written}\ncancelled_write_bytes: {cancelled}\n");
            let found = record(text.as_bytes()).unwrap();
            prop_assert_eq!((found[block::rd_bytes], found[block::wr_bytes]), (read, written));
        }
    }
}
