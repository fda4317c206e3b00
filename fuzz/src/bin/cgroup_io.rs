//! The I/O of a control group in both versions, and /proc/devices.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::fields::block::{self, Record};
use vmiostat_core::parse::cgroup_io::{self, Sum, V1};
use vmiostat_fuzz::words;

const LOOP: u32 = 7;
const NAMELESS: u32 = 0;
/// Of reads, writes and discards.
const FIELDS: [[usize; 2]; 3] =
    [[block::rd_bytes, block::rd_req], [block::wr_bytes, block::wr_req], [block::ds_bytes, block::ds_req]];

fuzz_target!(|text: &[u8]| {
    let is_stacked = |(major, _): (u32, u32)| major == LOOP;
    for line in text.split(|byte| *byte == b'\n') {
        let mut sum = Sum::NOTHING;
        let added = cgroup_io::add_v2(&mut sum, line, is_stacked).map(|()| sum.record());
        assert_eq!(added, plain_v2(line));
        for file in [V1::Bytes, V1::Requests] {
            let mut sum = Sum::NOTHING;
            let added = cgroup_io::add_v1(&mut sum, line, file, is_stacked).map(|()| sum.record());
            assert_eq!(added, plain_v1(line, file));
        }
    }
    let majors = cgroup_io::stacked_majors(text);
    let all = majors.others.iter().chain(&majors.device_mapper);
    for major in all.clone() {
        assert!(words::find(text, major.to_string().as_bytes()));
    }
    assert!(all.count() == 0 || words::find(text, b"Block devices:"));
});

fn plain_v2(line: &[u8]) -> Option<Record> {
    // Of the last device; None of no device.
    let (mut major, mut numbers) = (None, block::UNKNOWN);
    for word in words::between_spaces(line) {
        match words::halves(word, b'=') {
            Some((key, value)) => {
                let field = match key {
                    b"rbytes" => block::rd_bytes,
                    b"wbytes" => block::wr_bytes,
                    b"dbytes" => block::ds_bytes,
                    b"rios" => block::rd_req,
                    b"wios" => block::wr_req,
                    b"dios" => block::ds_req,
                    _ => continue,
                };
                numbers[field] = numbers[field].max(0).checked_add(count(value)?)?;
            }
            None => (major, numbers) = (Some(device(word)?), block::UNKNOWN),
        }
    }
    Some(match major {
        None => record(block::UNKNOWN),
        Some(LOOP) => unknown_where_counted(numbers),
        Some(NAMELESS) if is_nameless(line) => record(without_requests_of_no_bytes(numbers)),
        Some(_) => record(numbers),
    })
}

/// Whether the last device of the line has no name.
fn is_nameless(line: &[u8]) -> bool {
    let devices = words::between_spaces(line);
    let last = devices.iter().rfind(|word| words::halves(word, b'=').is_none());
    last.is_some_and(|word| {
        **word == *b"(unknown)"
            || matches!(words::halves(word, b':'), Some((_, minor)) if words::only(minor) == Some(0))
    })
}

fn without_requests_of_no_bytes(mut numbers: Record) -> Record {
    for [bytes, requests] in FIELDS {
        if numbers[bytes] == 0 && numbers[requests] > 0 {
            numbers[requests] = 0;
        }
    }
    numbers
}

/// The sum of one device's numbers: without any, reads and writes are 0.
fn record(mut numbers: Record) -> Record {
    for [bytes, requests] in &FIELDS[..2] {
        (numbers[*bytes], numbers[*requests]) = (numbers[*bytes].max(0), numbers[*requests].max(0));
    }
    numbers
}

/// The sum of one stacked device's numbers.
fn unknown_where_counted(numbers: Record) -> Record {
    let mut unknown = record(block::UNKNOWN);
    for [bytes, requests] in FIELDS {
        if numbers[bytes] > 0 {
            (unknown[bytes], unknown[requests]) = (-1, -1);
        }
    }
    unknown
}

fn plain_v1(line: &[u8], file: V1) -> Option<Record> {
    let found = words::between_spaces(line);
    if found.is_empty() || found[0] == b"Total" {
        return Some(record(block::UNKNOWN));
    }
    let major = device(found[0])?;
    let of_bytes = file == V1::Bytes;
    let [bytes, requests] = match *found.get(1)? {
        b"Read" => FIELDS[0],
        b"Write" => FIELDS[1],
        b"Discard" => FIELDS[2],
        _ => return Some(record(block::UNKNOWN)),
    };
    let mut numbers = block::UNKNOWN;
    numbers[if of_bytes { bytes } else { requests }] = count(found.get(2)?)?;
    Some(if major == LOOP { unknown_where_counted(numbers) } else { record(numbers) })
}

fn count(text: &[u8]) -> Option<i64> {
    words::only(text).filter(|number| *number >= 0)
}

/// The major number of `8:0`; 0 of a device without a name.
fn device(word: &[u8]) -> Option<u32> {
    if word == b"(unknown)" {
        return Some(0);
    }
    let (major, minor) = words::halves(word, b':')?;
    let number = |text| u32::try_from(words::only(text)?).ok();
    number(minor)?;
    number(major)
}
