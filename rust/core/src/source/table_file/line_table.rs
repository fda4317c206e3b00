//! A kernel file with a line for each device (/proc/net/dev, /proc/diskstats), of which some are tracked.
//!
//! The order of the lines changes only when a device appears or disappears. So the device of each line is remembered:
//! usually a line is compared with one remembered key, nothing is hashed, the numbers of untracked lines are not
//! parsed, and reading ends with the last tracked line.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::identity::Identity;
use super::lines::Lines;
use crate::error::Error;
use crate::fields::Table;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::generation::RowGeneration;
use crate::source::net::namespace::THREAD_NET_DEV;
use crate::source::tracked_devices::TrackedDevices;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source};

/// A poll reads the file at most this often. A replaced device takes three reads: after the first its old number is
/// found to be gone, after the second its new one is looked up, after the third that is confirmed.
const MAX_READS: usize = 4;

/// How often the file is read to find out how long that takes.
const READS_TIMED: usize = 5;
/// The file may become so many times as long before another source is selected.
const MAX_GROWTH: usize = 4;

/// System calls for a file of one chunk: the second one returns 0.
const ONE_CHUNK: usize = 2;

/// The format of such a file.
pub(crate) trait Format: Send {
    /// The file's path.
    const PATH: &'static str;
    /// What names a device in the file.
    type Key: Clone + Eq + Hash + Send;
    /// In what the rows of one device may differ.
    type View: Copy + Send;
    /// The numbers of a line.
    type Counters;
    /// The table that they belong to.
    type Table: Table;
    /// What identifies the device of a line.
    type Identity: Identity<Self::Key>;

    /// The device of a line and the rest of the line; None for a heading.
    fn split(line: &[u8]) -> Option<(Self::Key, &[u8])>;
    /// The rest of the line if it is that device's; cheaper than `split`.
    fn rest_of<'line>(line: &'line [u8], key: &Self::Key) -> Option<&'line [u8]>;
    /// Parses the rest of a line: at least the counters in the first `size` bytes of the struct.
    fn counters(rest: &[u8], size: usize) -> Option<Self::Counters>;
    /// The record of the counters.
    fn record(counters: &Self::Counters, view: Self::View) -> <Self::Table as Table>::Record;
}

/// The file and its tracked devices.
pub(crate) struct LineTable<F: Format> {
    file: LineFile<F>,
    tracked: TrackedDevices<F::View>,
    /// By their index in `tracked`.
    keys: Vec<F::Key>,
    identity: Option<F::Identity>,
    why: String,
    /// System calls of the last poll.
    calls: usize,
    /// Those of the first one.
    first_calls: Option<usize>,
}

impl<F: Format> LineTable<F> {
    /// Without `identity`, equal keys are the same device. `why` says why this source was selected.
    pub(crate) fn new(
        mut file: LineFile<F>,
        mut tracked: TrackedDevices<F::View>,
        identity: Option<F::Identity>,
        why: String,
    ) -> LineTable<F> {
        let keys = file.keys();
        if let Some(identity) = &identity {
            // If the file cannot be read now, the devices are identified by the first poll that can read it.
            let _ = file.find(|device| {
                tracked.identify(device, identity.of(&keys[device], None));
                true
            });
        }
        LineTable { file, tracked, keys, identity, why, calls: 0, first_calls: None }
    }
}

impl<F: Format> Source for LineTable<F> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let LineTable { file, tracked, keys, identity, calls, first_calls, .. } = self;
        tracked.begin();
        let mut outcome = file.read(rows, tracked);
        *calls = file.calls();
        if let Some(identity) = identity
            && (identity.any_changed(calls) || tracked.has_unidentified())
        {
            let identify = |tracked: &mut TrackedDevices<F::View>, device: usize| {
                tracked.identify(device, identity.of(&keys[device], tracked.id(device)))
            };
            outcome = file.read_until_sure(rows, tracked, outcome, identify);
        }
        first_calls.get_or_insert(*calls);
        tracked.finish::<F::Table>(rows, outcome);
    }

    fn has_outgrown(&self) -> bool {
        self.first_calls.is_some_and(|first| self.calls > MAX_GROWTH * first)
    }

    fn reopening(&self) -> Option<Reopening> {
        self.file.reopening()
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        self.file.reopened(opened)
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.tracked.problem(row, &self.file.shown)
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration, Option<u64>)) {
        self.tracked.each_generation(each);
    }

    fn explain(&self) -> Explanation {
        let (source, rows) = (self.file.shown.display().to_string(), self.tracked.rows());
        Explanation { source, rows, system_calls: self.calls, why: self.why.clone() }
    }
}

fn lines_of(roots: &Roots, path: &str) -> Result<Lines, Failure> {
    Ok(Lines::new(roots.open_regular(Path::new(path))?))
}

/// The open file and the remembered order of its lines.
pub(crate) struct LineFile<F: Format> {
    path: String,
    lines: Result<Lines, Failure>,
    pub(crate) shown: PathBuf,
    by_key: HashMap<F::Key, usize>,
    /// The lines of the last read: the key of each, and its tracked device.
    layout: Vec<(F::Key, Option<usize>)>,
}

impl<F: Format> LineFile<F> {
    /// Opens `path` for the tracked devices of `by_key`.
    pub(crate) fn open(roots: &Roots, path: &str, by_key: HashMap<F::Key, usize>) -> LineFile<F> {
        let shown = roots.shown(Path::new(path));
        LineFile { path: path.to_owned(), lines: lines_of(roots, path), shown, by_key, layout: Vec::new() }
    }

