//! Disks that only their VMM counts. A poll takes the newest counters, fresh or stale, and never queries the VMM.

use std::sync::Arc;

use super::identity::device_id::DeviceId;
use super::identity::generation::RowGeneration;
use super::{Explanation, Source};
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::{Table, block};
use crate::latest_stats::{LatestStats, Snapshot};
use crate::rows::Rows;
use crate::state::State;

pub(crate) struct VmmReported {
    rows: Vec<Row>,
}

struct Row {
    row: usize,
    latest: Arc<LatestStats>,
    /// The last one read, for a poll during a write.
    snapshot: Snapshot,
    generation: RowGeneration,
}

impl VmmReported {
    pub(crate) fn new(disks: impl IntoIterator<Item = (Arc<LatestStats>, usize)>) -> VmmReported {
        let row = |(latest, row): (Arc<LatestStats>, usize)| {
            let snapshot = latest.newest().unwrap_or_else(|| Snapshot::empty(latest.run(), State::Stale));
            let mut generation = RowGeneration::default();
            generation.becomes(id(&latest, &snapshot));
            Row { row, latest, snapshot, generation }
        };
        VmmReported { rows: disks.into_iter().map(row).collect() }
    }
}

impl Source for VmmReported {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let now = monotonic_ns();
        for row in &mut self.rows {
            rows.put(row.row, row.record(now).as_ref());
        }
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let latest = &self.rows.iter().find(|own| own.row == row)?.latest;
        latest.problem().map(|why| Error::Unanswered { client: latest.client().to_owned(), why })
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.rows.iter_mut().for_each(|row| each(row.row, &mut row.generation));
    }

    fn explain(&self) -> Explanation {
        let first = self.rows.first().map_or("", |row| row.latest.client());
        let mut clients: Vec<_> = self.rows.iter().map(|row| row.latest.client()).collect();
        clients.sort_unstable();
        clients.dedup();
        let others = clients.len().saturating_sub(1);
        let more = if others == 0 { String::new() } else { format!(" and {others} more") };
        let why = "only the VMM counts these disks, or its counters were requested; it is queried outside the poll"
            .to_owned();
        Explanation {
            source: format!("the newest answers of {first}{more}"),
            rows: self.rows.len(),
            system_calls: 0,
            why,
        }
    }
}

fn id(latest: &Arc<LatestStats>, snapshot: &Snapshot) -> DeviceId {
    let run = snapshot.record[block::generation].cast_unsigned();
    DeviceId::Reported { answers: Arc::as_ptr(latest).addr(), run }
}

impl Row {
    fn record(&mut self, now: i64) -> block::Record {
        if let Some(snapshot) = self.latest.newest() {
            if snapshot.record[block::generation] != self.snapshot.record[block::generation] {
                self.generation.becomes(id(&self.latest, &snapshot));
            }
            self.snapshot = snapshot;
        }
        let Snapshot { record, fresh_until } = self.snapshot;
        match State::from_word(record[block::state]) {
            Some(State::Ok) => {
                let state = if now <= fresh_until { State::Ok } else { State::Stale };
                block::Table::stamped(record, record[block::time_ns], self.generation.seen(), state)
            }
            Some(State::Unsupported) => {
                block::Table::stamped(block::UNKNOWN, -1, self.generation.number(), State::Unsupported)
            }
            _ => block::Table::stamped(block::UNKNOWN, -1, self.generation.number(), State::Stale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_disk() -> (Arc<LatestStats>, VmmReported) {
        let latest = Arc::new(LatestStats::new("QMP /run/vm.qmp".to_owned()));
        let source = VmmReported::new([(Arc::clone(&latest), 0)]);
        (latest, source)
    }

    fn poll(source: &mut VmmReported) -> (State, block::Record) {
        let mut words = block::UNKNOWN;
        source.read(&mut Rows::new(bytemuck::cast_slice_mut(&mut words), 1, block::SIZE, block::SIZE).unwrap());
        (State::from_word(words[block::state]).unwrap(), words)
    }

    #[test]
    fn fresh_stale_refused_and_restarted() {
        let (latest, mut source) = one_disk();
        let (state, record) = poll(&mut source);
        assert_eq!(state, State::Stale);
        assert!(record.iter().enumerate().all(|(word, number)| word == block::state || *number == -1));

        let (now, mut counters) = (monotonic_ns(), block::UNKNOWN);
        counters[block::rd_bytes] = 512;
        latest.put(&counters, now, i64::MAX);
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::time_ns], record[block::generation]), (State::Ok, now, 0));
        assert_eq!((record[block::rd_bytes], record[block::wr_bytes]), (512, -1));

        latest.failed("no answer within 2 s".to_owned(), false);
        assert_eq!(poll(&mut source).0, State::Ok, "the counters are still fresh after one failed query");
        latest.failed("no answer within 2 s".to_owned(), true);
        assert_eq!(poll(&mut source).0, State::Stale);
        latest.put(&counters, now, now);
        latest.failed("no answer within 2 s".to_owned(), false);
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::time_ns], record[block::rd_bytes]), (State::Stale, now, 512));
        let problem = source.problem(0).unwrap().to_string();
        assert_eq!(problem, "QMP /run/vm.qmp: no answer within 2 s");
        assert!(source.problem(1).is_none());

        latest.restarted();
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::time_ns], record[block::rd_bytes]), (State::Stale, -1, -1));
        latest.put(&counters, now, i64::MAX);
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::generation]), (State::Ok, 1));

        latest.refused("the socket is in use".to_owned());
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::rd_bytes]), (State::Unsupported, -1));
        latest.put(&counters, now, i64::MAX);
        assert_eq!(poll(&mut source).1[block::generation], 1, "still the same run");
    }

    #[test]
    fn the_explanation_counts_clients() {
        let other = Arc::new(LatestStats::new("libvirt".to_owned()));
        let one = Arc::new(LatestStats::new("QMP /a".to_owned()));
        let source = VmmReported::new([(Arc::clone(&one), 0), (other, 1), (one, 2)]);
        let explained = source.explain();
        assert_eq!((explained.source.as_str(), explained.rows), ("the newest answers of QMP /a and 1 more", 3));
        assert_eq!(explained.system_calls, 0);
    }
}
