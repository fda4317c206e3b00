//! The I/O of processes (/proc/PID/io), read by a thread, since the kernel may block a read for as long as the process
//! wants (see `file.rs`).
//!
//! A poll has the thread read all files in one go, and waits until a deadline. A file that blocks the thread is left to
//! it, and the next poll starts another thread for the others. Processes that have blocked a thread before are read
//! last, so that they cost the others nothing.

mod file;

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
use crate::source::generation::RowGeneration;
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
            Row { row, process, shown, file, failure, generation: RowGeneration::default() }
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
            }
        }
        count
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let row = self.rows.iter().find(|own| own.row == row)?;
        row.failure.map(|failure| failure.error(row.shown.clone()))
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration, Option<u64>)) {
        for Row { row, file, generation, .. } in &mut self.rows {
            each(*row, generation, file.as_ref().ok().and_then(|file| file.started()));
        }
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

    fn fresh(&mut self, time: i64, outcome: Outcome) -> block::Record {
        match outcome {
            Ok(counters) => {
                self.failure = None;
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use tempfile::TempDir;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A captured machine whose processes started at 5.
    struct Machine {
        tree: TempDir,
        roots: Roots,
    }

    impl Machine {
        fn new(pids: std::ops::RangeInclusive<u32>) -> Machine {
            let tree = tempfile::tempdir().unwrap();
            let roots = Roots::new(tree.path(), &[]).unwrap();
            let machine = Machine { tree, roots };
            pids.for_each(|pid| machine.run(pid, 5));
            machine
        }

        fn run(&self, pid: u32, started: u64) {
            let folder = self.tree.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("stat"), format!("{pid} (a) b) S {}{started} 0\n", "1 ".repeat(18))).unwrap();
            fs::write(folder.join("io"), format!("read_bytes: {pid}\nwrite_bytes: 1\n")).unwrap();
        }

        fn end(&self, pid: u32) {
            fs::remove_dir_all(self.tree.path().join(format!("proc/{pid}"))).unwrap();
        }

        fn open(&self, pids: std::ops::RangeInclusive<u32>) -> ProcessIos {
            self.open_with(pids, Some(5), &mut OpenHandles::new())
        }

        fn open_with(
            &self,
            pids: std::ops::RangeInclusive<u32>,
            started: Option<u64>,
            open: &mut OpenHandles,
        ) -> ProcessIos {
            let processes = pids.enumerate().map(|(row, pid)| (ProcessIo { pid, started }, row));
            ProcessIos::open(&self.roots, processes, open)
        }
    }

    /// Reads that hang until the test lets them go on, like those of processes whose execve() hangs.
    #[derive(Default)]
    struct Hang {
        /// The paths that end with one of these.
        paths: Mutex<Vec<&'static str>>,
        released: Condvar,
        /// Threads that hang now.
        threads: AtomicUsize,
        reads: AtomicUsize,
    }

    impl Hang {
        fn of(paths: &[&'static str], source: &mut ProcessIos) -> Arc<Hang> {
            let hang = Arc::new(Hang { paths: Mutex::new(paths.to_vec()), ..Hang::default() });
            hang.also(source);
            hang
        }

        fn also(self: &Arc<Hang>, source: &mut ProcessIos) {
            let hang = Arc::clone(self);
            (source.worker, source.read_file) = (None, Arc::new(move |file: &IoFile| hang.read(file)));
        }

        fn read(&self, file: &IoFile) -> Outcome {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.threads.fetch_add(1, Ordering::Relaxed);
            let hangs = |paths: &mut Vec<&str>| paths.iter().any(|path| file.shown().ends_with(path));
            drop(self.released.wait_while(self.paths.lock().unwrap(), hangs).unwrap());
            self.threads.fetch_sub(1, Ordering::Relaxed);
            file.counters()
        }

        fn begin(&self, path: &'static str) {
            self.paths.lock().unwrap().push(path);
        }

        fn end(&self) {
            self.paths.lock().unwrap().clear();
            self.released.notify_all();
        }
    }

    fn poll(source: &mut ProcessIos) -> Vec<block::Record> {
        let count = source.rows.len();
        let mut words = vec![0; count * block::WORDS];
        source.read(&mut Rows::new(bytemuck::cast_slice_mut(&mut words), count, block::SIZE, block::SIZE).unwrap());
        words.as_chunks().0.to_vec()
    }

    /// Bytes read, generation and state.
    fn row(record: &block::Record) -> (i64, i64, State) {
        (record[block::rd_bytes], record[block::generation], State::from_word(record[block::state]).unwrap())
    }

    fn rows(source: &mut ProcessIos) -> Vec<(i64, i64, State)> {
        poll(source).iter().map(row).collect()
    }

    fn until(what: &str, mut is_true: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_true() {
            assert!(start.elapsed() < LONG, "{what}");
            std::thread::yield_now();
        }
    }

    fn problem(source: &ProcessIos, row: usize) -> String {
        source.problem(row).map(|problem| problem.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_row_is_one_process() {
        let machine = Machine::new(70..=71);
        let mut source = machine.open(70..=71);
        assert_eq!(rows(&mut source), [(70, 0, State::Ok), (71, 0, State::Ok)]);
        assert_eq!(source.explain().system_calls, 2);
        // Another process has the number when the file is opened.
        machine.end(70);
        machine.run(70, 6);
        let mut later = machine.open(70..=71);
        assert_eq!(rows(&mut later), [(-1, -1, State::Gone), (71, 0, State::Ok)]);
        assert!(problem(&later, 0).ends_with("proc/70/io: another device has taken its place"));
        let opened = later.reopening().unwrap()(&machine.roots);
        assert_eq!(later.reopened(opened), 0);
        assert_eq!(rows(&mut later)[0], (-1, -1, State::Gone));
        // The row that names this process, and one that takes whichever has the number.
        for started in [Some(6), None] {
            let mut source = machine.open_with(70..=70, started, &mut OpenHandles::new());
            assert_eq!(rows(&mut source), [(70, 0, State::Ok)]);
            let mut identity = None;
            source.each_generation(&mut |_, _, device| identity = device);
            assert_eq!(identity, Some(6));
        }
        machine.end(70);
        assert_eq!(rows(&mut machine.open(70..=71))[0], (-1, -1, State::Gone));
    }

    #[test]
    fn a_start_time_that_cannot_be_read_is_no_other_process() {
        let machine = Machine::new(70..=70);
        fs::write(machine.tree.path().join("proc/70/stat"), "70 (qemu) S\n").unwrap();
        let mut source = machine.open(70..=70);
        assert_eq!(rows(&mut source), [(-1, -1, State::Unreadable)]);
        assert!(problem(&source, 0).ends_with("has no start time"));
        machine.run(70, 5);
        let opened = source.reopening().unwrap()(&machine.roots);
        assert_eq!((source.reopened(opened), rows(&mut source)), (1, vec![(70, 0, State::Ok)]));
    }

    #[test]
    fn another_plan_takes_the_open_file_of_the_same_process_only() {
        let machine = Machine::new(70..=70);
        let source = machine.open(70..=70);
        let handles = || {
            let mut open = OpenHandles::new();
            source.each_handle(&mut |row, handle| drop(open.insert(row, handle)));
            open
        };
        machine.end(70);
        assert_eq!(rows(&mut machine.open_with(70..=70, Some(5), &mut handles())), [(70, 0, State::Ok)]);
        assert_eq!(rows(&mut machine.open_with(70..=70, Some(6), &mut handles())), [(-1, -1, State::Gone)]);
    }

    #[test]
    fn a_read_that_hangs_delays_one_poll_and_no_other_row() {
        let machine = Machine::new(70..=72);
        let mut source = machine.open(70..=72);
        let hang = Hang::of(&[], &mut source);
        let before = poll(&mut source);
        hang.begin("70/io");
        let start = Instant::now();
        assert_eq!(rows(&mut source)[0], (70, 0, State::Stale));
        assert!((DEADLINE..LONG).contains(&start.elapsed()));
        for _ in 0..100 {
            let now = poll(&mut source);
            assert_eq!(row(&now[0]), (70, 0, State::Stale));
            assert_eq!(now[0][block::time_ns], before[0][block::time_ns], "the time of its last numbers");
            assert_eq!([row(&now[1]), row(&now[2])], [(71, 0, State::Ok), (72, 0, State::Ok)]);
        }
        assert!(problem(&source, 0).contains("70/io: reading it hangs") && problem(&source, 1).is_empty());
        assert_eq!(hang.threads.load(Ordering::Relaxed), 1, "it is not read once more");
        hang.end();
        until("it is read again", || rows(&mut source)[0].2 == State::Ok);
        // From now on it is read after the others: when it hangs, the same poll still reads them.
        hang.begin("70/io");
        assert_eq!(rows(&mut source), [(70, 0, State::Stale), (71, 0, State::Ok), (72, 0, State::Ok)]);
        hang.end();
        until("the thread ends", || hang.threads.load(Ordering::Relaxed) == 0);
    }

    #[test]
    fn a_process_that_ends_while_a_read_of_it_hangs_is_gone_at_once() {
        let machine = Machine::new(70..=70);
        let mut source = machine.open(70..=70);
        let hang = Hang::of(&["70/io"], &mut source);
        let reader = Arc::clone(&hang);
        source.read_file =
            Arc::new(move |file: &IoFile| reader.read(file).and(Err(Failure::Errno(rustix::io::Errno::SRCH))));
        assert_eq!(rows(&mut source), [(-1, -1, State::Stale)]);
        hang.end();
        until("it is gone", || rows(&mut source)[0].2 == State::Gone);
        assert_eq!(hang.reads.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn other_pollers_and_plans_do_not_read_a_file_that_hangs() {
        let machine = Machine::new(70..=70);
        let mut source = machine.open(70..=70);
        poll(&mut source);
        let hang = Hang::of(&["70/io"], &mut source);
        assert_eq!(rows(&mut source), [(70, 0, State::Stale)]);
        let mut open = OpenHandles::new();
        source.each_handle(&mut |row, handle| drop(open.insert(row, handle)));
        let replanned = machine.open_with(70..=70, Some(5), &mut open);
        for mut other in [replanned, machine.open(70..=70), machine.open(70..=70)] {
            hang.also(&mut other);
            assert_eq!(rows(&mut other), [(70, 0, State::Stale)]);
        }
        assert_eq!(hang.reads.load(Ordering::Relaxed), 1);
        hang.end();
        until("the thread ends", || hang.threads.load(Ordering::Relaxed) == 0);
        until("a new poller reads it", || rows(&mut machine.open(70..=70))[0].2 == State::Ok);
    }

    #[test]
    fn threads_that_hang_are_bounded_and_one_user_has_a_share_of_them() {
        assert!(are_too_many(&[7; MAX_HANGING_OF_A_USER], 7) && !are_too_many(&[7; MAX_HANGING_OF_A_USER], 8));
        assert!(are_too_many(&(0..64).collect::<Vec<_>>(), 100));
        let machine = Machine::new(10..=39);
        let mut source = machine.open(10..=39);
        let hang = Hang::of(&["io"], &mut source);
        for _ in 0..30 {
            assert!(rows(&mut source).iter().all(|row| row.2 == State::Stale));
        }
        assert_eq!(hang.threads.load(Ordering::Relaxed), MAX_HANGING_OF_A_USER);
        assert!(problem(&source, 29).ends_with("so many reads of its user's processes hang"));
        hang.end();
        until("all are read", || rows(&mut source).iter().all(|row| row.2 == State::Ok));
    }
}
