//! A file of the kernel's that has a line a device (/proc/net/dev, /proc/diskstats), of which some lines are watched.
//!
//! The kernel prints the lines in an order that only changes when a device comes or goes. So which device each line was
//! last time is remembered: in a steady poll a line is compared with one remembered key, nothing is hashed, the numbers of
//! lines that are not watched are not even looked at, and the reading ends with the last line that is watched.

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
use crate::source::generation::Occupant;
use crate::source::tracked_devices::Watched;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source};

/// So often the file is read in one poll at most. A device that is made anew takes three: its line is another's, its number
/// is learnt, and it still has it.
const TRIES: usize = 4;

/// System calls that read a file of one piece to its end: the last one gives nothing.
const ONE_PIECE: usize = 2;

/// How such a file is written.
pub(crate) trait Format: Send {
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
    /// What tells which device a line is of.
    type Identity: Identity<Self::Key>;

    /// Whose line it is, and the rest of it; none for a heading.
    fn split(line: &[u8]) -> Option<(Self::Key, &[u8])>;
    /// The rest of the line if it is that device's, found with less work than `split`.
    fn rest_of<'line>(line: &'line [u8], key: &Self::Key) -> Option<&'line [u8]>;
    /// The numbers in the rest of a line, as far as they stand in the first `size` bytes of the struct.
    fn counters(rest: &[u8], size: usize) -> Option<Self::Counters>;
    /// The record that they make.
    fn record(counters: &Self::Counters, view: Self::View) -> <Self::Table as Table>::Record;
}

/// Such a file and its watched devices.
pub(crate) struct LineTable<F: Format> {
    file: LineFile<F>,
    watched: Watched<F::View>,
    /// By their number in `watched`.
    keys: Vec<F::Key>,
    identity: Option<F::Identity>,
    why: String,
    /// System calls of the last poll.
    calls: usize,
}

impl<F: Format> LineTable<F> {
    /// Without `identity` a device is its key. `why` this way was chosen, for who asks.
    pub(crate) fn new(
        mut file: LineFile<F>,
        mut watched: Watched<F::View>,
        identity: Option<F::Identity>,
        why: String,
    ) -> LineTable<F> {
        let keys = file.keys();
        if let Some(identity) = &identity {
            // Where the file cannot be read now, they are looked up when it is.
            let _ = file.find(|device| {
                watched.identify(device, identity.of(&keys[device], None));
                true
            });
        }
        LineTable { file, watched, keys, identity, why, calls: 0 }
    }
}

impl<F: Format> Source for LineTable<F> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let LineTable { file, watched, keys, identity, calls, .. } = self;
        watched.begin();
        let mut outcome = file.read(rows, watched);
        *calls = file.calls();
        if let Some(identity) = identity
            && (identity.any_changed(calls) || watched.has_unknown())
        {
            let is_same = |watched: &mut Watched<F::View>, device: usize| {
                watched.identify(device, identity.of(&keys[device], watched.id(device)))
            };
            outcome = file.read_until_sure(rows, watched, outcome, is_same);
        }
        watched.finish::<F::Table>(rows, outcome);
    }

    fn reopening(&self) -> Option<Reopening> {
        self.file.reopening()
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        self.file.reopened(opened)
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.watched.problem(row, &self.file.shown)
    }

    fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {
        self.watched.each_occupant(each);
    }

    fn explain(&self) -> Explanation {
        let (source, rows) = (self.file.shown.display().to_string(), self.watched.rows());
        Explanation { source, rows, system_calls: self.calls, why: self.why.clone() }
    }
}

fn lines_of(roots: &Roots, path: &str) -> Result<Lines, Failure> {
    Ok(Lines::new(roots.open_regular(Path::new(path))?))
}

/// The open file, and what is remembered of its lines.
pub(crate) struct LineFile<F: Format> {
    path: String,
    lines: Result<Lines, Failure>,
    pub(crate) shown: PathBuf,
    by_key: HashMap<F::Key, usize>,
    /// The lines as they were last time: whose each was, and which watched device that is.
    layout: Vec<(F::Key, Option<usize>)>,
}

