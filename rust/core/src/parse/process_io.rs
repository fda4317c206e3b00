//! /proc/PID/io: the I/O of a process and all its threads, including those that have ended
//! (Documentation/filesystems/proc.rst).
//!
//! `read_bytes` counts reads submitted to block devices (and network file systems). `write_bytes` counts pages when
//! they become dirty, not when they reach the device, and direct I/O at once. Dirty pages dropped by a truncation are
//! in `cancelled_write_bytes`. They are not subtracted: a process can cancel pages that others wrote, and the
//! difference could fall, which no counter may. rchar, wchar, syscr and syscw count system calls on any file, even
//! pipes and sockets, but not those of io_uring and native aio: they are no disk requests.

use super::decimal;
use crate::fields::block;

/// More than the 52 fields of /proc/PID/stat.
pub const MAX_STAT_LENGTH: u64 = 4096;

/// Which process has the pid: when it was started, in clock ticks since boot (/proc/PID/stat, field 22). None if the
/// number is missing or malformed.
pub fn start_time(stat: &[u8]) -> Option<u64> {
    // The name, field 2, may contain spaces and brackets; the last bracket ends it.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let field = stat[end + 1..].split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).nth(19)?;
    decimal::only(field).and_then(|ticks| u64::try_from(ticks).ok())
}

/// Parses the file. None if a number is missing or malformed.
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
    fn bytes_but_no_requests() {
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

    #[test]
    fn the_start_time_comes_after_any_name() {
        let fields: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        for name in ["qemu", "a) b (c", ") S 1 2 3", ""] {
            assert_eq!(start_time(format!("70 ({name}) S {}\n", fields.join(" ")).as_bytes()), Some(22), "{name}");
        }
        assert_eq!(start_time(format!("70 (qemu) S {}", fields[..18].join(" ")).as_bytes()), None);
        assert_eq!(start_time(format!("70 (qemu) S {} -1", fields[..18].join(" ")).as_bytes()), None);
        assert_eq!(start_time(b"70 qemu S 1"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (record(&bytes), start_time(&bytes));
        }

        #[test]
        fn every_number_that_a_word_holds(read in 0..=i64::MAX, written in 0..=i64::MAX, cancelled: u64) {
            let text = format!("read_bytes: {read}\nwrite_bytes: {written}\ncancelled_write_bytes: {cancelled}\n");
            let found = record(text.as_bytes()).unwrap();
            prop_assert_eq!((found[block::rd_bytes], found[block::wr_bytes]), (read, written));
        }
    }
}
