//! The I/O of a control group in both versions, and /proc/devices.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmiostat_core::fields::block::{self, Record};
use vmiostat_core::parse::cgroup_io::{self, V1};
use vmiostat_fuzz::words;

const LOOP: u32 = 7;

fuzz_target!(|text: &[u8]| {
    let left_out = |(major, _): (u32, u32)| major == LOOP;
    for line in text.split(|byte| *byte == b'\n') {
        let mut record = cgroup_io::NOTHING;
        let added = cgroup_io::add_v2(&mut record, line, left_out).map(|()| record);
        assert_eq!(added, plain_v2(line));
        for file in [V1::Bytes, V1::Requests] {
            let mut record = cgroup_io::NOTHING;
            let added = cgroup_io::add_v1(&mut record, line, file, left_out).map(|()| record);
            assert_eq!(added, plain_v1(line, file));
        }
    }
    let majors = cgroup_io::stacked_majors(text);
    for major in &majors {
        assert!(words::find(text, major.to_string().as_bytes()));
    }
    assert!(majors.is_empty() || words::find(text, b"Block devices:"));
});

fn plain_v2(line: &[u8]) -> Option<Record> {
    let (mut record, mut counted) = (cgroup_io::NOTHING, false);
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
                if counted {
                    record[field] = record[field].max(0).checked_add(count(value)?)?;
                }
            }
            None => counted = device(word)? != LOOP,
        }
    }
    Some(record)
}

fn plain_v1(line: &[u8], file: V1) -> Option<Record> {
    let mut record = cgroup_io::NOTHING;
    let found = words::between_spaces(line);
    if found.is_empty() || found[0] == b"Total" {
        return Some(record);
    }
    let major = device(found[0])?;
    let of_bytes = file == V1::Bytes;
    let field = match *found.get(1)? {
        b"Read" => [block::rd_req, block::rd_bytes],
        b"Write" => [block::wr_req, block::wr_bytes],
        b"Discard" => [block::ds_req, block::ds_bytes],
        _ => return Some(record),
    }[usize::from(of_bytes)];
    let text = found.get(2)?;
    // A negative number is an error, unless the device is left out.
    let number = words::only(text)?;
    if major != LOOP {
        if number < 0 {
            return None;
        }
        record[field] = record[field].max(0).checked_add(number)?;
    }
    Some(record)
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
