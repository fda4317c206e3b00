//! The newest counters of a disk that only its VMM counts. A client's thread writes them; a poll reads them without
//! waiting.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fields::{Table, block};
use crate::state::State;

/// A reader gives up after this many attempts and keeps the counters that it has. A write takes some ten nanoseconds,
/// unless its thread is descheduled, or lost in a fork, in the middle.
const ATTEMPTS: usize = 4;

/// The newest counters of one disk, under a sequence lock: writers exclude each other, and a reader never waits and
/// never sees a half-written record.
pub struct LatestStats {
    client: String,
    /// Odd while the words are being written.
    sequence: AtomicU64,
    words: [AtomicI64; block::WORDS],
    fresh_until: AtomicI64,
    /// Why the last query failed. A writer holds this lock.
    problem: Mutex<Option<String>>,
}

/// The counters as a poll finds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// `generation` is the number of the VMM's run. `state` is ok for reported counters, stale before the first ones,
    /// and unsupported where the VMM may not be queried.
    pub(crate) record: block::Record,
    /// On the monotonic clock.
    pub(crate) fresh_until: i64,
}

impl Snapshot {
    /// A run of the VMM without counters.
    pub(crate) const fn empty(run: i64, state: State) -> Snapshot {
        let mut record = block::UNKNOWN;
        record[block::generation] = run;
        record[block::state] = state as i64;
        Snapshot { record, fresh_until: i64::MIN }
    }
}

impl LatestStats {
    /// Without counters yet. `client` names the client and its address in messages: "QMP /run/vm.qmp".
    pub fn new(client: String) -> LatestStats {
        let Snapshot { record, fresh_until } = Snapshot::empty(0, State::Stale);
        LatestStats {
            client,
            sequence: AtomicU64::new(0),
            words: record.map(AtomicI64::new),
            fresh_until: AtomicI64::new(fresh_until),
            problem: Mutex::new(None),
        }
    }

    /// The client that queries the VMM, and its address.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Stores the counters of `time_ns`, fresh until `fresh_until` (both on the monotonic clock).
    pub fn put(&self, counters: &block::Record, time_ns: i64, fresh_until: i64) {
        let mut problem = self.lock();
        *problem = None;
        let record = block::Table::stamped(*counters, time_ns, self.run(), State::Ok);
        self.write(&problem, Snapshot { record, fresh_until });
    }

    /// Records why a query failed. The last counters stay; they become stale if they have `expired`.
    pub fn failed(&self, why: String, expired: bool) {
        let mut problem = self.lock();
        *problem = Some(why);
        if expired {
            self.write(&problem, Snapshot { record: self.record(), fresh_until: i64::MIN });
        }
    }

    /// Records why the VMM may not be queried: the row is unsupported until counters come after all.
    pub fn refused(&self, why: String) {
        let mut problem = self.lock();
        *problem = Some(why);
        self.write(&problem, Snapshot::empty(self.run(), State::Unsupported));
    }

    /// Discards the counters: the VMM was restarted, and a new run counts from 0.
    pub fn restarted(&self) {
        let mut problem = self.lock();
        *problem = None;
        self.write(&problem, Snapshot::empty(self.run() + 1, State::Stale));
    }

    /// Why the last query failed.
    pub fn problem(&self) -> Option<String> {
        self.lock().clone()
    }

    /// The newest counters; none while they are being written.
    pub(crate) fn newest(&self) -> Option<Snapshot> {
        for _ in 0..ATTEMPTS {
            let before = self.sequence.load(Ordering::Acquire);
            let record = self.record();
            let fresh_until = self.fresh_until.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before {
                return Some(Snapshot { record, fresh_until });
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Every write holds this lock, and a panic leaves nothing half written.
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> block::Record {
        std::array::from_fn(|word| self.words[word].load(Ordering::Relaxed))
    }

    /// The number of the VMM's current run.
    pub(crate) fn run(&self) -> i64 {
        self.words[block::generation].load(Ordering::Relaxed)
    }

    fn write(&self, _lock: &MutexGuard<'_, Option<String>>, snapshot: Snapshot) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, number) in self.words.iter().zip(snapshot.record) {
            word.store(number, Ordering::Relaxed);
        }
        self.fresh_until.store(snapshot.fresh_until, Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }
}

/// Compared by identity: each is the place of one disk, whatever its counters are.
impl PartialEq for LatestStats {
    fn eq(&self, other: &LatestStats) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for LatestStats {}

impl Hash for LatestStats {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self, state);
    }
}

impl fmt::Debug for LatestStats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LatestStats").field("client", &self.client).field("newest", &self.newest()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_snapshot_is_whole_or_absent() {
        let latest = LatestStats::new("test".to_owned());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let (latest, done) = (&latest, &done);
                scope.spawn(move || {
                    for number in (writer..).step_by(2).take_while(|_| !done.load(Ordering::Relaxed)) {
                        latest.put(&[number; block::WORDS], number, number);
                    }
                });
            }
            let mut seen = 0;
            while seen < 2_000 {
                let Some(snapshot) = latest.newest() else { continue };
                if snapshot.record[block::state] != State::Ok as i64 {
                    continue;
                }
                seen += 1;
                let first = snapshot.record[0];
                assert!(
                    block::Table::FIELDS
                        .iter()
                        .filter(|field| field.kind != crate::fields::Kind::Row)
                        .all(|field| { snapshot.record[field.word()] == first })
                );
                assert_eq!((snapshot.record[block::time_ns], snapshot.fresh_until), (first, first));
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_reader_never_waits_for_a_writer_that_stopped() {
        let latest = LatestStats::new("test".to_owned());
        latest.sequence.store(1, Ordering::Relaxed);
        assert!(latest.newest().is_none());
    }
}
