//! /proc/diskstats: a line for each block device or partition, `major minor name numbers...`
//! (Documentation/admin-guide/iostats.rst). The numbers are those of the device's stat file.

use super::decimal;

/// The major and minor number of a block device.
pub type DeviceNumber = (u32, u32);

/// The device of a line, and the rest of it: the name and the numbers. None for any other line.
pub fn device(mut line: &[u8]) -> Option<(DeviceNumber, &[u8])> {
    let major = decimal::next(&mut line)?;
    let minor = decimal::next(&mut line)?;
    Some(((u32::try_from(major).ok()?, u32::try_from(minor).ok()?), line))
}

/// The numbers after the name.
pub fn numbers(mut rest: &[u8]) -> Option<&[u8]> {
    decimal::skip_blanks(&mut rest);
    let name_end = memchr::memchr(b' ', rest)?;
    (name_end > 0).then(|| &rest[name_end..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::block_stat;
    use super::*;
    use crate::fields::block;

    #[test]
    fn a_line_of_each_length() {
        for (line, last) in [
            (" 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", (16, 17_000_000)),
            ("   8      17 sdb1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", (-1, -1)),
            ("  43       0 cciss/c0d0 1 2 3 4 5 6 7 8 9 10 11", (-1, -1)),
        ] {
            let (_, rest) = device(line.as_bytes()).unwrap();
            let record = block_stat::record(numbers(rest).unwrap()).unwrap();
            assert_eq!((record[block::fl_req], record[block::fl_time]), last, "{line}");
        }
        assert_eq!(device(b" 259       0 nvme0n1 1").unwrap().0, (259, 0));
    }

    #[test]
    fn lines_without_a_device() {
        for line in ["", "8", "8 ", "a 0 sda 1", "8 -1 sda 1", "4294967296 0 sda 1"] {
            assert_eq!(device(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(numbers(b" sda"), None);
        assert_eq!(numbers(b""), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = device(&bytes).and_then(|(_, rest)| numbers(rest)).map(block_stat::record);
        }

        #[test]
        fn agrees_with_split_whitespace(major: u32, minor: u32, name in "[a-z0-9/!]{1,31}", count in 0usize..20) {
            let words: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let line = format!("{major:4} {minor:7} {name} {}", words.join(" "));
            let (device, rest) = device(line.as_bytes()).unwrap();
            prop_assert_eq!(device, (major, minor));
            let plain: Vec<&str> = line.split_whitespace().skip(3).collect();
            let found = std::str::from_utf8(numbers(rest).unwrap()).unwrap();
            prop_assert_eq!(found.split_whitespace().collect::<Vec<_>>(), plain);
        }
    }
}
