//! What becomes of a row's counters between two records: which fell, wrapped, or are back where they had been.

use crate::fields::{Field, Kind, Table, Unit};
use crate::state::State;

/// What became of a row's counters; a bit for each word.
#[derive(Default)]
pub(super) struct Changes {
    /// Those that counted something before.
    had: u64,
    /// Requests, packets and bytes: what the device does, not what happens to it.
    work: u64,
    /// Those that wrapped at 32 bits.
    wrapped: u64,
    /// Those that fell otherwise.
    fell: u64,
    /// Those that are back where they had fallen from.
    returned: u64,
}

impl Changes {
    pub(super) fn of<T: Table>(lost: Option<&[i64]>, before: &[i64], after: &[i64]) -> Changes {
        const { assert!(T::SIZE / size_of::<i64>() <= 64) };
        let mut changes = Changes::default();
        for field in T::FIELDS.iter().filter(|field| field.kind == Kind::Counter) {
            let (earlier, later) = (before[field.word()], after[field.word()]);
            let bit = 1 << field.word();
            changes.had |= if earlier > 0 { bit } else { 0 };
            let lost = lost.map_or(-1, |lost| lost[field.word()]);
            let (falls, returns) = ((0..earlier).contains(&later), (0..=later).contains(&lost) && earlier < lost / 2);
            if falls || returns {
                changes.work |= if is_work(field) { bit } else { 0 };
                let wraps = falls && passed_32_bits::<T>(field, before, after);
                changes.wrapped |= if wraps { bit } else { 0 };
                changes.fell |= if falls && !wraps { bit } else { 0 };
                changes.returned |= if returns { bit } else { 0 };
            }
        }
        changes
    }

    pub(super) fn state(&self) -> State {
        let together = self.fell.count_ones() > 1 && self.fell & self.work != 0;
        if self.fell != 0 && (together || self.fell == self.had) || self.returned & self.work != 0 {
            State::Reset
        } else if self.wrapped != 0 && self.wrapped == self.had {
            State::Wrapped
        } else {
            State::Ok
        }
    }

    pub(super) fn without_a_rate(&self, field: &Field) -> bool {
        (self.wrapped | self.fell | self.returned) >> field.word() & 1 != 0
    }
}

fn is_work(field: &Field) -> bool {
    field.unit == Unit::Bytes || field.name.ends_with("_req") || field.name.ends_with("_packets")
}

/// Whether a time may have wrapped in so many seconds: the time of one request after another within 2^32 ms, that of
/// many at once (`DEPTH`) so many times earlier.
pub(super) fn may_have_wrapped(field: &Field, value: i64, seconds: f64) -> bool {
    const MILLISECOND: i64 = 1_000_000;
    const WRAP: f64 = (1u64 << 32) as f64 / 1000.0;
    /// Requests that a queue takes at a time by default: its nr_requests (block/blk-mq.c).
    const DEPTH: f64 = 256.0;
    // Other sources count in ns, of 64 bits.
    let in_ms = field.unit == Unit::Nanoseconds && value >= 0 && value % MILLISECOND == 0;
    in_ms && seconds * if field.name == "busy_time" { 1.0 } else { DEPTH } >= WRAP
}

/// Whether a counter that fell may have wrapped at 32 bits: interface counters of 32-bit kernels, the sectors of an old
/// blkback (an int), and the milliseconds in the stat file of every block device (`%u`, block/genhd.c).
fn passed_32_bits<T: Table>(field: &Field, before: &[i64], after: &[i64]) -> bool {
    const HALF: i64 = 1 << 31;
    // The kernel's unit: block devices count sectors and milliseconds.
    let counts_sectors = field.unit == Unit::Bytes && T::FIELDS.iter().any(|other| other.unit == Unit::Requests);
    let unit = match field.unit {
        Unit::Nanoseconds => 1_000_000,
        Unit::Bytes if counts_sectors => 512,
        _ => 1,
    };
    let (earlier, later) = (before[field.word()] / unit, after[field.word()] / unit);
    (HALF..2 * HALF).contains(&earlier) && later < HALF
}
