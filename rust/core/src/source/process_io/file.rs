//! The open /proc/PID/io of one process.
//!
//! Each read needs permission to trace the process (ptrace_may_access): root, CAP_SYS_PTRACE, or the process's own
//! user. Once the process has ended and was reaped, the file returns ESRCH, even after another process gets the number.
//!
//! A read also takes the process's exec_update_lock (do_io_accounting, fs/proc/base.c; cred_guard_mutex before Linux
//! 5.7). execve() holds it while it closes descriptors: a process with a close-on-exec file on a FUSE file system holds
//! it until the server answers. Only a fatal signal ends the wait, which an exit of the reader is, too. Since Linux 7.2
//! a read of /proc/PID/stat takes the lock as well (do_task_stat, fs/proc/array.c).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use rustix::fs::fstat;
use rustix::io::{pread, retry_on_intr};

use crate::clock::monotonic_ns;
use crate::fields::block;
use crate::fork_guard::ForkGuard;
use crate::parse::process_io;
use crate::plan::ProcessIo;
use crate::roots::Roots;
use crate::source::Failure;

/// More than seven lines of 45 bytes.
const MAX_LENGTH: usize = 512;
/// /proc/PID/stat has 52 fields.
const MAX_STAT_LENGTH: usize = 4096;
/// A process whose read hung is left alone for this long after it returned. Each further hang doubles the time, so that
/// a process that hangs again and again delays polls ever more rarely.
const PAUSE_NS: i64 = 1_000_000_000;
/// The longest pause is 2^6 times the first.
const MAX_DOUBLINGS: u32 = 6;

/// `IoFile::turn`: nothing reads the file.
const IDLE: u8 = 0;
/// A thread reads it.
const READING: u8 = 1;
/// A thread reads it, and the poll that wanted it has gone on.
const HANGING: u8 = 2;

pub(super) type Outcome = Result<block::Record, Failure>;
type Opened = (PathBuf, Result<Arc<IoFile>, Failure>);

pub(super) struct IoFile {
    file: OwnedFd,
    /// /proc/PID/stat of the same process, until the start time was read from it, before the first counters.
    stat: Mutex<Option<OwnedFd>>,
    /// When the process was started.
    started: OnceLock<u64>,
    shown: PathBuf,
    /// The process that the row shows.
    process: ProcessIo,
    /// The user whose process it is.
    user: u32,
    turn: AtomicU8,
    /// How often a read hung.
    hangs: AtomicU32,
    /// When the pause after the last one ends.
    paused_until: AtomicI64,
    newest: Mutex<Newest>,
    /// In a fork of this process, the thread that reads the file does not exist.
    fork_guard: ForkGuard,
}

/// What the last read returned.
#[derive(Clone, Copy)]
pub(super) struct Newest {
    /// -1 before the first.
    pub(super) time: i64,
    pub(super) outcome: Outcome,
}

impl IoFile {
    /// Opens the file; also returns its path for messages. It is opened below a descriptor of /proc/PID, which belongs to
    /// one process for ever, and so is the file with the start time.
    pub(super) fn open(roots: &Roots, process: &ProcessIo) -> Opened {
        let folder = PathBuf::from(format!("/proc/{}", process.pid));
        let shown = roots.shown(&folder.join("io"));
        let file = match hanging_file(&shown, process) {
            Some(hanging) => Ok(hanging),
            None => IoFile::open_in(roots, &folder, process, &shown),
        };
        (shown, file)
    }

    fn open_in(roots: &Roots, folder: &Path, process: &ProcessIo, shown: &Path) -> Result<Arc<IoFile>, Failure> {
        let opened = roots.open_path(folder)?;
        let stat = match (roots.open_regular_in(&opened, folder, "stat"), process.started) {
            (Ok(stat), _) => Some(stat),
            (Err(_), None) => None,
            (Err(error), Some(_)) => return Err(error.into()),
        };
        Ok(Arc::new(IoFile {
            file: roots.open_regular_in(&opened, folder, "io")?,
            stat: Mutex::new(stat),
            started: OnceLock::new(),
            shown: shown.to_owned(),
            process: process.clone(),
            user: fstat(&opened)?.st_uid,
            turn: AtomicU8::new(IDLE),
            hangs: AtomicU32::new(0),
            paused_until: AtomicI64::new(0),
            newest: Mutex::new(Newest { time: -1, outcome: Ok(block::UNKNOWN) }),
            fork_guard: ForkGuard::new(),
        }))
    }

    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Known after the first read.
    pub(super) fn started(&self) -> Option<u64> {
        self.started.get().copied()
    }

