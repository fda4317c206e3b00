//! The I/O of processes (/proc/PID/io), read by a thread, since the kernel may block a read for as long as the process
//! wants (see `file.rs`).
//!
//! A poll has the thread read all files in one go, and waits until a deadline. A file that blocks the thread is left to
//! it, and the next poll starts another thread for the others. Processes that have blocked a thread before are read
//! last, so that they cost the others nothing.

mod file;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::file::{IoFile, Newest, Outcome};
use super::worker::Worker;
use super::{Explanation, Failure, OpenHandle, OpenHandles, Reopened, Reopening, Source};
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::{Table, block};
use crate::plan::ProcessIo;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::generation::RowGeneration;
use crate::state::State;

/// A poll waits this long, and for each file this much longer, before it finds out whether the thread hangs. Reading a
/// file takes some microseconds.
const DEADLINE: Duration = Duration::from_millis(10);
const DEADLINE_OF_A_FILE: Duration = Duration::from_micros(50);
/// It waits this long for a thread that does not hang: a busy machine runs it late.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Threads that hang at once. While there are so many, nothing is read.
const MAX_HANGING: usize = 64;
/// Of the processes of one user; then its others are not read, and everybody else's are.
const MAX_HANGING_OF_A_USER: usize = 16;

const HANGS: Failure = Failure::Malformed(
    "reading it hangs, since an execve() of the process holds its lock: it is read again some time after that is over",
);
const LATE: Failure = Failure::Malformed("it was not read before the poll's deadline");
const TOO_MANY: Failure = Failure::Malformed("it is not read while so many reads of its user's processes hang");

type ReadFile = Arc<dyn Fn(&IoFile) -> Outcome + Send + Sync>;

pub(crate) struct ProcessIos {
    rows: Vec<Row>,
    read_file: ReadFile,
    /// None until the first poll, and after the thread was left to a file that blocks it.
    worker: Option<Worker<Vec<Arc<IoFile>>, ()>>,
    /// The users of the files that hang.
    hanging: Vec<u32>,
    /// System calls of the last poll.
    calls: usize,
}

struct Row {
    row: usize,
    process: ProcessIo,
    shown: PathBuf,
    /// Shared with the thread and the previous plan.
    file: Result<Arc<IoFile>, Failure>,
    failure: Option<Failure>,
    generation: RowGeneration,
}

impl ProcessIos {
    /// Opens the files that are not among the `open` handles.
    pub(crate) fn open(
        roots: &Roots,
        processes: impl IntoIterator<Item = (ProcessIo, usize)>,
        open: &mut OpenHandles,
    ) -> ProcessIos {
        let row = |(process, row): (ProcessIo, usize)| {
            let opened = open.remove(&row).and_then(|handle| handle.downcast::<Arc<IoFile>>().ok());
            let (shown, file) = match opened.filter(|file| file.is_of(&process)) {
                Some(file) => (file.shown().to_owned(), Ok(*file)),
                None => IoFile::open(roots, &process),
            };
            let failure = file.as_ref().err().copied();
            let mut row = Row { row, process, shown, file, failure, generation: RowGeneration::default() };
            row.identify();
            row
        };
        let rows = processes.into_iter().map(row).collect();
        let hanging = Vec::with_capacity(MAX_HANGING);
        ProcessIos { rows, read_file: Arc::new(IoFile::counters), worker: None, hanging, calls: 0 }
    }

    /// Has the files read that may be read now, those that never hung first. Waits for no file that hangs.
    fn read_files(&mut self, now: i64) -> Result<(), Failure> {
        self.hanging.clear();
        let hanging = self.rows.iter().filter_map(Row::file).filter(|file| file.hangs());
        self.hanging.extend(hanging.map(|file| file.user()).take(MAX_HANGING));
        let ProcessIos { rows, worker, hanging, read_file, .. } = self;
        let files = || rows.iter().filter_map(Row::file);
        let due = || files().filter(|file| file.is_due(now) && !are_too_many(hanging, file.user()));
        let count = u32::try_from(due().count()).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(());
        }
        let running = match worker {
            Some(running) => running,
            None => worker.insert(start(read_file)?),
        };
        let deadline = DEADLINE + DEADLINE_OF_A_FILE * count;
        let begin = Instant::now();
        while begin.elapsed() < MAX_WAIT {
            let answered = running.call(deadline, |request| {
                request.clear();
                request.extend(due().filter(|file| !file.has_hung()).cloned());
                request.extend(due().filter(|file| file.has_hung()).cloned());
            });
            if answered.is_some() {
                return Ok(());
            }
            if running.sleeps() && files().any(IoFile::give_up) {
                // The thread ends by itself when the file returns.
                *worker = None;
                return Ok(());
            }
            running.wait_for_answer(deadline);
        }
        Ok(())
    }
}

fn start(read_file: &ReadFile) -> Result<Worker<Vec<Arc<IoFile>>, ()>, Failure> {
    let read_file = Arc::clone(read_file);
    Worker::start("vmiostat-io", None, move |files: &Vec<Arc<IoFile>>, (): &mut ()| {
        for file in files {
            if !file.update(&*read_file) {
                return; // this thread was given up
            }
        }
    })
}