impl<F: Format> LineFile<F> {
    /// Opens `path` to watch the devices that `by_key` leads to.
    pub(crate) fn open(roots: &Roots, path: &str, by_key: HashMap<F::Key, usize>) -> LineFile<F> {
        let shown = roots.shown(Path::new(path));
        LineFile { path: path.to_owned(), lines: lines_of(roots, path), shown, by_key, layout: Vec::new() }
    }

    /// See `Source::reopening`.
    pub(crate) fn reopening(&self) -> Option<Reopening> {
        // What a thread opened elsewhere as its own would be another file here.
        if self.lines.is_ok() || self.path == crate::source::net::namespace::PROC_NET_DEV {
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

    /// How long it takes to look for `watched` devices; the second time, when the kernel has its data at hand.
    pub(crate) fn time_to_read(&mut self, watched: usize) -> Duration {
        let mut start = Instant::now();
        for _ in 0..2 {
            start = Instant::now();
            let mut missing = watched;
            let _ = self.find(|_| {
                missing -= 1;
                missing > 0
            });
        }
        start.elapsed()
    }

    /// Tells of each watched device that has a line, while it is wanted.
    pub(crate) fn find(&mut self, mut wanted: impl FnMut(usize) -> bool) -> Result<(), Failure> {
        self.each(|device, _, _| if wanted(device) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    /// Fills the rows of each watched device that has a line, until all are found.
    ///
    /// The kernel prints a piece at a time, and the next one from the number of lines on that it has printed: a device that
    /// leaves in between makes it pass over another one (class_dev_iter of /proc/diskstats; /proc/net/dev before Linux 6.8).
    /// So what is missing for the first time is looked for once more.
    pub(crate) fn read(&mut self, rows: &mut Rows<'_>, watched: &mut Watched<F::View>) -> Result<(), Failure> {
        let outcome = self.read_once(rows, watched);
        if outcome.is_err() || self.calls() <= ONE_PIECE || !watched.has_lost_one() {
            return outcome;
        }
        let first = self.calls();
        watched.begin();
        let outcome = self.read_once(rows, watched);
        if let Ok(lines) = &mut self.lines {
            lines.calls += first;
        }
        outcome
    }

    #[inline(never)]
    fn read_once(&mut self, rows: &mut Rows<'_>, watched: &mut Watched<F::View>) -> Result<(), Failure> {
        self.each(|device, rest, time| {
            let counters = F::counters(rest, rows.size());
            let record = counters.as_ref().map(|counters| |view| F::record(counters, view));
            watched.fill::<F::Table>(device, rows, time, record);
            if watched.all_found() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// After a `read`: is each device that it found still the one that its line was taken for? While one is not, whose
    /// numbers it has read is not known, and so it reads again; one that changes every time is not found.
    #[cold]
    pub(crate) fn read_until_sure(
        &mut self,
        rows: &mut Rows<'_>,
        watched: &mut Watched<F::View>,
        mut outcome: Result<(), Failure>,
        mut is_same: impl FnMut(&mut Watched<F::View>, usize) -> bool,
    ) -> Result<(), Failure> {
        for try_number in 1.. {
            let mut all_same = true;
            for device in 0..watched.len() {
                all_same &= watched.is_missing(device) || is_same(watched, device);
            }
            if all_same || try_number == TRIES {
                break;
            }
            watched.begin();
            outcome = self.read(rows, watched);
        }
        outcome
    }

    /// The watched devices, by their number.
    fn keys(&self) -> Vec<F::Key> {
        let mut keys: Vec<(usize, &F::Key)> = self.by_key.iter().map(|(key, device)| (*device, key)).collect();
        keys.sort_unstable_by_key(|(device, _)| *device);
        keys.into_iter().map(|(_, key)| key.clone()).collect()
    }

    /// System calls of the last reading.
    fn calls(&self) -> usize {
        self.lines.as_ref().map_or(0, |lines| lines.calls)
    }

    /// Hands out the lines of watched devices: whose it is, the rest of it, and when it was read.
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

/// Which watched device a line belongs to, and the rest of the line. Always inlined: with two users of `each` the compiler
/// would not, for a twentieth more instructions.
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
    // A device came or went, or this is a heading. From here on the file is learnt anew.
    let (key, rest) = F::split(line)?;
    let device = by_key.get(&key).copied();
    layout.truncate(*position);
    layout.push((key, device));
    *position += 1;
    device.map(|device| (device, rest))
}
