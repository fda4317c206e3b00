//! The I/O of a control group, summed over block devices.
//!
//! Version 2, io.stat (Documentation/admin-guide/cgroup-v2.rst): `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
//! Further keys (cost.usage, use_delay) are ignored. dbytes and dios exist since Linux 4.20. Kernels around 5.15 print
//! a device without numbers and without a newline, so that a line may begin with several devices: the numbers belong to
//! the last.
//!
//! Version 1, blkio.throttle.io_service_bytes and io_serviced
//! (Documentation/admin-guide/cgroup-v1/blkio-controller.rst): `8:0 Read 1`, `8:0 Write 2`, `8:0 Sync 3`, `8:0 Async
//! 0`, since Linux 4.20 `8:0 Discard 0`, `8:0 Total 3`, and finally `Total 3`.
//!
//! A stacked device (device-mapper, md, loop) counts a request and passes it on to the devices below, which count it
//! again for the same group. So the sum leaves out stacked devices. What only they have counted is unknown: a loop
//! device writes its file in a kernel thread, in the name of no group.
//!
//! A disk without a backing_dev_info device, as a hidden path of a multipath NVMe disk, is `(unknown)` in both
//! (bdi_dev_name, mm/backing-dev.c). It gets the requests of a disk with a name, which has counted them. Since their
//! bytes are counted once (BIO_CGROUP_ACCT), its line then has requests without bytes.

use super::decimal;
use super::diskstats::DeviceNumber;
use crate::fields::block;

/// The words of reads, writes and discards.
const BYTES: [usize; 3] = [block::rd_bytes, block::wr_bytes, block::ds_bytes];
const REQUESTS: [usize; 3] = [block::rd_req, block::wr_req, block::ds_req];

/// What a version 1 file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V1 {
    /// Bytes: io_service_bytes.
    Bytes,
    /// Requests: io_serviced.
    Requests,
}

/// The sum of no lines: 0, but -1 for discards, which not every kernel counts.
const NOTHING: block::Record = {
    let mut record = block::UNKNOWN;
    (record[block::rd_bytes], record[block::wr_bytes]) = (0, 0);
    (record[block::rd_req], record[block::wr_req]) = (0, 0);
    record
};

/// What the devices of a group have counted.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    counted: block::Record,
    stacked: block::Record,
}

impl Sum {
    /// Of no devices.
    pub const NOTHING: Sum = Sum { counted: NOTHING, stacked: block::UNKNOWN };

    /// Without the stacked devices, which only show what no other device has counted: that is -1.
    pub fn record(&self) -> block::Record {
        let mut record = self.counted;
        for (bytes, requests) in BYTES.into_iter().zip(REQUESTS) {
            if record[bytes] <= 0 && self.stacked[bytes] > 0 {
                (record[bytes], record[requests]) = (-1, -1);
            }
        }
        record
    }

    fn of(&mut self, is_stacked: bool) -> &mut block::Record {
        if is_stacked { &mut self.stacked } else { &mut self.counted }
    }
}

/// Adds a line of io.stat. None if the line is malformed, which must not pass for no I/O, or if the sum overflows.
pub fn add_v2(sum: &mut Sum, line: &[u8], is_stacked: impl Fn(DeviceNumber) -> bool) -> Option<()> {
    let (mut of, mut numbers) = (None, block::UNKNOWN);
    for part in line.split(|byte| *byte == b' ').filter(|part| !part.is_empty()) {
        let Some(equals) = memchr::memchr(b'=', part) else {
            // Numbers belong to the last device of a line.
            (of, numbers) = (Some(device(part)?), block::UNKNOWN);
            continue;
        };
        let word = match &part[..equals] {
            b"rbytes" => block::rd_bytes,
            b"wbytes" => block::wr_bytes,
            b"dbytes" => block::ds_bytes,
            b"rios" => block::rd_req,
            b"wios" => block::wr_req,
            b"dios" => block::ds_req,
            _ => continue,
        };
        add(&mut numbers[word], decimal::only(&part[equals + 1..])?)?;
    }
    let Some(number) = of else { return Some(()) };
    for (bytes, requests) in BYTES.into_iter().zip(REQUESTS) {
        if number == UNNAMED && numbers[bytes] == 0 {
            numbers[requests] = numbers[requests].min(0);
        }
    }
    let into = sum.of(numbers != block::UNKNOWN && is_stacked(number));
    for word in BYTES.into_iter().chain(REQUESTS).filter(|word| numbers[*word] >= 0) {
        add(&mut into[word], numbers[word])?;
    }
    Some(())
}