/// Whether no more files of a user are read; `hanging` are the users of those that hang.
fn are_too_many(hanging: &[u32], user: u32) -> bool {
    let of_user = hanging.iter().filter(|own| **own == user).count();
    hanging.len() >= MAX_HANGING || of_user >= MAX_HANGING_OF_A_USER
}

impl Source for ProcessIos {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let begin = monotonic_ns();
        let outcome = self.read_files(begin);
        self.calls = 0;
        for row in &mut self.rows {
            let newest = row.file.as_ref().map(|file| file.newest()).map_err(|failure| *failure);
            let record = match newest {
                Ok(Newest { time, outcome }) if time >= begin => {
                    self.calls += 1;
                    row.fresh(time, outcome)
                }
                Ok(newest) => {
                    let why = row.why_not_read(begin, &self.hanging);
                    row.stale(newest, outcome.err().unwrap_or(why))
                }
                Err(failure) => row.failed(monotonic_ns(), failure),
            };
            rows.put(row.row, record.as_ref());
        }
    }

    fn reopening(&self) -> Option<Reopening> {
        let missing = self.rows.iter().enumerate().filter(|(_, row)| row.file.is_err());
        let missing: Vec<_> = missing.map(|(place, row)| (place, row.process.clone())).collect();
        if missing.is_empty() {
            return None;
        }
        let open = |roots: &Roots, (place, process)| (place, IoFile::open(roots, &process));
        Some(Box::new(move |roots| Box::new(missing.into_iter().map(|one| open(roots, one)).collect::<Vec<_>>())))
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Ok(opened) = opened.downcast::<Vec<(usize, (PathBuf, Result<Arc<IoFile>, Failure>))>>() else { return 0 };
        let mut count = 0;
        for (place, (shown, file)) in *opened {
            let row = &mut self.rows[place];
            // Another thread may have reopened it already.
            if row.file.is_err() {
                count += usize::from(file.is_ok());
                (row.shown, row.file) = (shown, file);
                row.identify();
            }
        }
        count
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let row = self.rows.iter().find(|own| own.row == row)?;
        row.failure.map(|failure| failure.error(row.shown.clone()))
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.rows.iter_mut().for_each(|row| each(row.row, &mut row.generation));
    }

    fn each_handle(&self, each: &mut dyn FnMut(usize, OpenHandle)) {
        for Row { row, file, .. } in &self.rows {
            if let Ok(file) = file {
                each(*row, Box::new(Arc::clone(file)));
            }
        }
    }

    fn explain(&self) -> Explanation {
        let first = self.rows.first().map_or_else(String::new, |row| row.shown.display().to_string());
        let others = self.rows.len().saturating_sub(1);
        Explanation {
            source: if others == 0 { first } else { format!("{first} and {others} more") },
            rows: self.rows.len(),
            system_calls: self.calls,
            why: "the I/O of a process, read by a thread, since an execve() of the process can block the read. The \
                  thread's system calls are counted, waking it and waiting for it are not"
                .to_owned(),
        }
    }
}

impl Row {
    fn file(&self) -> Option<&Arc<IoFile>> {
        self.file.as_ref().ok()
    }

    /// The thread reads the start time before the first counters.
    fn identify(&mut self) {
        if let Some(started) = self.file().and_then(|file| file.started()) {
            self.generation.becomes(DeviceId::Process { pid: self.process.pid, started });
        }
    }

    fn fresh(&mut self, time: i64, outcome: Outcome) -> block::Record {
        match outcome {
            Ok(counters) => {
                self.failure = None;
                self.identify();
                block::Table::stamped(counters, time, self.generation.seen(), State::Ok)
            }
            Err(failure) => self.failed(time, failure),
        }
    }

    #[cold]
    fn failed(&mut self, time: i64, failure: Failure) -> block::Record {
        self.failure = Some(failure);
        if failure.state() == State::Gone {
            self.generation.lost();
            // The file of an ended process never returns: close it, and let `reopen` try again.
            self.file = Err(failure);
        }
        block::Table::stamped(block::UNKNOWN, time, self.generation.number(), failure.state())
    }

    /// The last numbers, of a file that this poll has not read.
    #[cold]
    fn stale(&mut self, Newest { time, outcome }: Newest, why: Failure) -> block::Record {
        self.failure = Some(why);
        match outcome {
            Ok(counters) if time >= 0 => block::Table::stamped(counters, time, self.generation.seen(), State::Stale),
            _ => block::Table::stamped(block::UNKNOWN, -1, self.generation.number(), State::Stale),
        }
    }

    #[cold]
    fn why_not_read(&self, now: i64, hanging: &[u32]) -> Failure {
        match self.file() {
            Some(file) if !file.is_due(now) => HANGS,
            Some(file) if are_too_many(hanging, file.user()) => TOO_MANY,
            _ => LATE,
        }
    }
}
