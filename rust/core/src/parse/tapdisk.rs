//! tapdisk3's statistics page (drivers/tapdisk-metrics-stats.h of blktap): a version, padding, and eleven 64-bit words.
//!
//! tapdisk updates the words in place, without a lock or a sequence number. So the page is read twice, and used only if
//! the second read can follow the first.

use crate::fields::block;

/// The used bytes of the page.
pub const LENGTH: usize = 8 + 8 * WORDS;

/// The only version so far; it is 0 until tapdisk has initialized the page.
pub const VERSION: u32 = 1;

const WORDS: usize = 11;
const SECTOR: i64 = 512;
const NS_IN_TICK: i64 = 1000;

/// Two reads that differ by this much saw a half-written word.
const TORN: u64 = 1 << 31;

/// The content of the page, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Times that the ring had no free request.
    pub oo_reqs: u64,
    /// Reads.
    pub read: Requests,
    /// Writes.
    pub write: Requests,
    /// Requests that failed.
    pub io_errors: u64,
    /// Bit 0: low-memory mode.
    pub flags: u64,
}

/// Requests in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests submitted.
    pub submitted: u64,
    /// Requests completed.
    pub completed: u64,
    /// Sectors of 512 bytes.
    pub sectors: u64,
    /// Total microseconds of all requests. They fall when the wall clock is set back.
    pub ticks: u64,
}

/// Why a page cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is shorter than `LENGTH`.
    Short,
    /// It has another version.
    Version(u32),
}

/// Parses a page.
pub fn page(bytes: &[u8]) -> Result<Page, Unknown> {
    let Some((head, body)) = bytes.get(..LENGTH).and_then(|bytes| bytes.split_first_chunk::<8>()) else {
        return Err(Unknown::Short);
    };
    let [a, b, c, d, ..] = *head;
    let version = u32::from_le_bytes([a, b, c, d]);
    if version != VERSION {
        return Err(Unknown::Version(version));
    }
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(body.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    }
    let [oo_reqs, rs, rc, r_sectors, r_ticks, ws, wc, w_sectors, w_ticks, io_errors, flags] = words;
    Ok(Page {
        oo_reqs,
        read: Requests { submitted: rs, completed: rc, sectors: r_sectors, ticks: r_ticks },
        write: Requests { submitted: ws, completed: wc, sectors: w_sectors, ticks: w_ticks },
        io_errors,
        flags,
    })
}

impl Page {
    /// Whether this read can follow the `earlier` one: no counter has fallen or jumped, and no more requests were
    /// completed than submitted.
    pub fn follows(&self, earlier: &Page) -> bool {
        let pairs = self.counts().into_iter().zip(earlier.counts());
        self.read.is_whole()
            && self.write.is_whole()
            && pairs.into_iter().all(|(now, before)| now.checked_sub(before).is_some_and(|grown| grown < TORN))
            && self.read.ticks.abs_diff(earlier.read.ticks) < TORN
            && self.write.ticks.abs_diff(earlier.write.ticks) < TORN
    }

    /// The words that only grow.
    fn counts(&self) -> [u64; 8] {
        let Page { oo_reqs, read, write, io_errors, .. } = *self;
        let (r, w) = (read, write);
        [oo_reqs, r.submitted, r.completed, r.sectors, w.submitted, w.completed, w.sectors, io_errors]
    }

    /// The record. `errs` is oo_reqs, as for every Xen disk; a number that overflows a word is -1.
    pub fn record(&self) -> block::Record {
        let mut record = block::UNKNOWN;
        let word = |number: u64, unit: i64| i64::try_from(number).ok().and_then(|number| number.checked_mul(unit));
        let mut put = |field: usize, number: Option<i64>| record[field] = number.unwrap_or(-1);
        put(block::rd_req, word(self.read.completed, 1));
        put(block::rd_bytes, word(self.read.sectors, SECTOR));
        put(block::rd_time, word(self.read.ticks, NS_IN_TICK));
        put(block::wr_req, word(self.write.completed, 1));
        put(block::wr_bytes, word(self.write.sectors, SECTOR));
        put(block::wr_time, word(self.write.ticks, NS_IN_TICK));
        put(block::errs, word(self.oo_reqs, 1));
        let in_flight = self.read.in_flight().zip(self.write.in_flight()).and_then(|(r, w)| r.checked_add(w));
        put(block::in_flight, in_flight.and_then(|requests| word(requests, 1)));
        record
    }
}

