//! The open /proc/PID/io of one process.
//!
//! Each read needs permission to trace the process (ptrace_may_access): root, CAP_SYS_PTRACE, or the process's own
//! user. Once the process has ended and was reaped, the file returns ESRCH, even after another process gets the number.
//!
//! A read also takes the process's exec_update_lock (do_io_accounting, fs/proc/base.c; cred_guard_mutex before Linux
//! 5.7). execve() holds it while it closes descriptors: a process with a close-on-exec file on a FUSE file system holds
//! it until the server answers. Only a fatal signal ends the wait, which an exit of the reader is, too.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::fstat;
use rustix::io::{pread, retry_on_intr};

use crate::clock::monotonic_ns;
use crate::fields::block;
use crate::fork_guard::ForkGuard;
use crate::parse::process_io::{self, MAX_STAT_LENGTH};
use crate::plan::ProcessIo;
use crate::roots::Roots;
use crate::source::Failure;

/// More than seven lines of 45 bytes.
const MAX_LENGTH: usize = 512;
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
    shown: PathBuf,
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
    /// Opens the file; also returns its path for messages. The start time is read below the same descriptor of
    /// /proc/PID, which belongs to one process for ever.
    pub(super) fn open(roots: &Roots, process: &ProcessIo) -> Opened {
        let folder = PathBuf::from(format!("/proc/{}", process.pid));
        let shown = roots.shown(&folder.join("io"));
        let file = IoFile::open_in(roots, &folder, process, &shown);
        (shown, file)
    }

    fn open_in(roots: &Roots, folder: &Path, process: &ProcessIo, shown: &Path) -> Result<Arc<IoFile>, Failure> {
        let opened = roots.open_path(folder)?;
        let started = start_time(roots, &opened, folder);
        if let Some(expected) = process.started
            && started? != expected
        {
            return Err(Failure::Replaced);
        }
        let process = ProcessIo { pid: process.pid, started: started.ok() };
        if let Some(hanging) = hanging_file(shown, &process) {
            return Ok(hanging);
        }
        Ok(Arc::new(IoFile {
            file: roots.open_regular_in(&opened, folder, "io")?,
            shown: shown.to_owned(),
            process,
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

    pub(super) fn started(&self) -> Option<u64> {
        self.process.started
    }

    pub(super) fn user(&self) -> u32 {
        self.user
    }

    /// Whether it belongs to this process.
    pub(super) fn is_of(&self, process: &ProcessIo) -> bool {
        self.process.pid == process.pid && (process.started.is_none() || process.started == self.process.started)
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

    pub(super) fn counters(&self) -> Outcome {
        let mut text = [0; MAX_LENGTH];
        let length = retry_on_intr(|| pread(&self.file, &mut text, 0))?;
        process_io::record(&text[..length]).ok_or(Failure::Malformed("not the I/O counters of a process"))
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_time(roots: &Roots, opened: &OwnedFd, folder: &Path) -> Result<u64, Failure> {
    const MALFORMED: Failure = Failure::Malformed("its /proc/PID/stat has no start time");
    let mut text = Vec::new();
    let stat = File::from(roots.open_regular_in(opened, folder, "stat")?);
    stat.take(MAX_STAT_LENGTH).read_to_end(&mut text).map_err(|_| MALFORMED)?;
    process_io::start_time(&text).ok_or(MALFORMED)
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