    /// See `Source::reopening`.
    pub(crate) fn reopening(&self) -> Option<Reopening> {
        // /proc/thread-self of another thread is another file.
        if self.lines.is_ok() || self.path == THREAD_NET_DEV {
            return None;
        }
        let path = self.path.clone();
        Some(Box::new(move |roots| Box::new(lines_of(roots, &path))))
    }

    /// See `Source::reopened`.
    pub(crate) fn reopened(&mut self, opened: Reopened) -> usize {
        let (Err(_), Ok(lines)) = (&self.lines, opened.downcast()) else { return 0 };
        self.lines = *lines;
        usize::from(self.lines.is_ok())
    }

    /// How long it takes to find `tracked` devices, at best: the first read warms caches, and any may be interrupted.
    pub(crate) fn time_to_read(&mut self, tracked: usize) -> Duration {
        shortest(READS_TIMED, || {
            let mut missing = tracked;
            let _ = self.find(|_| {
                missing -= 1;
                missing > 0
            });
        })
    }

    /// Calls `wanted` with each tracked device that has a line, until it returns false.
    pub(crate) fn find(&mut self, mut wanted: impl FnMut(usize) -> bool) -> Result<(), Failure> {
        self.each(|device, _, _| if wanted(device) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    /// Fills the rows of each tracked device that has a line, until all are found.
    ///
    /// The kernel prints a chunk at a time and continues by the number of lines printed: a device that disappears in
    /// between makes it skip another one (class_dev_iter of /proc/diskstats; /proc/net/dev before Linux 6.8). So if a
    /// device is missing for the first time, the file is read once more.
    pub(crate) fn read(&mut self, rows: &mut Rows<'_>, tracked: &mut TrackedDevices<F::View>) -> Result<(), Failure> {
        let outcome = self.read_once(rows, tracked);
        if outcome.is_err() || self.calls() <= ONE_CHUNK || !tracked.has_lost_one() {
            return outcome;
        }
        let first = self.calls();
        tracked.begin();
        let outcome = self.read_once(rows, tracked);
        if let Ok(lines) = &mut self.lines {
            lines.calls += first;
        }
        outcome
    }

    #[inline(never)]
    fn read_once(&mut self, rows: &mut Rows<'_>, tracked: &mut TrackedDevices<F::View>) -> Result<(), Failure> {
        self.each(|device, rest, time| {
            let counters = F::counters(rest, rows.size());
            let record = counters.as_ref().map(|counters| |view| F::record(counters, view));
            tracked.fill::<F::Table>(device, rows, time, record);
            if tracked.all_found() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// Checks, after a `read`, that each device found is still the same one, and reads again while one has been
    /// replaced: its counters may belong to either. A device that is replaced after every read is not found.
    #[cold]
    pub(crate) fn read_until_sure(
        &mut self,
        rows: &mut Rows<'_>,
        tracked: &mut TrackedDevices<F::View>,
        mut outcome: Result<(), Failure>,
        mut identify: impl FnMut(&mut TrackedDevices<F::View>, usize) -> bool,
    ) -> Result<(), Failure> {
        for reads in 1.. {
            let mut all_same = true;
            for device in 0..tracked.len() {
                all_same &= tracked.is_missing(device) || identify(tracked, device);
            }
            if all_same || reads == MAX_READS {
                break;
            }
            tracked.begin();
            outcome = self.read(rows, tracked);
        }
        outcome
    }

    /// The keys, by the index of their device.
    fn keys(&self) -> Vec<F::Key> {
        let mut keys: Vec<(usize, &F::Key)> = self.by_key.iter().map(|(key, device)| (*device, key)).collect();
        keys.sort_unstable_by_key(|(device, _)| *device);
        keys.into_iter().map(|(_, key)| key.clone()).collect()
    }

    /// System calls of the last read.
    fn calls(&self) -> usize {
        self.lines.as_ref().map_or(0, |lines| lines.calls)
    }

    /// Calls `each` with the lines of tracked devices: the device, the rest of the line, and the time of the read.
    #[inline]
    fn each(&mut self, mut each: impl FnMut(usize, &[u8], i64) -> ControlFlow<()>) -> Result<(), Failure> {
        let LineFile { lines, by_key, layout, .. } = self;
        let lines = lines.as_mut().map_err(|failure| *failure)?;
        let mut position = 0;
        lines.for_each(|line, time| match device_of::<F>(line, &mut position, layout, by_key) {
            Some((device, rest)) => each(device, rest, time),
            None => ControlFlow::Continue(()),
        })
    }
}

/// The shortest time of several runs.
fn shortest(runs: usize, mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..runs).map(time).min().unwrap_or_default()
}

/// The tracked device of a line, and the rest of the line. The compiler would not inline it into both users of `each`,
/// which would cost 5 % more instructions.
#[inline(always)]
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
    // A heading, or the order has changed: remember the rest of the file again.
    let (key, rest) = F::split(line)?;
    let device = by_key.get(&key).copied();
    layout.truncate(*position);
    layout.push((key, device));
    *position += 1;
    device.map(|device| (device, rest))
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn one_fast_run_of_several_is_enough() {
        let late = Duration::from_millis(100);
        let mut runs = 0;
        let shortest = shortest(READS_TIMED, || {
            runs += 1;
            if runs != 3 {
                sleep(late);
            }
        });
        assert!(runs == READS_TIMED && shortest < late);
    }
}