    pub(super) fn user(&self) -> u32 {
        self.user
    }

    /// Whether it belongs to this process.
    pub(super) fn is_of(&self, process: &ProcessIo) -> bool {
        self.process == *process
    }

    pub(super) fn newest(&self) -> Newest {
        *self.lock()
    }

    pub(super) fn has_hung(&self) -> bool {
        self.hangs.load(Ordering::Relaxed) > 0
    }

    pub(super) fn hangs(&self) -> bool {
        self.turn.load(Ordering::Acquire) == HANGING
    }

    /// Whether a poll may have it read now.
    pub(super) fn is_due(&self, now: i64) -> bool {
        !self.hangs() && self.paused_until.load(Ordering::Relaxed) <= now
    }

    /// In the thread: reads the counters, by `read`. False if that took longer than the poll waits.
    pub(super) fn update(&self, read: impl FnOnce(&IoFile) -> Outcome) -> bool {
        if self.turn.compare_exchange(IDLE, READING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return true; // the thread of another poller reads it
        }
        let outcome = read(self);
        let time = monotonic_ns();
        *self.lock() = Newest { time, outcome };
        if self.turn.compare_exchange(READING, IDLE, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return true;
        }
        if outcome.is_ok() {
            self.pause(time);
        } // else it may have ended, which the next poll finds out at once
        self.turn.store(IDLE, Ordering::Release);
        false
    }

    fn pause(&self, now: i64) {
        let doublings = self.hangs.fetch_add(1, Ordering::Relaxed).min(MAX_DOUBLINGS);
        self.paused_until.store(now + (PAUSE_NS << doublings), Ordering::Relaxed);
    }

    /// In a poll whose deadline is over: no longer waits for it. Returns whether a thread was reading it.
    pub(super) fn give_up(self: &Arc<Self>) -> bool {
        let given_up = self.turn.compare_exchange(READING, HANGING, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if given_up {
            add_hanging_file(self);
        }
        given_up
    }

    /// Reads the counters, if they are those of the right process.
    pub(super) fn counters(&self) -> Outcome {
        if self.started.get().is_none() {
            self.verify()?;
        }
        let mut text = [0; MAX_LENGTH];
        let length = retry_on_intr(|| pread(&self.file, &mut text, 0))?;
        process_io::record(&text[..length]).ok_or(Failure::Malformed("not the I/O counters of a process"))
    }

    #[cold]
    fn verify(&self) -> Result<(), Failure> {
        let mut stat = self.stat.lock().unwrap_or_else(PoisonError::into_inner);
        let started = stat.as_ref().map(start_time).transpose();
        match (self.process.started, started) {
            (Some(expected), Ok(Some(started))) if expected != started => return Err(Failure::Replaced),
            (Some(_), Err(failure)) => return Err(failure),
            (_, Ok(Some(started))) => drop(self.started.set(started)),
            (_, Ok(None)) | (None, Err(_)) => {}
        }
        *stat = None;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_time(stat: &OwnedFd) -> Result<u64, Failure> {
    let mut text = [0; MAX_STAT_LENGTH];
    let length = retry_on_intr(|| pread(stat, &mut text, 0))?;
    process_io::start_time(&text[..length]).ok_or(Failure::Malformed("its /proc/PID/stat has no start time"))
}

/// The files whose read hangs, of all pollers of this process. A new poller shares them, so that each hanging process
/// costs one thread, however often a poller is opened for it.
static HANGING_FILES: Mutex<Vec<Weak<IoFile>>> = Mutex::new(Vec::new());

fn hanging_file(shown: &Path, process: &ProcessIo) -> Option<Arc<IoFile>> {
    let is_same = |file: &Arc<IoFile>| file.shown == shown && file.process == *process;
    let hangs = |file: &Arc<IoFile>| file.hangs() && file.fork_guard.is_same_process();
    // After a fork it may stay locked.
    let files = HANGING_FILES.try_lock().ok()?;
    files.iter().filter_map(Weak::upgrade).find(|file| is_same(file) && hangs(file))
}

fn add_hanging_file(file: &Arc<IoFile>) {
    if let Ok(mut files) = HANGING_FILES.try_lock() {
        files.retain(|known| known.upgrade().is_some_and(|known| known.hangs()));
        files.push(Arc::downgrade(file));
    }
}
