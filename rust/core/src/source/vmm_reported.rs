//! Disks that only their VMM counts: the newest answer that an asker has handed over, fresh or stale. A poll asks nobody.

use std::sync::Arc;

use super::generation::Occupant;
use super::{Explanation, Source};
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::{Table, block};
use crate::latest_stats::{Answer, Report};
use crate::rows::Rows;
use crate::state::State;

pub(crate) struct Reported {
    rows: Vec<Row>,
}

struct Row {
    row: usize,
    report: Arc<Report>,
    /// Kept for when a new answer is just being written.
    answer: Answer,
    occupant: Occupant,
}

impl Reported {
    pub(crate) fn new(reports: impl IntoIterator<Item = (Arc<Report>, usize)>) -> Reported {
        let row = |(report, row): (Arc<Report>, usize)| {
            let answer = report.newest().unwrap_or_else(|| Answer::none(report.run(), State::Stale));
            Row { row, report, answer, occupant: Occupant::default() }
        };
        Reported { rows: reports.into_iter().map(row).collect() }
    }
}

impl Source for Reported {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let now = monotonic_ns();
        for row in &mut self.rows {
            rows.put(row.row, row.record(now).as_ref());
        }
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let report = &self.rows.iter().find(|own| own.row == row)?.report;
        report.problem().map(|why| Error::Unanswered { asker: report.asker().to_owned(), why })
    }

    fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {
        for row in &mut self.rows {
            let run = row.answer.record[block::generation].cast_unsigned();
            each(row.row, &mut row.occupant, Some(run));
        }
    }

    fn explain(&self) -> Explanation {
        let first = self.rows.first().map_or("", |row| row.report.asker());
        let mut askers: Vec<_> = self.rows.iter().map(|row| row.report.asker()).collect();
        askers.sort_unstable();
        askers.dedup();
        let others = askers.len().saturating_sub(1);
        let more = if others == 0 { String::new() } else { format!(" and {others} more") };
        let why =
            "only the VMM counts these disks, or its counters were asked for: it is asked beside the poll".to_owned();
        Explanation {
            source: format!("the newest answers of {first}{more}"),
            rows: self.rows.len(),
            system_calls: 0,
            why,
        }
    }
}

impl Row {
    fn record(&mut self, now: i64) -> block::Record {
        if let Some(answer) = self.report.newest() {
            if answer.record[block::generation] != self.answer.record[block::generation] {
                self.occupant.lost();
            }
            self.answer = answer;
        }
        let Answer { record, fresh_until } = self.answer;
        match State::from_word(record[block::state]) {
            Some(State::Ok) => {
                let state = if now <= fresh_until { State::Ok } else { State::Stale };
                block::Table::stamped(record, record[block::time_ns], self.occupant.seen(), state)
            }
            Some(State::Unsupported) => {
                block::Table::stamped(block::UNKNOWN, now, self.occupant.generation(), State::Unsupported)
            }
            _ => block::Table::stamped(block::UNKNOWN, -1, self.occupant.generation(), State::Stale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> (Arc<Report>, Reported) {
        let report = Arc::new(Report::new("QMP /run/vm.qmp".to_owned()));
        let source = Reported::new([(Arc::clone(&report), 0)]);
        (report, source)
    }

    fn poll(source: &mut Reported) -> (State, block::Record) {
        let mut words = block::UNKNOWN;
        source.read(&mut Rows::new(bytemuck::cast_slice_mut(&mut words), 1, block::SIZE, block::SIZE).unwrap());
        (State::from_word(words[block::state]).unwrap(), words)
    }

    #[test]
    fn fresh_stale_refused_and_another_run() {
        let (report, mut source) = report();
        let (state, record) = poll(&mut source);
        assert_eq!(state, State::Stale);
        assert!(record.iter().enumerate().all(|(word, number)| word == block::state || *number == -1));

        let (now, mut counters) = (monotonic_ns(), block::UNKNOWN);
        counters[block::rd_bytes] = 512;
        report.put(&counters, now, i64::MAX);
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::time_ns], record[block::generation]), (State::Ok, now, 0));
        assert_eq!((record[block::rd_bytes], record[block::wr_bytes]), (512, -1));

        report.failed("no answer within 2 s".to_owned(), false);
        assert_eq!(poll(&mut source).0, State::Ok, "one question may fail before an answer is old");
        report.failed("no answer within 2 s".to_owned(), true);
        assert_eq!(poll(&mut source).0, State::Stale);
        report.put(&counters, now, now);
        report.failed("no answer within 2 s".to_owned(), false);
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::time_ns], record[block::rd_bytes]), (State::Stale, now, 512));
        let problem = source.problem(0).unwrap().to_string();
        assert_eq!(problem, "QMP /run/vm.qmp: no answer within 2 s");
        assert!(source.problem(1).is_none());

        report.restarted();
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::time_ns], record[block::rd_bytes]), (State::Stale, -1, -1));
        report.put(&counters, now, i64::MAX);
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::generation]), (State::Ok, 1));

        report.refused("the socket is another's".to_owned());
        let (state, record) = poll(&mut source);
        assert_eq!((state, record[block::rd_bytes]), (State::Unsupported, -1));
        report.put(&counters, now, i64::MAX);
        assert_eq!(poll(&mut source).1[block::generation], 1, "the same run");
    }

    #[test]
    fn who_is_asked() {
        let other = Arc::new(Report::new("libvirt".to_owned()));
        let one = Arc::new(Report::new("QMP /a".to_owned()));
        let source = Reported::new([(Arc::clone(&one), 0), (other, 1), (one, 2)]);
        let explained = source.explain();
        assert_eq!((explained.source.as_str(), explained.rows), ("the newest answers of QMP /a and 1 more", 3));
        assert_eq!(explained.system_calls, 0);
    }
}
