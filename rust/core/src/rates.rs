//! Rates: the change between two records of one row per second of the row's own time, or the reason why there is none.
//!
//! Counters are cumulative and the reader subtracts, but only if both records come from one device and one run of its
//! counters, and time has passed. Everything else is a state: never a spike, a negative number or a guess.

use crate::fields::{Field, Kind, Table, Unit};
use crate::state::State;

/// The rates of one row.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Seconds between the two records; NaN without a rate.
    pub interval: f64,
    /// Ok, or why there is no rate.
    pub state: State,
}

/// The fields that have a rate: the counters and gauges of a table, in its order.
pub fn fields<T: Table>() -> impl Iterator<Item = &'static Field> {
    T::FIELDS.iter().filter(|field| field.kind != Kind::Row)
}

/// Computes the rates between two records of one row. `values` gets a number for each of `fields`: the change per
/// second of a counter, the current value of a gauge, NaN for a field that the source does not have. All are NaN unless
/// the state is ok.
pub fn between<T: Table>(before: &T::Record, after: &T::Record, values: &mut [f64]) -> Outcome {
    let (before, after) = (before.as_ref(), after.as_ref());
    let state = judge::<T>(before, after);
    if state != State::Ok {
        return none(state, values);
    }
    let interval = (after[T::TIME_NS] - before[T::TIME_NS]) as f64 / 1e9;
    for (value, field) in values.iter_mut().zip(fields::<T>()) {
        let (earlier, later) = (before[field.word()], after[field.word()]);
        *value = match field.kind {
            _ if later < 0 => f64::NAN,
            Kind::Gauge => later as f64,
            _ if earlier < 0 => f64::NAN,
            _ => (later - earlier) as f64 / interval,
        };
    }
    Outcome { interval, state }
}

/// Rates since the machine booted (see `boot_time`), when every counter was 0.
pub fn since_boot<T: Table>(after: &T::Record, boot_time_ns: i64, values: &mut [f64]) -> Outcome {
    let mut before = after.to_owned();
    for field in fields::<T>() {
        before.as_mut()[field.word()] = 0;
    }
    before.as_mut()[T::TIME_NS] = boot_time_ns;
    between::<T>(&before, after, values)
}

/// A row that the earlier sample does not have; `replaced` where that has another row in its place.
pub fn unpaired<T: Table>(after: &T::Record, replaced: bool, values: &mut [f64]) -> Outcome {
    let state = match state::<T>(after.as_ref()) {
        State::Ok if replaced => State::Replaced,
        State::Ok => State::New,
        other => other,
    };
    none(state, values)
}

/// A row without rates.
fn none(state: State, values: &mut [f64]) -> Outcome {
    values.fill(f64::NAN);
    Outcome { interval: f64::NAN, state }
}

/// Whether the difference of two records is a rate.
fn judge<T: Table>(before: &[i64], after: &[i64]) -> State {
    if state::<T>(after) != State::Ok {
        return state::<T>(after);
    }
    // The counters of a stale record, if it has any, were right at its own time.
    let counted = match state::<T>(before) {
        State::Ok => true,
        State::Stale => fields::<T>().any(|field| before[field.word()] >= 0),
        _ => false,
    };
    if !counted {
        return State::New;
    }
    if before[T::GENERATION] != after[T::GENERATION] {
        return State::Replaced;
    }
    if after[T::TIME_NS] <= before[T::TIME_NS] {
        return State::Stale;
    }
    let mut fallen = fields::<T>().filter(|field| {
        let (earlier, later) = (before[field.word()], after[field.word()]);
        field.kind == Kind::Counter && later >= 0 && later < earlier
    });
    match fallen.next() {
        None => State::Ok,
        // A reset sets back all counters of the device, a wrap only those that reached 32 bits.
        Some(first) if [first].into_iter().chain(fallen).all(|field| passed_32_bits::<T>(field, before, after)) => {
            State::Wrapped
        }
        Some(_) => State::Reset,
    }
}

fn state<T: Table>(record: &[i64]) -> State {
    State::from_word(record[T::STATE]).unwrap_or(State::Unreadable)
}

