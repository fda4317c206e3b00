//! Numbers in text.

/// The value of a word of decimal digits; -1 if it fits only without a sign.
pub fn number(word: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(word).ok()?;
    // The standard library also takes a sign.
    let value: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some(value.try_into().unwrap_or(-1))
}

/// A number in other units; -1 if it is unknown or does not fit.
pub fn scaled(number: i64, unit: i64) -> i64 {
    i64::try_from(i128::from(number) * i128::from(unit)).map_or(-1, |scaled| scaled.max(-1))
}

/// At most this many numbers before the end of the line; the rest is ignored.
pub fn numbers(mut text: &[u8], at_most: usize) -> Option<Vec<i64>> {
    let mut found = Vec::new();
    while found.len() < at_most {
        text = without_blanks(text);
        if text.is_empty() || text == b"\n" {
            break;
        }
        let (word, rest) = text.split_at(text.iter().position(|byte| b" \t\n".contains(byte)).unwrap_or(text.len()));
        found.push(number(word)?);
        text = rest;
    }
    Some(found)
}

/// The value of a text of one number, with only blanks and a newline after it.
pub fn counter(text: &[u8]) -> Option<i64> {
    let found = numbers(text, 2).filter(|found| found.len() == 1 && text[0].is_ascii_digit())?;
    Some(found[0])
}

/// The same with an optional sign. None if it does not fit.
pub fn only(text: &[u8]) -> Option<i64> {
    let (sign, unsigned) = text.strip_prefix(b"-").map_or((1, text), |unsigned| (-1, unsigned));
    Some(sign * counter(unsigned).filter(|value| *value >= 0)?)
}

/// The words separated by spaces.
pub fn between_spaces(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect()
}

/// The parts before and after the first such byte.
pub fn halves(word: &[u8], between: u8) -> Option<(&[u8], &[u8])> {
    let at = word.iter().position(|byte| *byte == between)?;
    Some((&word[..at], &word[at + 1..]))
}

/// Whether the text contains this.
pub fn find(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|part| part == wanted)
}

/// The text without leading blanks.
pub fn without_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(text.len());
    &text[start..]
}

/// The name in a line of /proc/net/dev, and the rest of the line.
pub fn interface(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let start = line.iter().position(|byte| *byte != b' ')?;
    (start < colon).then(|| (&line[start..colon], &line[colon + 1..]))
}

/// The numbers after such a name, if they are exactly sixteen and one fits.
pub fn interface_counters(text: &[u8]) -> Option<[i64; 16]> {
    let found: [i64; 16] = numbers(text, 17)?.try_into().ok()?;
    found.iter().any(|number| *number >= 0).then_some(found)
}

/// The device number in a line of /proc/diskstats, and the rest of the line.
pub fn block_device(line: &[u8]) -> Option<((u32, u32), &[u8])> {
    let two = |line| -> Option<[i64; 2]> { numbers(line, 2)?.try_into().ok() };
    let [major, minor] = two(line)?;
    let mut rest = line;
    for _ in 0..2 {
        rest = without_blanks(rest);
        rest = &rest[rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())..];
    }
    Some(((major.try_into().ok()?, minor.try_into().ok()?), rest))
}

/// The word in the struct, the unit and the index of each number in a stat file.
const FIELDS: [(usize, i64, usize); 17] = {
    use vmiostat_core::fields::block as word;
    const MS: i64 = 1_000_000;
    [
        (word::rd_req, 1, 0),
        (word::rd_merged, 1, 1),
        (word::rd_bytes, 512, 2),
        (word::rd_time, MS, 3),
        (word::wr_req, 1, 4),
        (word::wr_merged, 1, 5),
        (word::wr_bytes, 512, 6),
        (word::wr_time, MS, 7),
        (word::in_flight, 1, 8),
        (word::busy_time, MS, 9),
        (word::queue_time, MS, 10),
        (word::ds_req, 1, 11),
        (word::ds_merged, 1, 12),
        (word::ds_bytes, 512, 13),
        (word::ds_time, MS, 14),
        (word::fl_req, 1, 15),
        (word::fl_time, MS, 16),
    ]
};

/// The record of the numbers of a block device.
pub fn block_record(text: &[u8]) -> Option<vmiostat_core::fields::block::Record> {
    let mut found = numbers(text, 17)?;
    match found.len() {
        4 => {
            // A partition before Linux 2.6.25.
            let [rd_req, rd_sectors, wr_req, wr_sectors] = found[..] else { unreachable!() };
            found = vec![rd_req, -1, rd_sectors, -1, wr_req, -1, wr_sectors];
        }
        0..11 => return None,
        // A kernel has all numbers of a group or none.
        11..15 => found.truncate(11),
        15..17 => found.truncate(15),
        _ => {}
    }
    let mut record = vmiostat_core::fields::block::UNKNOWN;
    for (word, unit, at) in FIELDS {
        if let Some(&number) = found.get(at).filter(|number| **number >= 0) {
            record[word] = scaled(number, unit);
        }
    }
    if [0, 1, 2, 3].iter().all(|word| record[*word] < 0) {
        return None;
    }
    // A 32-bit number that has fallen below zero.
    let in_flight = &mut record[vmiostat_core::fields::block::in_flight];
    *in_flight = if *in_flight > i64::from(i32::MAX) { -1 } else { *in_flight };
    Some(record)
}