impl Requests {
    fn is_whole(&self) -> bool {
        self.in_flight().is_some()
    }

    /// None if more were completed than submitted.
    fn in_flight(&self) -> Option<u64> {
        self.submitted.checked_sub(self.completed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(version: u32, words: [u64; WORDS]) -> Vec<u8> {
        let head = u64::from(version).to_le_bytes();
        head.into_iter().chain(words.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    fn page_of(words: [u64; WORDS]) -> Page {
        page(&bytes_of(VERSION, words)).unwrap()
    }

    const USED: [u64; WORDS] = [3, 110, 100, 800, 5_000, 220, 200, 1_600, 9_000, 1, 1];

    #[test]
    fn every_word_has_its_field() {
        assert_eq!(bytes_of(VERSION, USED).len(), LENGTH);
        let record = page_of(USED).record();
        assert_eq!(&record[..5], &[100, 800 * 512, 200, 1_600 * 512, 3]);
        assert_eq!((record[block::rd_time], record[block::wr_time]), (5_000_000, 9_000_000));
        assert_eq!(record[block::in_flight], 30);
        assert_eq!((record[block::fl_req], record[block::ds_req]), (-1, -1));
    }

    #[test]
    fn overflow_is_unknown() {
        let mut words = USED;
        words[3] = 1 << 54; // sectors
        words[4] = 5_u64.wrapping_neg(); // microseconds, after the clock was set back
        let record = page_of(words).record();
        assert_eq!((record[block::rd_req], record[block::rd_bytes], record[block::rd_time]), (100, -1, -1));
    }

    #[test]
    fn other_versions_and_short_pages() {
        assert_eq!(page(&bytes_of(2, USED)), Err(Unknown::Version(2)));
        assert_eq!(page(&bytes_of(0, [0; WORDS])), Err(Unknown::Version(0)));
        assert_eq!(page(&bytes_of(VERSION, USED)[..LENGTH - 1]), Err(Unknown::Short));
        assert_eq!(page(&[]), Err(Unknown::Short));
        let mut long = bytes_of(VERSION, USED);
        long.resize(4096, 0xff);
        assert_eq!(page(&long), Ok(page_of(USED)));
    }

    #[test]
    fn reads_that_cannot_follow() {
        let whole = page_of(USED);
        assert!(whole.follows(&whole));
        for (word, now, follows) in [
            (3, 808, true),
            (3, 799, false),             // sectors went back
            (3, 800 + (1 << 32), false), // the upper half of a word was newer
            (2, 111, false),             // more reads completed than submitted
            (2, 110, true),
            (4, 4_990, true), // the clock was set back
            (4, 5_000 + (1 << 32), false),
            (8, 0_u64.wrapping_sub(1), false),
            (10, 0, true), // a flag, not a counter
        ] {
            let mut words = USED;
            words[word] = now;
            assert_eq!(page_of(words).follows(&whole), follows, "word {word}: {now}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(first in proptest::collection::vec(any::<u8>(), 0..200), words: [u64; WORDS]) {
            let other = page_of(words);
            let _ = other.record();
            if let Ok(page) = page(&first) {
                let _ = (page.record(), page.follows(&other));
            }
        }

        #[test]
        fn a_page_follows_itself(mut words: [u64; WORDS]) {
            words[1] = words[1].max(words[2]);
            words[5] = words[5].max(words[6]);
            prop_assert!(page_of(words).follows(&page_of(words)));
        }
    }
}