/// As `add_v2`, for a line of a version 1 file.
pub fn add_v1(sum: &mut Sum, line: &[u8], file: V1, is_stacked: impl Fn(DeviceNumber) -> bool) -> Option<()> {
    let mut parts = line.split(|byte| *byte == b' ').filter(|part| !part.is_empty());
    let device = match parts.next() {
        // The sum over all devices includes stacked ones.
        None | Some(b"Total") => return Some(()),
        Some(part) => device(part)?,
    };
    let [read, write, discard] = match file {
        V1::Bytes => BYTES,
        V1::Requests => REQUESTS,
    };
    let word = match parts.next()? {
        b"Read" => read,
        b"Write" => write,
        b"Discard" => discard,
        _ => return Some(()),
    };
    let number = decimal::only(parts.next()?)?;
    add(&mut sum.of(is_stacked(device))[word], number)
}

/// The major numbers of stacked devices, by their drivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackedMajors {
    /// Device-mapper's: those of its devices that are not based on requests are stacked.
    pub device_mapper: Option<u32>,
    /// Of drivers whose devices all are.
    pub others: Vec<u32>,
}

/// The major numbers of stacked devices in the text of /proc/devices (`253 device-mapper`).
pub fn stacked_majors(devices: &[u8]) -> StackedMajors {
    const OTHERS: [&[u8]; 5] = [b"md", b"mdp", b"loop", b"bcache", b"drbd"];
    let block = memchr::memmem::find(devices, b"Block devices:").map_or(&[][..], |start| &devices[start..]);
    let mut majors = StackedMajors::default();
    for mut line in block.split(|byte| *byte == b'\n') {
        let Some(major) = decimal::next(&mut line).and_then(|major| u32::try_from(major).ok()) else { continue };
        match line.trim_ascii() {
            b"device-mapper" => majors.device_mapper = Some(major),
            driver if OTHERS.contains(&driver) => majors.others.push(major),
            _ => {}
        }
    }
    majors
}

/// The number that no block device has.
const UNNAMED: DeviceNumber = (0, 0);

fn device(part: &[u8]) -> Option<DeviceNumber> {
    if part == b"(unknown)" {
        return Some(UNNAMED);
    }
    let colon = memchr::memchr(b':', part)?;
    let number = |digits: &[u8]| u32::try_from(decimal::only(digits)?).ok();
    Some((number(&part[..colon])?, number(&part[colon + 1..])?))
}

