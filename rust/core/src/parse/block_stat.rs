//! The counters of a block device, in its stat file and in its line of /proc/diskstats (Documentation/block/stat.rst,
//! block/genhd.c).
//!
//! There are 11 since Linux 2.6.0, 15 with discards since 4.18, and 17 with flushes since 5.5. A partition before
//! 2.6.25 has only 4. Any further numbers are ignored.
//!
//! A sector is 512 bytes, whatever the device's own sector size is. Times are milliseconds in 32 bits, which
//! wrap after 49.7 days. The number of requests in flight is a 32-bit one, too, and some drivers' falls below zero: it is
//! unknown then (-1), as is any number that does not fit into a word.

use crate::fields::block;

use super::decimal;

const SECTOR: i64 = 512;
const MILLISECOND: i64 = 1_000_000;
const MAX_NUMBERS: usize = 17;

/// Version 1 needs the numbers up to the sectors written.
const V1_NUMBERS: usize = 7;

/// Parses the numbers of one device, up to the end of the line. None if they are too few, or not numbers, or none of the
/// first ones fits.
pub fn record(numbers: &[u8]) -> Option<block::Record> {
    let (found, count) = take::<MAX_NUMBERS>(numbers)?;
    let record = match count {
        4 => old_partition(&found),
        11.. => whole(&found, count),
        _ => None,
    };
    record.filter(has_a_number)
}

/// Whether any of version 1's numbers fits into a word.
#[inline]
fn has_a_number(record: &block::Record) -> bool {
    [block::rd_req, block::rd_bytes, block::wr_req, block::wr_bytes].into_iter().any(|word| record[word] >= 0)
}

/// As `record`, but only for the first `size` bytes of the struct: for version 1, later numbers are not parsed.
#[inline]
pub fn record_within(numbers: &[u8], size: usize) -> Option<block::Record> {
    if size > block::V1_SIZE {
        return record(numbers);
    }
    let record = match take::<V1_NUMBERS>(numbers)? {
        (found, V1_NUMBERS) => {
            let [rd_req, _, rd_sectors, _, wr_req, _, wr_sectors] = found;
            requests_and_sectors(rd_req, rd_sectors, wr_req, wr_sectors)
        }
        (found, 4) => old_partition(&found),
        _ => None,
    };
    record.filter(has_a_number)
}

/// At most the first `AT_MOST` numbers, and how many there were.
#[inline]
fn take<const AT_MOST: usize>(mut numbers: &[u8]) -> Option<([i64; AT_MOST], usize)> {
    let mut found = [0; AT_MOST];
    let mut count = 0;
    while count < AT_MOST && !decimal::at_end(numbers) {
        found[count] = decimal::next(&mut numbers)?;
        count += 1;
    }
    Some((found, count))
}

fn whole(found: &[i64; MAX_NUMBERS], count: usize) -> Option<block::Record> {
    use block as word;
    let [rd_req, rd_merged, rd_sectors, rd_ms, wr_req, wr_merged, wr_sectors, wr_ms, in_flight, busy_ms, queue_ms, ..] =
        *found;
    let mut record = block::UNKNOWN;
    record[word::rd_req] = rd_req;
    record[word::rd_merged] = rd_merged;
    record[word::rd_bytes] = decimal::scaled(rd_sectors, SECTOR);
    record[word::rd_time] = decimal::scaled(rd_ms, MILLISECOND);
    record[word::wr_req] = wr_req;
    record[word::wr_merged] = wr_merged;
    record[word::wr_bytes] = decimal::scaled(wr_sectors, SECTOR);
    record[word::wr_time] = decimal::scaled(wr_ms, MILLISECOND);
    record[word::in_flight] = if i32::try_from(in_flight).is_ok() { in_flight } else { -1 };
    record[word::busy_time] = decimal::scaled(busy_ms, MILLISECOND);
    record[word::queue_time] = decimal::scaled(queue_ms, MILLISECOND);
    if count >= 15 {
        record[word::ds_req] = found[11];
        record[word::ds_merged] = found[12];
        record[word::ds_bytes] = decimal::scaled(found[13], SECTOR);
        record[word::ds_time] = decimal::scaled(found[14], MILLISECOND);
    }
    if count >= 17 {
        record[word::fl_req] = found[15];
        record[word::fl_time] = decimal::scaled(found[16], MILLISECOND);
    }
    Some(record)
}

fn old_partition(found: &[i64]) -> Option<block::Record> {
    let [rd_req, rd_sectors, wr_req, wr_sectors, ..] = *found else { return None };
    requests_and_sectors(rd_req, rd_sectors, wr_req, wr_sectors)
}

