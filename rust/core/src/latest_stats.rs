//! What only a VMM can tell of a disk: its newest answer, which an asker's thread writes and a poll reads without waiting.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fields::{Table, block};
use crate::state::State;

/// Attempts at a whole answer before the reader keeps the one that it has: a writer needs some ten nanoseconds, unless it
/// was put to sleep (or lost in a fork) in the middle.
const ATTEMPTS: usize = 4;

/// One disk's newest answer: a sequence lock of plain words. Writers take turns; a reader never waits for one, and never
/// sees half of an answer.
pub struct Report {
    asker: String,
    /// Even when the words are one answer, odd while they are being written.
    sequence: AtomicU64,
    words: [AtomicI64; block::WORDS],
    fresh_until: AtomicI64,
    /// Why the newest question has no answer. Writers hold it while they write.
    problem: Mutex<Option<String>>,
}

/// An answer as a poll finds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// Its counters and its time. `generation` is the number of the VMM's run that gave it. `state` is ok for an answer,
    /// stale before the first one, unsupported where nothing may be asked.
    pub(crate) record: block::Record,
    /// On the monotonic clock.
    pub(crate) fresh_until: i64,
}

impl Answer {
    /// Before the first one of a VMM's run.
    pub(crate) const fn none(run: i64, state: State) -> Answer {
        let mut record = block::UNKNOWN;
        record[block::generation] = run;
        record[block::state] = state as i64;
        Answer { record, fresh_until: i64::MIN }
    }
}

impl Report {
    /// A report without an answer. `asker` says in messages who is asked, and where: "QMP /run/vm.qmp".
    pub fn new(asker: String) -> Report {
        let Answer { record, fresh_until } = Answer::none(0, State::Stale);
        Report {
            asker,
            sequence: AtomicU64::new(0),
            words: record.map(AtomicI64::new),
            fresh_until: AtomicI64::new(fresh_until),
            problem: Mutex::new(None),
        }
    }

    /// Who is asked.
    pub fn asker(&self) -> &str {
        &self.asker
    }

    /// Hands an answer over: counters as they were at `time_ns`, fresh until `fresh_until` (both on the monotonic clock).
    pub fn put(&self, counters: &block::Record, time_ns: i64, fresh_until: i64) {
        let mut problem = self.lock();
        *problem = None;
        let record = block::Table::stamped(*counters, time_ns, self.run(), State::Ok);
        self.write(&problem, Answer { record, fresh_until });
    }

    /// Says why there is no newer answer. The last one stays; it is stale from now on if it has expired.
    pub fn failed(&self, why: String, expired: bool) {
        let mut problem = self.lock();
        *problem = Some(why);
        if expired {
            self.write(&problem, Answer { record: self.record(), fresh_until: i64::MIN });
        }
    }

    /// Says that nothing may be asked: the row is unsupported from now on, until an answer comes after all.
    pub fn refused(&self, why: String) {
        let mut problem = self.lock();
        *problem = Some(why);
        self.write(&problem, Answer::none(self.run(), State::Unsupported));
    }

    /// Another run of the VMM is asked from now on, whose counters start anew: what the last one said is forgotten.
    pub fn restarted(&self) {
        let mut problem = self.lock();
        *problem = None;
        self.write(&problem, Answer::none(self.run() + 1, State::Stale));
    }

    /// Why the newest question has no answer.
    pub fn problem(&self) -> Option<String> {
        self.lock().clone()
    }

    /// The newest whole answer; none while one is being written.
    pub(crate) fn newest(&self) -> Option<Answer> {
        for _ in 0..ATTEMPTS {
            let before = self.sequence.load(Ordering::Acquire);
            let record = self.record();
            let fresh_until = self.fresh_until.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before {
                return Some(Answer { record, fresh_until });
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Every change is made under this lock, and leaves nothing half done that a panic could show.
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> block::Record {
        std::array::from_fn(|word| self.words[word].load(Ordering::Relaxed))
    }

    /// The number of the VMM's run that is asked.
    pub(crate) fn run(&self) -> i64 {
        self.words[block::generation].load(Ordering::Relaxed)
    }

    fn write(&self, _turn: &MutexGuard<'_, Option<String>>, answer: Answer) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, number) in self.words.iter().zip(answer.record) {
            word.store(number, Ordering::Relaxed);
        }
        self.fresh_until.store(answer.fresh_until, Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }
}

/// A report is a place: two of them are never the same, whatever they hold.
impl PartialEq for Report {
    fn eq(&self, other: &Report) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Report {}

impl Hash for Report {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self, state);
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Report").field("asker", &self.asker).field("newest", &self.newest()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn an_answer_is_seen_whole_or_not_at_all() {
        let report = Report::new("test".to_owned());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let (report, done) = (&report, &done);
                scope.spawn(move || {
                    for number in (writer..).step_by(2).take_while(|_| !done.load(Ordering::Relaxed)) {
                        report.put(&[number; block::WORDS], number, number);
                    }
                });
            }
            let mut seen = 0;
            while seen < 2_000 {
                let Some(answer) = report.newest() else { continue };
                if answer.record[block::state] != State::Ok as i64 {
                    continue;
                }
                seen += 1;
                let first = answer.record[0];
                assert!(
                    block::Table::FIELDS
                        .iter()
                        .filter(|field| field.kind != crate::fields::Kind::Row)
                        .all(|field| { answer.record[field.word()] == first })
                );
                assert_eq!((answer.record[block::time_ns], answer.fresh_until), (first, first));
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_writer_that_stopped_in_the_middle_costs_no_reader_anything() {
        let report = Report::new("test".to_owned());
        report.sequence.store(1, Ordering::Relaxed);
        assert!(report.newest().is_none());
    }
}