/// Whether a counter that fell may have wrapped at 32 bits: interface counters of 32-bit kernels, the sectors of an old
/// blkback (an int), and the milliseconds in the stat file of every block device (`%u`, block/genhd.c).
fn passed_32_bits<T: Table>(field: &Field, before: &[i64], after: &[i64]) -> bool {
    const HALF: i64 = 1 << 31;
    // The kernel's unit: block devices count sectors and milliseconds.
    let counts_sectors = field.unit == Unit::Bytes && fields::<T>().any(|other| other.unit == Unit::Requests);
    let unit = match field.unit {
        Unit::Nanoseconds => 1_000_000,
        Unit::Bytes if counts_sectors => 512,
        _ => 1,
    };
    let (earlier, later) = (before[field.word()] / unit, after[field.word()] / unit);
    (HALF..2 * HALF).contains(&earlier) && later < HALF
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields::{block, interface};

    const SECOND: i64 = 1_000_000_000;

    fn record(counters: i64, time: i64) -> block::Record {
        block::Table::stamped([counters; block::WORDS], time, 0, State::Ok)
    }

    fn block_rates(before: &block::Record, after: &block::Record) -> (Vec<f64>, Outcome) {
        let mut values = vec![0.0; fields::<block::Table>().count()];
        let outcome = between::<block::Table>(before, after, &mut values);
        (values, outcome)
    }

    fn state_between(before: &block::Record, after: &block::Record) -> State {
        let (values, outcome) = block_rates(before, after);
        if outcome.state != State::Ok {
            assert!(outcome.interval.is_nan() && values.iter().all(|value| value.is_nan()));
        }
        outcome.state
    }

    #[test]
    fn counters_by_the_second_and_gauges_as_they_are() {
        let before = record(100, SECOND);
        let mut after = record(400, 3 * SECOND);
        after[block::in_flight] = 7;
        after[block::errs] = -1;
        let (values, outcome) = block_rates(&before, &after);
        assert_eq!((outcome.interval, outcome.state), (2.0, State::Ok));
        for (value, field) in values.iter().zip(fields::<block::Table>()) {
            match field.name {
                "in_flight" => assert_eq!(*value, 7.0),
                "errs" => assert!(value.is_nan(), "the source does not have it"),
                name if field.kind == Kind::Gauge => assert_eq!(*value, 400.0, "{name}"),
                name => assert_eq!(*value, 150.0, "{name}"),
            }
        }
    }

    #[test]
    fn since_boot_is_the_mean_over_the_clock() {
        let mut values = vec![0.0; fields::<interface::Table>().count()];
        let record = interface::Table::stamped([500; interface::WORDS], 10 * SECOND, 3, State::Ok);
        let outcome = since_boot::<interface::Table>(&record, 0, &mut values);
        assert_eq!((outcome.interval, outcome.state), (10.0, State::Ok));
        assert!(values.iter().all(|value| *value == 50.0));
    }

    #[test]
    fn every_reason_for_no_rate() {
        let (before, after) = (record(100, SECOND), record(400, 2 * SECOND));
        let with = |mut record: block::Record, word: usize, value: i64| {
            record[word] = value;
            record
        };
        assert_eq!(state_between(&before, &after), State::Ok);
        assert_eq!(state_between(&before, &with(after, block::generation, 1)), State::Replaced);
        assert_eq!(state_between(&before, &with(after, block::time_ns, SECOND)), State::Stale);
        assert_eq!(state_between(&before, &with(after, block::time_ns, 0)), State::Stale);
        assert_eq!(state_between(&before, &with(after, block::rd_req, 99)), State::Reset);
        assert_eq!(state_between(&before, &with(after, block::state, State::Gone as i64)), State::Gone);
        assert_eq!(state_between(&before, &with(after, block::state, 99)), State::Unreadable);
        assert_eq!(state_between(&with(before, block::state, State::Gone as i64), &after), State::New);
        let stale = with(before, block::state, State::Stale as i64);
        assert_eq!(state_between(&stale, &after), State::Ok, "old counters were right at their own time");
        let no_counters = block::Table::stamped(block::UNKNOWN, SECOND, 0, State::Stale);
        assert_eq!(state_between(&no_counters, &after), State::New);
        assert_eq!(state_between(&before, &with(after, block::in_flight, 0)), State::Ok, "a gauge may fall");
    }

    #[test]
    fn a_row_that_has_no_earlier_one() {
        let ok = record(100, SECOND);
        let mut gone = ok;
        gone[block::state] = State::Gone as i64;
        for (record, replaced, state) in [
            (ok, false, State::New),
            (ok, true, State::Replaced),
            (gone, false, State::Gone),
            (gone, true, State::Gone),
        ] {
            let mut values = vec![0.0; fields::<block::Table>().count()];
            let outcome = unpaired::<block::Table>(&record, replaced, &mut values);
            assert_eq!(outcome.state, state);
            assert!(outcome.interval.is_nan() && values.iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    fn a_wrap_at_32_bits_is_no_reset() {
        let before = |word: usize, unit: i64| {
            let mut record = record(100, SECOND);
            record[word] = ((1 << 32) - 5) * unit;
            record
        };
        let after = record(400, 2 * SECOND);
        assert_eq!(state_between(&before(block::rd_bytes, 512), &after), State::Wrapped);
        assert_eq!(state_between(&before(block::busy_time, 1_000_000), &after), State::Wrapped);
        assert_eq!(state_between(&before(block::rd_req, 1), &after), State::Wrapped);
        assert_eq!(state_between(&before(block::rd_bytes, 1), &after), State::Reset);
        let mut both = before(block::rd_bytes, 512);
        both[block::wr_req] = 500;
        assert_eq!(state_between(&both, &after), State::Reset, "another counter fell, too");
    }

    /// A block record of such words: proptest's arrays end at 32.
    fn record_of(words: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = block::Record> {
        prop::collection::vec(words, block::WORDS).prop_map(|words| words.try_into().unwrap())
    }

    proptest! {
        #[test]
        fn never_negative_and_never_without_elapsed_time(
            before in record_of(-1..=i64::MAX), after in record_of(-1..=i64::MAX), ok: bool,
        ) {
            let stamp = |mut record: block::Record| {
                if ok {
                    record[block::generation] = 0;
                    record[block::state] = State::Ok as i64;
                }
                record
            };
            let (values, outcome) = block_rates(&stamp(before), &stamp(after));
            prop_assert!(values.iter().all(|value| value.is_nan() || *value >= 0.0));
            prop_assert_eq!(outcome.state == State::Ok, outcome.interval > 0.0);
        }

        #[test]
        fn agrees_with_plain_arithmetic(
            before in prop::array::uniform20(0..1i64 << 50), grown in prop::array::uniform20(0..1i64 << 50), time in 1..1i64 << 50,
        ) {
            let earlier = interface::Table::stamped(before, 5, 0, State::Ok);
            let later = std::array::from_fn(|word| before[word] + grown[word]);
            let later = interface::Table::stamped(later, 5 + time, 0, State::Ok);
            let mut values = vec![0.0; fields::<interface::Table>().count()];
            let outcome = between::<interface::Table>(&earlier, &later, &mut values);
            prop_assert_eq!(outcome.state, State::Ok);
            for (value, grown) in values.iter().zip(grown) {
                prop_assert_eq!(*value, grown as f64 / (time as f64 / 1e9));
            }
        }
    }
}
