//! A file of the kernel's that has a line a device (/proc/net/dev, /proc/diskstats), of which some lines are watched.
//!
//! The kernel prints the lines in an order that only changes when a device comes or goes. So which device each line was
//! last time is remembered: in a steady poll a line is compared with one remembered key, nothing is hashed, the numbers of
//! lines that are not watched are not even looked at, and the reading ends with the last line that is watched.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::lines::Lines;
use super::row::Occupant;
use super::{Failure, Source};
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::state::State;

/// How such a file is written.
pub(super) trait Format: Send {
    /// Where the file is.
    const PATH: &'static str;
    /// What names a device in it.
    type Key: Clone + Eq + Hash + Send;
    /// What a device's rows may differ in.
    type View: Copy + Send;
    /// The numbers of a line.
    type Counters;
    /// The table whose rows they fill.
    type Table: Table;

    /// Whose line it is, and the rest of it; none for a heading.
    fn split(line: &[u8]) -> Option<(Self::Key, &[u8])>;
    /// The rest of the line if it is that device's, found with less work than `split`.
    fn rest_of<'line>(line: &'line [u8], key: &Self::Key) -> Option<&'line [u8]>;
    /// The numbers in the rest of a line.
    fn counters(rest: &[u8]) -> Option<Self::Counters>;
    /// The record that they make.
    fn record(counters: &Self::Counters, view: Self::View) -> <Self::Table as Table>::Record;
}

/// The watched devices of one such file.
pub(crate) struct LineTable<F: Format> {
    lines: Result<Lines, Failure>,
    shown: PathBuf,
    devices: Vec<Device<F>>,
    by_key: HashMap<F::Key, usize>,
    /// The file's lines as they were last time: whose each was, and which watched device that is.
    layout: Vec<(F::Key, Option<usize>)>,
    round: u64,
}

/// A watched device. It may fill several rows: two definitions can name one device.
struct Device<F: Format> {
    rows: Vec<(usize, F::View)>,
    occupant: Occupant,
    /// The last round that found it.
    round: u64,
    failure: Option<Failure>,
}

impl<F: Format> LineTable<F> {
    pub(super) fn open(roots: &Roots, watched: impl IntoIterator<Item = (F::Key, usize, F::View)>) -> LineTable<F> {
        let mut devices: Vec<Device<F>> = Vec::new();
        let mut by_key = HashMap::new();
        for (key, row, view) in watched {
            let index = *by_key.entry(key).or_insert(devices.len());
            if index == devices.len() {
                devices.push(Device { rows: Vec::new(), occupant: Occupant::default(), round: 0, failure: None });
            }
            devices[index].rows.push((row, view));
        }
        let path = Path::new(F::PATH);
        let lines = roots.open_regular(path).map(Lines::new).map_err(Failure::from);
        LineTable { lines, shown: roots.shown(path), devices, by_key, layout: Vec::new(), round: 0 }
    }

    /// One pass over the file: fills the rows of each watched device that it has, until all are found.
    fn pass(&mut self, rows: &mut Rows<'_>, missing: &mut usize) -> Result<(), Failure> {
        let LineTable { lines, devices, by_key, layout, round, .. } = self;
        let lines = lines.as_mut().map_err(|failure| *failure)?;
        let mut position = 0;
        lines.for_each(|line, time| {
            let Some((index, rest)) = device_of::<F>(line, &mut position, layout, by_key) else {
                return ControlFlow::Continue(());
            };
            let device = &mut devices[index];
            device.fill(rows, F::counters(rest), time);
            *missing -= usize::from(device.round != *round);
            device.round = *round;
            if *missing == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

/// Which watched device a line belongs to, and the rest of the line.
#[inline]
fn device_of<'line, F: Format>(
    line: &'line [u8],
    position: &mut usize,
    layout: &mut Vec<(F::Key, Option<usize>)>,
    by_key: &HashMap<F::Key, usize>,
) -> Option<(usize, &'line [u8])> {
    if let Some((key, device)) = layout.get(*position)
        && let Some(rest) = F::rest_of(line, key)
    {
        *position += 1;
        return device.map(|device| (device, rest));
    }
    // A device came or went, or this is a heading. From here on the file is learnt anew.
    let (key, rest) = F::split(line)?;
    let device = by_key.get(&key).copied();
    layout.truncate(*position);
    layout.push((key, device));
    *position += 1;
    device.map(|device| (device, rest))
}

impl<F: Format> Device<F> {
    #[inline]
    fn fill(&mut self, rows: &mut Rows<'_>, counters: Option<F::Counters>, time: i64) {
        let generation = self.occupant.seen();
        let Some(counters) = counters else {
            return self.fail(rows, Failure::Malformed("a line without its numbers"), State::Unreadable, time);
        };
        self.failure = None;
        for (row, view) in &self.rows {
            let record = F::Table::stamped(F::record(&counters, *view), time, generation, State::Ok);
            rows.put(*row, record.as_ref());
        }
    }

    #[cold]
    fn fail(&mut self, rows: &mut Rows<'_>, failure: Failure, state: State, time: i64) {
        self.failure = Some(failure);
        let record = F::Table::stamped(F::Table::UNKNOWN, time, self.occupant.generation(), state);
        for (row, _) in &self.rows {
            rows.put(*row, record.as_ref());
        }
    }
}

impl<F: Format> Source for LineTable<F> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        self.round += 1;
        let mut missing = self.devices.len();
        let outcome = self.pass(rows, &mut missing);
        if missing == 0 {
            return;
        }
        let (time, round) = (monotonic_ns(), self.round);
        for device in self.devices.iter_mut().filter(|device| device.round != round) {
            match outcome {
                Ok(()) => {
                    device.occupant.lost();
                    device.fail(rows, Failure::Errno(Errno::NODEV), State::Gone, time);
                }
                Err(failure) => device.fail(rows, failure, State::Unreadable, time),
            }
        }
    }

    fn reopen(&mut self, roots: &Roots) -> usize {
        if self.lines.is_ok() {
            return 0;
        }
        self.lines = roots.open_regular(Path::new(F::PATH)).map(Lines::new).map_err(Failure::from);
        usize::from(self.lines.is_ok())
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let device = self.devices.iter().find(|device| device.rows.iter().any(|(own, _)| *own == row))?;
        device.failure.map(|failure| failure.error(self.shown.clone()))
    }
}
