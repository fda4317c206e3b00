//! Reads that hang, by a stand-in for the kernel; and which process a row is.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use tempfile::TempDir;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// A captured machine whose processes started at 5.
struct Machine {
    tree: TempDir,
    roots: Arc<Roots>,
}

impl Machine {
    fn new(pids: std::ops::RangeInclusive<u32>) -> Machine {
        let tree = tempfile::tempdir().unwrap();
        let roots = Arc::new(Roots::new(tree.path(), &[]).unwrap());
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
    later.reopened(opened);
    assert_eq!(rows(&mut later)[0], (-1, -1, State::Gone));
    // The row that names this process, and one that takes whichever has the number.
    for started in [Some(6), None] {
        let mut source = machine.open_with(70..=70, started, &mut OpenHandles::new());
        assert_eq!(rows(&mut source), [(70, 0, State::Ok)]);
        assert_eq!(rows(&mut source), [(70, 0, State::Ok)]);
        let mut identity = None;
        source.each_generation(&mut |_, generation| identity = generation.id());
        assert_eq!(identity, Some(DeviceId::Process { pid: 70, started: 6 }));
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
    assert_eq!(rows(&mut source), [(70, 0, State::Ok)]);
    fs::remove_file(machine.tree.path().join("proc/70/stat")).unwrap();
    assert_eq!(rows(&mut machine.open(70..=70)), [(-1, -1, State::Gone)]);
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
