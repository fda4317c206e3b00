//! Rates: the change between two records of one row per second of the row's own time, or the reason why there is none.
//!
//! Counters are cumulative and the reader subtracts, but only if both records come from one device and one run of its
//! counters, and time has passed. Everything else is a state: never a spike, a negative number or a guess.
//!
//! A counter that falls alone, or wraps, has no rate, and the row's others have theirs. A row is `reset` when the device's
//! counters fall together. What they fell from is kept as long as they are far below it (`lost`): a counter that is back
//! at once has not grown so much, but was read wrongly in between.

mod changes;

use crate::fields::{Field, Kind, Table};
use crate::state::State;

use changes::{Changes, may_have_wrapped};

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
/// second of a counter, the current value of a gauge, NaN for a field that the source does not have, and for a counter
/// that wrapped or fell alone. All are NaN unless the state is ok. `lost` is what `lost` made of the record before
/// `before`, if anything.
pub fn between<T: Table>(
    lost: Option<&T::Record>,
    before: &T::Record,
    after: &T::Record,
    values: &mut [f64],
) -> Outcome {
    let (before, after) = (before.as_ref(), after.as_ref());
    let mut state = comparable::<T>(before, after);
    if state != State::Ok {
        return none(state, values);
    }
    let changes = Changes::of::<T>(lost.map(AsRef::as_ref), before, after);
    state = changes.state();
    if state != State::Ok {
        return none(state, values);
    }
    let interval = (after[T::TIME_NS] - before[T::TIME_NS]) as f64 / 1e9;
    for (value, field) in values.iter_mut().zip(fields::<T>()) {
        let (earlier, later) = (before[field.word()], after[field.word()]);
        *value = match field.kind {
            _ if later < 0 => f64::NAN,
            Kind::Gauge => later as f64,
            _ if earlier < 0 || changes.without_a_rate(field) => f64::NAN,
            _ => (later - earlier) as f64 / interval,
        };
    }
    Outcome { interval, state }
}

/// What the counters of `after` fell from, for the rates between it and a later record; None if they did not fall.
/// `earlier` is the same of `before`.
pub fn lost<T: Table>(earlier: Option<&T::Record>, before: &T::Record, after: &T::Record) -> Option<T::Record> {
    let (before, after) = (before.as_ref(), after.as_ref());
    if comparable::<T>(before, after) != State::Ok {
        return None;
    }
    let mut lost = T::UNKNOWN;
    let mut any = false;
    for field in fields::<T>().filter(|field| field.kind == Kind::Counter) {
        let word = field.word();
        let highest = earlier.map_or(-1, |earlier| earlier.as_ref()[word]);
        if (0..before[word]).contains(&after[word]) {
            lost.as_mut()[word] = highest.max(before[word]);
        } else if after[word] < highest / 2 {
            lost.as_mut()[word] = highest;
        }
        any |= lost.as_ref()[word] >= 0;
    }
    any.then_some(lost)
}

/// Rates since the machine booted (see `boot_time`), when every counter was 0. The kernel's milliseconds of block devices
/// have none once they may have wrapped.
pub fn since_boot<T: Table>(after: &T::Record, boot_time_ns: i64, values: &mut [f64]) -> Outcome {
    let mut before = after.to_owned();
    for field in fields::<T>() {
        before.as_mut()[field.word()] = 0;
    }
    before.as_mut()[T::TIME_NS] = boot_time_ns;
    let outcome = between::<T>(None, &before, after, values);
    for (value, field) in values.iter_mut().zip(fields::<T>()) {
        if may_have_wrapped(field, after.as_ref()[field.word()], outcome.interval) {
            *value = f64::NAN;
        }
    }
    outcome
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

/// Whether both records have counters of one device, at two times.
fn comparable<T: Table>(before: &[i64], after: &[i64]) -> State {
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
        State::New
    } else if before[T::GENERATION] != after[T::GENERATION] {
        State::Replaced
    } else if after[T::TIME_NS] <= before[T::TIME_NS] {
        State::Stale
    } else {
        State::Ok
    }
}

