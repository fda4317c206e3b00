//! Reads below /proc/PID by a thread with a deadline, since the process can block them for as long as it wants.
//!
//! Since Linux 7.2, and in stable kernels that have taken it over, the process's exec_update_lock is taken by a read of
//! stat (do_task_stat) and of the links exe, cwd, root, fd/N and ns/NAME. An execve() that closes a file of a FUSE file
//! system holds the lock until the server answers. Only a fatal signal ends the wait.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::fstat;

use super::Worker;
use crate::error::Error;
use crate::fork_guard::ForkGuard;
use crate::roots::Roots;

/// A read that sleeps after this time hangs.
const DEADLINE: Duration = Duration::from_millis(200);
/// A busy machine may run the thread late.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Reads that hang at once, of processes of one user and of all. While there are so many, no more are made.
const MAX_HANGING_OF_A_USER: usize = 16;
const MAX_HANGING: usize = 256;

/// What of /proc/PID is read without that lock, and so without the thread: to wake it costs some 50 us.
const WITHOUT_THE_LOCK: [&str; 4] = ["comm", "status", "cgroup", "net"];

const HANGS: &str = "reading it hangs, since an execve() of the process holds its lock";

#[derive(Default)]
struct Job(Mutex<Option<Box<dyn FnOnce() + Send>>>);

thread_local! {
    /// The thread that reads for this one.
    static WORKER: RefCell<Option<(ForkGuard, Worker<Job, ()>)>> = const { RefCell::new(None) };
}

/// The reads that hang, of all threads.
static HANGING: Mutex<Vec<Hanging>> = Mutex::new(Vec::new());

struct Hanging {
    /// /proc/PID.
    process: PathBuf,
    user: u32,
    has_returned: Arc<AtomicBool>,
    fork_guard: ForkGuard,
}

/// Says that the read has returned, also after a panic.
struct Return(Arc<AtomicBool>);

impl Drop for Return {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The result of `read`, which reads at `path`: an error if that is below /proc/PID, and hangs. Then nothing is read of
/// this process until the read has returned.
pub fn read_process<T: Send + 'static>(
    roots: &Roots,
    path: &Path,
    read: impl FnOnce(&Roots) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let process = if roots.captured() { None } else { process_of(path) };
    let Some(process) = process else { return read(roots) };
    let hangs = || Error::Malformed { path: roots.shown(path), what: HANGS };
    if hangs_already(roots, &process) {
        return Err(hangs());
    }
    let result = Arc::new(Mutex::new(None));
    let has_returned = Arc::new(AtomicBool::new(false));
    let (its_roots, its_result, returns) = (roots.clone(), Arc::clone(&result), Return(Arc::clone(&has_returned)));
    let job = move || {
        let _returns = returns;
        let found = read(&its_roots);
        *its_result.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    };
    run(Box::new(job));
    let found = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    found.unwrap_or_else(|| {
        add(roots, process, has_returned);
        Err(hangs())
    })
}

/// Runs the job in the thread, which is left to it if it hangs.
fn run(job: Box<dyn FnOnce() + Send>) {
    WORKER.with_borrow_mut(|kept| {
        let mut worker = match kept.take().filter(|(fork_guard, _)| fork_guard.is_same_process()) {
            Some((_, worker)) => worker,
            None => {
                let work = |Job(job): &Job, (): &mut ()| {
                    let job = job.lock().unwrap_or_else(PoisonError::into_inner).take();
                    job.into_iter().for_each(|job| job());
                };
                match Worker::start("vmiostat-proc", None, work) {
                    Ok(worker) => worker,
                    Err(_) => return job(), // without a thread
                }
            }
        };
        let begin = Instant::now();
        if worker.call(DEADLINE, |request| *request = Job(Mutex::new(Some(job)))).is_some() {
            *kept = Some((ForkGuard::new(), worker));
            return;
        }
        while !worker.sleeps() && begin.elapsed() < MAX_WAIT && !worker.has_answered_within(DEADLINE) {}
    });
}

/// /proc/PID of a path below it.
fn process_of(path: &Path) -> Option<PathBuf> {
    let process: PathBuf = path.components().take(3).collect();
    let number = process.strip_prefix("/proc").ok()?.to_str()?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let below = path.strip_prefix(&process).ok()?;
    let takes_the_lock = path != process && !WITHOUT_THE_LOCK.iter().any(|name| below.starts_with(name));
    (is_number && takes_the_lock).then_some(process)
}

fn hangs_already(roots: &Roots, process: &Path) -> bool {
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    hanging.retain(|one| !one.has_returned.load(Ordering::Acquire) && one.fork_guard.is_same_process());
    if hanging.is_empty() {
        return false;
    }
    let user = user_of(roots, process);
    let shown = roots.shown(process);
    let of_user = hanging.iter().filter(|one| Some(one.user) == user).count();
    hanging.iter().any(|one| one.process == shown) || of_user >= MAX_HANGING_OF_A_USER || hanging.len() >= MAX_HANGING
}

fn add(roots: &Roots, process: PathBuf, has_returned: Arc<AtomicBool>) {
    let user = user_of(roots, &process).unwrap_or(u32::MAX);
    let hanging = Hanging { process: roots.shown(&process), user, has_returned, fork_guard: ForkGuard::new() };
    HANGING.lock().unwrap_or_else(PoisonError::into_inner).push(hanging);
}

fn user_of(roots: &Roots, process: &Path) -> Option<u32> {
    Some(fstat(roots.open_path(process).ok()?).ok()?.st_uid)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn read(path: &str, read: impl FnOnce() -> u32 + Send + 'static) -> Result<u32, Error> {
        read_process(&Roots::machine().unwrap(), Path::new(path), move |_| Ok(read()))
    }

    #[test]
    fn a_process_is_one_below_proc() {
        assert_eq!(process_of(Path::new("/proc/12/ns/net")).as_deref(), Some(Path::new("/proc/12")));
        for other in [
            "/proc/12",
            "/proc/self/stat",
            "/proc/net/dev",
            "/proc",
            "/sys/12/stat",
            "/",
            "/proc/12/comm",
            "/proc/12/net/dev",
        ] {
            assert_eq!(process_of(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn a_read_that_hangs_is_left_alone_and_others_go_on() {
        let (send, receive) = channel();
        let path = "/proc/4194304/stat"; // above the highest pid
        assert_eq!(read(path, || 1).unwrap(), 1);
        let error = read(path, move || receive.recv().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("{path}: {HANGS}"));
        assert!(read(path, || unreachable!("it is not read again")).is_err());
        assert_eq!(read("/proc/4194305/stat", || 2).unwrap(), 2);
        send.send(3).unwrap();
        let begin = Instant::now();
        while read(path, || 4).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10));
        }
    }
}