fn add(word: &mut i64, number: i64) -> Option<()> {
    if number < 0 {
        return None;
    }
    *word = (*word).max(0).checked_add(number)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(text: &str, left_out: impl Fn(DeviceNumber) -> bool) -> Option<block::Record> {
        let mut sum = Sum::NOTHING;
        text.lines().try_for_each(|line| add_v2(&mut sum, line.as_bytes(), &left_out))?;
        Some(sum.record())
    }

    fn v1(bytes: &str, requests: &str, left_out: impl Fn(DeviceNumber) -> bool) -> Option<block::Record> {
        let mut sum = Sum::NOTHING;
        bytes.lines().try_for_each(|line| add_v1(&mut sum, line.as_bytes(), V1::Bytes, &left_out))?;
        requests.lines().try_for_each(|line| add_v1(&mut sum, line.as_bytes(), V1::Requests, &left_out))?;
        Some(sum.record())
    }

    /// rd_req, rd_bytes, wr_req, wr_bytes, ds_req, ds_bytes.
    fn sums(record: block::Record) -> [i64; 6] {
        [block::rd_req, block::rd_bytes, block::wr_req, block::wr_bytes, block::ds_req, block::ds_bytes]
            .map(|word| record[word])
    }

    fn none(_: DeviceNumber) -> bool {
        false
    }

    #[test]
    fn all_devices_together() {
        let text = "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n\
                    8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n";
        let sum = [192 + 8950, 1459200 + 90430464, 353 + 1252, 314773504 + 299008000, 3021, 50331648];
        assert_eq!(sums(v2(text, none).unwrap()), sum);
        let text = text.replace(" dbytes=0 dios=0", " cost.vrate=100.00 use_delay=0 delay_nsec=0 depth=max");
        assert_eq!(sums(v2(&text, none).unwrap()), sum, "other keys are ignored");
        assert_eq!(sums(v2("8:0 rbytes=1 wbytes=2 rios=3 wios=4", none).unwrap()), [3, 1, 4, 2, -1, -1], "before 4.20");
        assert_eq!(sums(v2("8:0 cost.usage=7 cost.wait=0\n8:1\n", none).unwrap()), [0, 0, 0, 0, -1, -1]);
        assert_eq!(sums(v2("", none).unwrap()), [0, 0, 0, 0, -1, -1]);
    }

    #[test]
    fn a_device_without_a_name_is_one_like_another() {
        let text = "(unknown) rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0 rbytes=10 wbytes=20 rios=30 wios=40 dbytes=50 dios=60\n";
        assert_eq!(sums(v2(text, none).unwrap()), [33, 11, 44, 22, 66, 55]);
        assert_eq!(sums(v1("(unknown) Read 1\n8:0 Read 2\nTotal 3\n", "", none).unwrap()), [0, 3, 0, 0, -1, -1]);
        assert_eq!(v2("(null) rbytes=1", none), None);
    }

    #[test]
    fn stacked_devices_are_left_out() {
        let text = "253:0 rbytes=5 wbytes=5 rios=5 wios=5 dbytes=5 dios=5\n8:0 rbytes=5 wbytes=6 rios=7 wios=8 dbytes=9 dios=10\n";
        assert_eq!(sums(v2(text, |(major, _)| major == 253).unwrap()), [7, 5, 8, 6, 10, 9]);
        let run_together = "253:1 253:0 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6";
        assert_eq!(sums(v2(run_together, |(major, _)| major == 253).unwrap()), [3, 1, 4, 2, 6, 5]);
        assert_eq!(sums(v2(run_together, |(major, _)| major == 8).unwrap()), [-1; 6], "counted by none below");
        let bytes = "253:0 Read 512\n253:0 Total 512\n8:0 Read 1024\n8:0 Write 2\n8:0 Sync 9\n8:0 Total 9\nTotal 9\n";
        assert_eq!(sums(v1(bytes, "", |(major, _)| major == 253).unwrap()), [0, 1024, 0, 2, -1, -1]);
    }

    #[test]
    fn what_only_a_stacked_device_has_counted_is_unknown() {
        let a_loop = |(major, _)| major == 7;
        let text = "7:0 rbytes=0 wbytes=1048576 rios=0 wios=257 dbytes=0 dios=0\n8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n";
        assert_eq!(sums(v2(text, a_loop).unwrap()), [1, 512, -1, -1, 0, 0]);
        let flushed = text.replace("wbytes=0 rios=1 wios=0", "wbytes=4096 rios=1 wios=1");
        assert_eq!(sums(v2(&flushed, a_loop).unwrap()), [1, 512, 1, 4096, 0, 0]);
        assert_eq!(sums(v1("7:0 Write 512\n8:0 Read 5\n", "", a_loop).unwrap()), [0, 5, -1, -1, -1, -1]);
    }

    #[test]
    fn requests_that_a_hidden_path_gets_are_those_of_its_disk() {
        let text = "(unknown) rbytes=0 wbytes=0 rios=10 wios=6 dbytes=0 dios=0\n259:3 rbytes=40960 wbytes=24576 rios=10 wios=6 dbytes=0 dios=0\n";
        assert_eq!(sums(v2(text, none).unwrap()), [10, 40960, 6, 24576, 0, 0]);
    }

    #[test]
    fn version_1_s_two_files() {
        let bytes = "7:4 Read 262144\n7:4 Write 524288\n7:4 Sync 786432\n7:4 Async 0\n7:4 Discard 4096\n7:4 Total 786432\nTotal 786432\n";
        let requests = "7:4 Read 4\n7:4 Write 8\n7:4 Sync 12\n7:4 Async 0\n7:4 Discard 1\n7:4 Total 12\nTotal 12\n";
        assert_eq!(sums(v1(bytes, requests, none).unwrap()), [4, 262144, 8, 524288, 1, 4096]);
        assert_eq!(sums(v1("Total 0\n", "Total 0\n", none).unwrap()), [0, 0, 0, 0, -1, -1]);
    }

    #[test]
    fn what_is_no_number_or_fits_into_no_word() {
        for line in ["8:0 rbytes=", "8:0 rbytes=x", "8:0 wios=-1", "8:0 rios=9223372036854775808", "8:0 rbytes=1=2"] {
            assert_eq!(v2(line, none), None, "{line}");
        }
        let most = i64::MAX;
        assert_eq!(v2(&format!("8:0 rbytes={most}\n8:1 rbytes=1"), none), None);
        for line in ["8:0", "8:0 Read", "8:0 Read x", "8:0 Write -4"] {
            assert_eq!(v1(line, "", none), None, "{line}");
        }
        assert_eq!(sums(v2("rbytes=1", none).unwrap())[1], 0, "of no device");
        for line in ["x:y rbytes=2", "::", "8: rbytes=3", "Permission denied"] {
            assert_eq!(v2(line, none), None, "{line}");
            assert_eq!(v1(line, "", none), None, "{line}");
        }
    }

    #[test]
    fn drivers_whose_devices_are_made_of_others() {
        let text = "Character devices:\n  1 mem\n 10 loop\n\nBlock devices:\n  7 loop\n  8 sd\n  9 md\n253 device-mapper\n254 mdp\n259 blkext\n";
        let found = StackedMajors { device_mapper: Some(253), others: vec![7, 9, 254] };
        assert_eq!(stacked_majors(text.as_bytes()), found);
        assert_eq!(stacked_majors(b"Character devices:\n  7 loop\n"), StackedMajors::default());
        assert_eq!(stacked_majors(b""), StackedMajors::default());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut sum = Sum::NOTHING;
            let _ = (add_v2(&mut sum, &bytes, none), add_v1(&mut sum, &bytes, V1::Bytes, none), stacked_majors(&bytes));
        }

        #[test]
        fn near_misses_never_panic(line in "[0-9:]{0,6}( (r|w|d)(bytes|ios)=[0-9-]{0,20}){0,6}( (Read|Write|Total) [0-9]{0,20})?") {
            let mut sum = Sum::NOTHING;
            let _ = (add_v2(&mut sum, line.as_bytes(), none), add_v1(&mut sum, line.as_bytes(), V1::Requests, none));
            prop_assert!(sum.record().iter().all(|word| *word >= -1));
        }

        #[test]
        fn every_number_is_summed_in_its_place(devices in prop::collection::vec(prop::array::uniform6(0..1i64 << 50), 1..9)) {
            let line = |(minor, [rd, rd_bytes, wr, wr_bytes, ds, ds_bytes]): (usize, &[i64; 6])| {
                format!("8:{minor} rbytes={rd_bytes} wbytes={wr_bytes} rios={rd} wios={wr} dbytes={ds_bytes} dios={ds}\n")
            };
            let text: String = devices.iter().enumerate().map(line).collect();
            let expected = std::array::from_fn(|place| devices.iter().map(|device| device[place]).sum::<i64>());
            prop_assert_eq!(sums(v2(&text, none).unwrap()), expected);
            let form = |places: [usize; 3]| {
                let line = |(minor, numbers): (usize, &[i64; 6])| {
                    let [read, write, discard] = places.map(|place| numbers[place]);
                    format!("8:{minor} Read {read}\n8:{minor} Write {write}\n8:{minor} Discard {discard}\n8:{minor} Total 0\n")
                };
                devices.iter().enumerate().map(line).collect::<String>() + "Total 0\n"
            };
            prop_assert_eq!(sums(v1(&form([1, 3, 5]), &form([0, 2, 4]), none).unwrap()), expected);
        }
    }
}