fn state<T: Table>(record: &[i64]) -> State {
    State::from_word(record[T::STATE]).unwrap_or(State::Unreadable)
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
        let outcome = between::<block::Table>(None, before, after, &mut values);
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
        let fallen = with(with(after, block::rd_req, 99), block::rd_time, 99);
        assert_eq!(state_between(&before, &fallen), State::Reset);
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

    /// The fields without a rate, where the others have theirs.
    fn without_a_rate(before: &block::Record, after: &block::Record) -> Vec<&'static str> {
        let (values, outcome) = block_rates(before, after);
        assert_eq!(outcome.state, State::Ok);
        fields::<block::Table>().zip(values).filter(|(_, value)| value.is_nan()).map(|(field, _)| field.name).collect()
    }

    #[test]
    fn a_wrap_at_32_bits_costs_its_own_column() {
        let before = |word: usize, unit: i64| {
            let mut record = record(100, SECOND);
            record[word] = ((1 << 32) - 5) * unit;
            record
        };
        let after = record(400, 2 * SECOND);
        assert_eq!(without_a_rate(&before(block::rd_bytes, 512), &after), ["rd_bytes"]);
        assert_eq!(without_a_rate(&before(block::busy_time, 1_000_000), &after), ["busy_time"]);
        assert_eq!(without_a_rate(&before(block::rd_req, 1), &after), ["rd_req"]);
        let mut alone = block::Table::stamped(block::UNKNOWN, SECOND, 0, State::Ok);
        (alone[block::rd_req], alone[block::wr_req]) = ((1 << 32) - 5, 0);
        let mut wrapped = block::Table::stamped(alone, 2 * SECOND, 0, State::Ok);
        wrapped[block::rd_req] = 7;
        assert_eq!(state_between(&alone, &wrapped), State::Wrapped, "nothing else is counted");
    }

    #[test]
    fn a_counter_that_falls_alone_costs_its_own_column() {
        let (before, after) = (record(100, SECOND), record(400, 2 * SECOND));
        for word in [block::rd_failed, block::wr_bytes] {
            let mut fallen = after;
            fallen[word] = 99;
            assert_eq!(without_a_rate(&before, &fallen), [block::FIELDS[word].name]);
        }
        let mut fallen = after;
        (fallen[block::rd_failed], fallen[block::errs]) = (99, 0);
        assert_eq!(without_a_rate(&before, &fallen), ["errs", "rd_failed"], "what happens to it, each by itself");
        fallen[block::wr_req] = 0;
        assert_eq!(state_between(&before, &fallen), State::Reset, "the device's work, with another");
        let mut idle = block::Table::stamped([0; block::WORDS], SECOND, 0, State::Ok);
        let restarted = block::Table::stamped(idle, 2 * SECOND, 0, State::Ok);
        idle[block::rd_req] = 5;
        assert_eq!(state_between(&idle, &restarted), State::Reset, "all that it had counted");
    }

    #[test]
    fn a_sample_of_zeros_makes_no_spike() {
        let zeros = |time| block::Table::stamped([0; block::WORDS], time, 0, State::Ok);
        let right = |grown: i64, time| record(1_000_000_000 + grown, time);
        let (first, zero, again) = (right(0, SECOND), zeros(2 * SECOND), zeros(3 * SECOND));
        assert_eq!(state_between(&first, &zero), State::Reset);
        let kept = lost::<block::Table>(None, &first, &zero);
        let still = lost::<block::Table>(kept.as_ref(), &zero, &again);
        for (lost, before) in [(kept, zero), (still, again)] {
            let mut values = vec![0.0; fields::<block::Table>().count()];
            let next = right(5, 4 * SECOND);
            let outcome = between::<block::Table>(lost.as_ref(), &before, &next, &mut values);
            assert_eq!(outcome.state, State::Reset);
            assert!(super::lost::<block::Table>(lost.as_ref(), &before, &next).is_none());
        }
        assert!(lost::<block::Table>(None, &first, &right(5, 2 * SECOND)).is_none());
    }

    #[test]
    fn a_device_that_restarted_counts_on() {
        let mut values = vec![0.0; fields::<block::Table>().count()];
        let (mut before, mut kept) = (record(1000, SECOND), None);
        for (time, counters) in [(2, 0), (3, 300), (4, 600), (5, 1200), (6, 5000)] {
            let after = record(counters, time * SECOND);
            let outcome = between::<block::Table>(kept.as_ref(), &before, &after, &mut values);
            assert_eq!(outcome.state, if counters == 0 { State::Reset } else { State::Ok }, "{counters}");
            kept = lost::<block::Table>(kept.as_ref(), &before, &after);
            assert_eq!(kept.is_some(), counters < 500, "{counters}");
            before = after;
        }
    }

    #[test]
    fn a_time_since_boot_that_may_have_wrapped_is_unknown() {
        let mut record = record(400 * 1_000_000, 0);
        record[block::rd_time] += 1; // ns, so not the block layer's
        let unknown = |hours: i64| {
            let mut values = vec![0.0; fields::<block::Table>().count()];
            let outcome = since_boot::<block::Table>(&record, -hours * 3600 * SECOND, &mut values);
            assert_eq!(outcome.state, State::Ok);
            let unknown = fields::<block::Table>().zip(values).filter(|(_, value)| value.is_nan());
            unknown.map(|(field, _)| field.name).collect::<Vec<_>>()
        };
        assert!(unknown(4).is_empty());
        assert_eq!(unknown(5), ["wr_time", "fl_time", "ds_time", "queue_time"]);
        assert_eq!(unknown(50 * 24), ["wr_time", "fl_time", "ds_time", "busy_time", "queue_time"]);
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
            let outcome = between::<interface::Table>(None, &earlier, &later, &mut values);
            prop_assert_eq!(outcome.state, State::Ok);
            for (value, grown) in values.iter().zip(grown) {
                prop_assert_eq!(*value, grown as f64 / (time as f64 / 1e9));
            }
        }
    }
}
