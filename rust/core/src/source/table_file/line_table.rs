//! A kernel file with a line for each device (/proc/net/dev, /proc/diskstats), of which some are tracked.
//!
//! The order of the lines changes only when a device appears or disappears. So the device of each line is remembered:
//! usually a line is compared with one remembered key, nothing is hashed, the numbers of untracked lines are not
//! parsed, and reading ends with the last tracked line.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::Lines;
use crate::error::Error;
use crate::fields::Table;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::identity::generation::RowGeneration;
use crate::source::identity::numbering::Identity;
use crate::source::identity::tracked_devices::TrackedDevices;
use crate::source::identity::verified_read::read_verified;
use crate::source::net::namespace::{self, THREAD_NET_DEV};
use crate::source::{Explanation, Failure, Reopened, Reopening, Source};

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
    /// What numbers the devices of the lines.
    type Identity: Identity<Key = Self::Key> + 'static;

    /// Numbers the devices of the file at `path`; None if nothing can, or it need not.
    fn identity(roots: &Arc<Roots>, path: &str) -> Option<Self::Identity>;

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
    tracked: TrackedDevices<F::Key, F::View>,
    identity: Option<F::Identity>,
    why: String,
    /// System calls of the last poll.
    calls: usize,
    /// Those of the first reading of the file.
    first_calls: Option<usize>,
}

impl<F: Format + 'static> LineTable<F> {
    /// Opens the file at `path`. Without `namespace` it can be opened again by any thread. `why` says why this source
    /// was selected.
    pub(crate) fn open(
        roots: &Arc<Roots>,
        path: &str,
        namespace: Option<&Path>,
        tracked: TrackedDevices<F::Key, F::View>,
        why: String,
    ) -> LineTable<F> {
        let mut table = LineTable::open_unnumbered(roots, path, tracked, why);
        table.file.namespace = namespace.map(Path::to_owned);
        // Opened before the devices are checked, it announces all later changes.
        table.identity = F::identity(roots, path);
        table.identify();
        table
    }

    /// As `open`, of a namespace that cannot be entered yet: it is, when the file is opened again.
    pub(crate) fn open_later(
        roots: &Roots,
        path: &str,
        namespace: &Path,
        tracked: TrackedDevices<F::Key, F::View>,
        failure: Failure,
        why: String,
    ) -> LineTable<F> {
        let mut table = LineTable::open_unnumbered(roots, path, tracked, why);
        (table.file.namespace, table.file.lines) = (Some(namespace.to_owned()), Err(failure));
        table
    }

    /// As `open`, but equal keys are the same device: nothing can tell.
    pub(crate) fn open_unnumbered(
        roots: &Roots,
        path: &str,
        tracked: TrackedDevices<F::Key, F::View>,
        why: String,
    ) -> LineTable<F> {
        let file = LineFile::open(roots, path, &tracked);
        LineTable { file, tracked, identity: None, why, calls: 0, first_calls: None }
    }

    fn identify(&mut self) {
        if let Some(identity) = &self.identity {
            self.file.identify(&mut self.tracked, identity);
        }
    }
}

impl<F: Format + 'static> Source for LineTable<F> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let LineTable { file, tracked, identity, calls, .. } = self;
        *calls = 0;
        let outcome = read_verified(identity.as_mut(), tracked, rows, calls, |rows, tracked, calls| {
            let outcome = file.read(rows, tracked);
            *calls += file.calls();
            outcome
        });
        tracked.finish::<F::Table>(rows, outcome);
        self.first_calls.get_or_insert(self.file.calls());
    }

    fn has_outgrown(&self) -> bool {
        self.first_calls.is_some_and(|first| self.file.calls() > MAX_GROWTH * first)
    }

    fn reopening(&self) -> Option<Reopening> {
        let is_short = self.identity.as_ref().is_some_and(Identity::is_short);
        let was_not_entered = self.file.namespace.is_some() && self.file.lines.is_err();
        if !is_short && !was_not_entered {
            return self.file.reopening();
        }
        // Both, so that they are of one network namespace.
        let (path, namespace) = (self.file.path.clone(), self.file.namespace.clone());
        Some(Box::new(move |roots| {
            let open = || (lines_of(roots, &path), F::identity(roots, &path));
            let both = match &namespace {
                None => Ok(open()),
                Some(namespace) => namespace::within(roots, namespace, open),
            };
            Box::new(both.ok())
        }))
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let opened = match opened.downcast::<Option<(Result<Lines, Failure>, Option<F::Identity>)>>() {
            Err(opened) => return self.file.reopened(opened),
            Ok(opened) => *opened,
        };
        let (Some((lines @ Ok(_), identity)), true) = (opened, self.reopening().is_some()) else { return 0 };
        self.file.lines = lines;
        self.identity = identity;
        self.tracked.missed_changes::<F::Identity>();
        self.identify();
        1
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.tracked.problem(row, &self.file.shown)
    }

    fn catch_up(&mut self) {
        if let Some(identity) = &mut self.identity {
            self.tracked.drain(identity, &mut 0);
        }
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.tracked.each_generation(each);
    }

    fn explain(&self) -> Explanation {
        let (source, rows) = (self.file.shown.display().to_string(), self.tracked.rows());
        Explanation { source, rows, system_calls: self.calls, why: self.why.clone() }
    }
}

fn lines_of(roots: &Roots, path: &str) -> Result<Lines, Failure> {
    Ok(Lines::new(namespace::open_net_dev(roots, path)?))
}

/// The open file and the remembered order of its lines.
pub(crate) struct LineFile<F: Format> {
    path: String,
    /// The network namespace of the thread that opened it, if that was not the machine's.
    namespace: Option<PathBuf>,
    lines: Result<Lines, Failure>,
    pub(crate) shown: PathBuf,
    by_key: HashMap<F::Key, usize>,
    /// The lines of the last read: the key of each, and its tracked device.
    layout: Vec<(F::Key, Option<usize>)>,
}

impl<F: Format> LineFile<F> {
    /// Opens `path`, in the network namespace of the calling thread.
    pub(crate) fn open(roots: &Roots, path: &str, tracked: &TrackedDevices<F::Key, F::View>) -> LineFile<F> {
        LineFile {
            path: path.to_owned(),
            namespace: None,
            lines: lines_of(roots, path),
            shown: roots.shown(Path::new(path)),
            by_key: tracked.keys().cloned().enumerate().map(|(device, key)| (key, device)).collect(),
            layout: Vec::new(),
        }
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

    /// Checks the devices that the file has now. If it cannot be read, the first poll that can read it checks them.
    pub(crate) fn identify(&mut self, tracked: &mut TrackedDevices<F::Key, F::View>, identity: &F::Identity) {
        tracked.are_numbered();
        let _ = self.find(|device| {
            tracked.appeared(device);
            true
        });
        tracked.check(identity);
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
    pub(crate) fn read(
        &mut self,
        rows: &mut Rows<'_>,
        tracked: &mut TrackedDevices<F::Key, F::View>,
    ) -> Result<(), Failure> {
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
    fn read_once(&mut self, rows: &mut Rows<'_>, tracked: &mut TrackedDevices<F::Key, F::View>) -> Result<(), Failure> {
        self.each(|device, rest, time| {
            let counters = F::counters(rest, rows.size());
            let record = counters.as_ref().map(|counters| |view| F::record(counters, view));
            tracked.fill::<F::Table>(device, rows, time, record);
            if tracked.all_found() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// System calls of the last read.
    pub(crate) fn calls(&self) -> usize {
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