fn requests_and_sectors(rd_req: i64, rd_sectors: i64, wr_req: i64, wr_sectors: i64) -> Option<block::Record> {
    use block as word;
    let mut record = block::UNKNOWN;
    record[word::rd_req] = rd_req;
    record[word::rd_bytes] = decimal::scaled(rd_sectors, SECTOR);
    record[word::wr_req] = wr_req;
    record[word::wr_bytes] = decimal::scaled(wr_sectors, SECTOR);
    Some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(count: usize) -> String {
        (1..=count).map(|number| format!("{number:>8} ")).collect::<String>() + "\n"
    }

    #[test]
    fn the_number_of_counters_of_every_kernel() {
        let new = record(line(17).as_bytes()).unwrap();
        assert_eq!(new[..5], [1, 3 * 512, 5, 7 * 512, -1]);
        let ms = 1_000_000;
        assert_eq!(new[5..17], [16, 12, 14 * 512, 4 * ms, 8 * ms, 17 * ms, 15 * ms, 2, 6, 9, 10 * ms, 11 * ms]);
        assert_eq!(new[17..20], [-1, -1, -1], "the source fills in time, generation and state");
        assert_eq!(new[block::ds_merged], 13);
        assert!(new[block::ds_merged + 1..].iter().all(|number| *number == -1), "reported by VMMs only");
        let with_discards = record(line(15).as_bytes()).unwrap();
        assert_eq!((with_discards[block::fl_req], with_discards[block::fl_time]), (-1, -1));
        assert_eq!(with_discards[block::ds_time], 15 * ms);
        let oldest = record(line(11).as_bytes()).unwrap();
        assert_eq!((oldest[block::ds_req], oldest[block::ds_bytes], oldest[block::ds_time]), (-1, -1, -1));
        assert_eq!(oldest[block::queue_time], 11 * ms);
        assert_eq!(record(line(21).as_bytes()), Some(new), "numbers of later kernels are ignored");
        let partition = record(line(4).as_bytes()).unwrap();
        assert_eq!(partition[..5], [1, 2 * 512, 3, 4 * 512, -1]);
        assert_eq!(partition[block::in_flight], -1);
    }

    #[test]
    fn too_few_or_no_numbers() {
        for count in (0..11).filter(|count| *count != 4) {
            assert_eq!(record(line(count).as_bytes()), None, "{count}");
        }
        assert_eq!(record(line(17).replace(" 9 ", " nine ").as_bytes()), None);
        assert_eq!(record(line(17).replace(" 9 ", " -9 ").as_bytes()), None);
    }

    #[test]
    fn a_number_that_does_not_fit_costs_no_other() {
        let right = record(line(17).as_bytes()).unwrap();
        for (there, instead, word) in [
            (" 3 ", " 18014398509481984 ", block::rd_bytes),
            (" 5 ", " 9223372036854775808 ", block::wr_req),
            (" 8 ", " 18446744073709551615 ", block::wr_time),
            (" 9 ", " 4294967295 ", block::in_flight),
        ] {
            let text = line(17).replace(there, instead);
            let mut expected = right;
            expected[word] = -1;
            assert_eq!(record(text.as_bytes()), Some(expected), "{text}");
        }
        let within = record_within(b"1 2 18014398509481984 4 5 6 7 8 9 10 11", 40).unwrap();
        assert_eq!(within[..5], [1, -1, 5, 7 * 512, -1]);
    }

    #[test]
    fn version_1_has_the_same_five_words() {
        for count in (4..=21).filter(|count| *count == 4 || *count > 10) {
            let whole = record(line(count).as_bytes()).unwrap();
            for size in 0..=block::SIZE {
                let within = record_within(line(count).as_bytes(), size).unwrap();
                assert_eq!(within[..size.min(40) / 8], whole[..size.min(40) / 8], "{count} numbers, {size} bytes");
            }
        }
        assert_eq!(record_within(b"1 2 3 4 5 6\n", 40), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (record(&bytes), record_within(&bytes, 40));
        }

        #[test]
        fn every_number_comes_out_in_its_place(numbers in prop::collection::vec(0..=u32::MAX, 11..=19)) {
            let text: Vec<String> = numbers.iter().map(u32::to_string).collect();
            let found = record(text.join(" ").as_bytes()).unwrap();
            let plain = |index: usize, unit: i64| numbers.get(index).map_or(-1, |number| i64::from(*number) * unit);
            let after = |least: usize, index, unit| if numbers.len() >= least { plain(index, unit) } else { -1 };
            let ms = MILLISECOND;
            prop_assert_eq!(&found[..17], &[
                plain(0, 1), plain(2, 512), plain(4, 1), plain(6, 512), -1,
                after(17, 15, 1), after(15, 11, 1), after(15, 13, 512),
                plain(3, ms), plain(7, ms), after(17, 16, ms), after(15, 14, ms),
                plain(1, 1), plain(5, 1), numbers[8].try_into().map_or(-1, |count: i32| count.into()), plain(9, ms), plain(10, ms),
            ]);
        }
    }
}
