//! A thread that runs one request at a time, so that the kernel can block the thread but never a poll.

pub(crate) mod abandoned;
pub(crate) mod process_reads;

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::gettid;

use super::Failure;
use crate::fork_guard::ForkGuard;
use crate::signal_mask::with_signals_blocked;

/// A caller tries the lock for this long. Its holder needs only some instructions, unless it was lost in a fork.
pub(crate) const LOCK: Duration = Duration::from_millis(1);
/// A caller spins for this long before it sleeps, since waking up costs more.
const SPIN: Duration = Duration::from_micros(20);

/// When a worker runs without a request, and how long it pauses after a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    /// Without a request, it runs again after this time. After a run it pauses for as long as that took, but no longer
    /// than this.
    pub(crate) interval: Duration,
    /// It stops repeating when no request has come for this long.
    pub(crate) for_at_most: Duration,
}

/// The caller's side of the thread. A request has the type `Q`, an answer the type `A`.
pub(crate) struct Worker<Q, A> {
    shared: Arc<Shared<Q, A>>,
    /// The newest answer taken. It is swapped with the thread's, so that no answer is copied.
    answer: A,
    /// The number of that answer; 0 before the first.
    taken: u64,
}

struct Shared<Q, A> {
    fork_guard: ForkGuard,
    exchange: Mutex<Exchange<Q, A>>,
    requested: Condvar,
    answered: Condvar,
    /// `Exchange::answers`, for spinning without the lock.
    answers: AtomicU64,
    /// Outside the lock, which may stay locked after a fork.
    end: AtomicBool,
    /// The thread's number; 0 until it runs.
    thread: AtomicI32,
}

#[derive(Default)]
struct Exchange<Q, A> {
    request: Q,
    last_request: Option<Instant>,
    is_pending: bool,
    is_running: bool,
    answer: A,
    /// The number of answers so far.
    answers: u64,
}

impl<Q: Default + Send + 'static, A: Default + Send + 'static> Worker<Q, A> {
    /// Starts the thread, which calls `work` for every request; `work` overwrites an old answer.
    pub(crate) fn start(
        name: &str,
        repeat: Option<Repeat>,
        work: impl FnMut(&Q, &mut A) + Send + 'static,
    ) -> Result<Worker<Q, A>, Failure> {
        let shared = Arc::new(Shared {
            fork_guard: ForkGuard::new(),
            exchange: Mutex::default(),
            requested: Condvar::new(),
            answered: Condvar::new(),
            answers: AtomicU64::new(0),
            end: AtomicBool::new(false),
            thread: AtomicI32::new(0),
        });
        let in_thread = Arc::clone(&shared);
        // The thread is never joined, since it may be blocked in the kernel. It ends by itself.
        let thread = thread::Builder::new().name(name.to_owned()).stack_size(128 << 10);
        match with_signals_blocked(|| thread.spawn(move || in_thread.serve(repeat, work))) {
            Ok(_) => Ok(Worker { shared, answer: A::default(), taken: 0 }),
            Err(_) => Err(Failure::Malformed("cannot start a thread")),
        }
    }

    /// Runs the request that `write` writes, and returns its answer. None if that misses the deadline, or at once while
    /// the thread is still busy with an earlier request.
    pub(crate) fn call(&mut self, deadline: Duration, write: impl FnOnce(&mut Q)) -> Option<&A> {
        let start = Instant::now();
        let mut exchange = self.shared.try_lock(LOCK)?;
        if exchange.is_pending || exchange.is_running {
            return None;
        }
        write(&mut exchange.request);
        exchange.request_at(start);
        let number = exchange.answers + 1;
        drop(exchange);
        self.shared.requested.notify_one();
        while self.shared.answers.load(Ordering::Acquire) != number && start.elapsed() < SPIN {
            spin_loop();
        }
        let exchange = self.shared.try_lock(LOCK)?;
        let left = deadline.saturating_sub(start.elapsed());
        let is_late = |exchange: &mut Exchange<Q, A>| exchange.answers != number;
        let (mut exchange, _) = self.shared.answered.wait_timeout_while(exchange, left, is_late).ok()?;
        if exchange.answers != number {
            return None;
        }
        self.taken = exchange.take(&mut self.answer);
        Some(&self.answer)
    }

    /// The newest answer, if there is one; also requests the next one. Never waits: while the thread holds the lock, it
    /// returns the answer of the last call.
    pub(crate) fn refresh(&mut self) -> Option<&A> {
        if let Some(mut exchange) = self.shared.try_lock(Duration::ZERO) {
            if exchange.answers != self.taken {
                self.taken = exchange.take(&mut self.answer);
            }
            exchange.request_at(Instant::now());
            drop(exchange);
            self.shared.requested.notify_one();
        }
        self.newest()
    }

    /// The newest answer that a call has taken.
    pub(crate) fn newest(&self) -> Option<&A> {
        (self.taken > 0).then_some(&self.answer)
    }

    /// Whether the thread sleeps, in the kernel or without a request. If not, a busy machine has not run it yet.
    pub(crate) fn sleeps(&self) -> bool {
        let thread = self.shared.thread.load(Ordering::Relaxed);
        let stat = || std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok();
        // The state comes after the name, which is in brackets.
        thread != 0 && stat().is_none_or(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" R")))
    }

    /// Waits until there is an answer that no call has taken, or until the time is over.
    pub(crate) fn wait_for_answer(&self, at_most: Duration) {
        self.has_answered_within(at_most);
    }

    /// Likewise; whether there is such an answer.
    pub(crate) fn has_answered_within(&self, at_most: Duration) -> bool {
        let is_missing = |exchange: &mut Exchange<Q, A>| exchange.answers == self.taken;
        let waited = self.shared.answered.wait_timeout_while(self.shared.lock(), at_most, is_missing);
        waited.unwrap_or_else(PoisonError::into_inner).0.answers != self.taken
    }
}

impl<Q, A> Drop for Worker<Q, A> {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        // With the lock in between, the thread cannot miss the wake-up between its check and its wait. A fork has no
        // such thread, and its lock may stay locked.
        if self.shared.fork_guard.is_same_process() {
            drop(self.shared.lock());
            self.shared.requested.notify_all();
        }
    }
}

impl<Q, A> Exchange<Q, A> {
    fn request_at(&mut self, now: Instant) {
        self.is_pending = true;
        self.last_request = Some(now);
    }

    fn take(&mut self, into: &mut A) -> u64 {
        std::mem::swap(into, &mut self.answer);
        self.answers
    }
}

/// Locks a mutex that others hold for some instructions only. None after `patience`: a fork may have lost the holder.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>, patience: Duration) -> Option<MutexGuard<'_, T>> {
    let start = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if start.elapsed() >= patience => return None,
            Err(TryLockError::WouldBlock) => spin_loop(),
        }
    }
}

impl<Q, A> Shared<Q, A> {
    fn lock(&self) -> MutexGuard<'_, Exchange<Q, A>> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self, patience: Duration) -> Option<MutexGuard<'_, Exchange<Q, A>>> {
        try_lock(&self.exchange, patience)
    }

    fn has_ended(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }

    /// The thread's loop.
    fn serve(&self, repeat: Option<Repeat>, mut work: impl FnMut(&Q, &mut A))
    where
        Q: Default,
        A: Default,
    {
        self.thread.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        let (mut request, mut answer) = (Q::default(), A::default());
        while let Some(mut exchange) = self.wait_for_request(repeat) {
            if exchange.is_pending {
                std::mem::swap(&mut request, &mut exchange.request);
            }
            (exchange.is_pending, exchange.is_running) = (false, true);
            drop(exchange);

            let start = repeat.map(|repeat| (repeat, Instant::now()));
            work(&request, &mut answer);
            let pause = start.map(|(repeat, start)| start.elapsed().min(repeat.interval));

            let mut exchange = self.lock();
            std::mem::swap(&mut answer, &mut exchange.answer);
            exchange.is_running = false;
            exchange.answers += 1;
            self.answers.store(exchange.answers, Ordering::Release);
            drop(exchange);
            self.answered.notify_one();
            if let Some(pause) = pause {
                drop(self.requested.wait_timeout_while(self.lock(), pause, |_| !self.has_ended()));
            }
        }
    }

    /// Waits until the thread must run; None if it must end.
    fn wait_for_request(&self, repeat: Option<Repeat>) -> Option<MutexGuard<'_, Exchange<Q, A>>> {
        let is_idle = |exchange: &mut Exchange<Q, A>| !exchange.is_pending && !self.has_ended();
        let mut exchange = self.lock();
        loop {
            exchange = match repeat {
                None => self.requested.wait_while(exchange, is_idle).unwrap_or_else(PoisonError::into_inner),
                Some(Repeat { interval, .. }) => {
                    let waited = self.requested.wait_timeout_while(exchange, interval, is_idle);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            let repeats = |Repeat { for_at_most, .. }: Repeat| {
                exchange.last_request.is_some_and(|last| last.elapsed() <= for_at_most)
            };
            if self.has_ended() {
                return None;
            }
            if exchange.is_pending || repeat.is_some_and(repeats) {
                return Some(exchange);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(20);
    const REPEAT: Repeat = Repeat { interval: Duration::from_secs(1), for_at_most: Duration::from_secs(60) };

    type Doubler = Worker<u32, u32>;

    /// A worker whose answers are the numbers that are sent; it blocks until then.
    fn blocked(repeat: Option<Repeat>) -> (Sender<u32>, Worker<(), u32>) {
        let (send, receive) = channel();
        let work = move |_: &(), answer: &mut u32| *answer = receive.recv().unwrap_or_default();
        let mut worker = Worker::start("test", repeat, work).unwrap();
        if repeat.is_some() {
            assert_eq!(worker.refresh(), None);
        }
        (send, worker)
    }

    /// Refreshes until this is the newest answer.
    fn refresh_until(worker: &mut Worker<(), u32>, expected: u32) {
        let start = Instant::now();
        while worker.refresh() != Some(&expected) {
            assert!(start.elapsed() < LONG, "no answer {expected}");
            thread::yield_now();
        }
    }

    #[test]
    fn every_call_gets_its_own_answer() {
        let mut worker = Doubler::start("test", None, |request, answer| *answer = 2 * request).unwrap();
        assert_eq!(worker.newest(), None);
        for number in 0..100 {
            assert_eq!(worker.call(LONG, |request| *request = number), Some(&(2 * number)));
            assert_eq!(worker.newest(), Some(&(2 * number)));
        }
    }

    #[test]
    fn buffers_of_requests_and_answers_are_reused() {
        let copy = |request: &Vec<u8>, answer: &mut Vec<u8>| answer.clone_from(request);
        let mut worker = Worker::<Vec<u8>, Vec<u8>>::start("test", None, copy).unwrap();
        let mut addresses = std::collections::HashSet::new();
        for _ in 0..100 {
            let answer = worker.call(LONG, |request| {
                request.clear();
                request.extend([1; 4096]);
                addresses.insert(request.as_ptr() as usize);
            });
            addresses.insert(answer.unwrap().as_ptr() as usize);
        }
        assert!(addresses.len() <= 2 + 3, "{}", addresses.len());
    }

    #[test]
    fn a_blocked_thread_costs_one_deadline_and_its_late_answer_is_dropped() {
        let (send, mut worker) = blocked(None);
        let start = Instant::now();
        assert_eq!(worker.call(SHORT, |()| ()), None);
        assert!(start.elapsed() >= SHORT);
        // While it is still blocked, calls return at once.
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(worker.call(LONG, |()| ()), None);
        }
        assert!(start.elapsed() < LONG / 10);
        send.send(1).unwrap();
        send.send(2).unwrap();
        // The first answer belongs to the call that timed out.
        let answer = std::iter::repeat_with(|| worker.call(LONG, |()| ()).copied()).find(Option::is_some);
        assert_eq!(answer, Some(Some(2)));
    }

    #[test]
    fn a_thread_that_waits_sleeps_and_one_that_computes_does_not() {
        let (send, mut worker) = blocked(None);
        assert_eq!(worker.call(SHORT, |()| ()), None);
        let start = Instant::now();
        while !worker.sleeps() {
            assert!(start.elapsed() < LONG);
        }
        drop(send);
        let mut busy = Worker::<(), ()>::start("test", None, |(), ()| {
            let start = Instant::now();
            while start.elapsed() < 10 * SHORT {
                spin_loop();
            }
        })
        .unwrap();
        assert_eq!(busy.call(SHORT, |()| ()), None);
        assert!(!busy.sleeps());
    }

    #[test]
    fn refreshing_never_waits_and_returns_the_newest_answer() {
        let (send, mut worker) = blocked(Some(REPEAT));
        let start = Instant::now();
        (0..1000).for_each(|_| assert_eq!(worker.refresh(), None));
        for number in 1..50 {
            send.send(number).unwrap();
            refresh_until(&mut worker, number);
            assert_eq!(worker.refresh(), Some(&number), "it stays until there is a newer one");
        }
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn the_first_answer_is_waited_for_with_a_limit() {
        let (send, mut worker) = blocked(Some(REPEAT));
        let start = Instant::now();
        worker.wait_for_answer(SHORT);
        assert!(start.elapsed() >= SHORT);
        assert_eq!(worker.refresh(), None);
        send.send(7).unwrap();
        worker.wait_for_answer(LONG);
        assert_eq!(worker.refresh(), Some(&7));
    }

    #[test]
    fn it_repeats_without_a_request() {
        let (send, worker) = blocked(Some(REPEAT));
        let start = Instant::now();
        (1..4).for_each(|number| send.send(number).unwrap());
        while worker.shared.lock().answer != 2 {
            assert!(start.elapsed() < LONG);
            thread::yield_now();
        }
        assert!(start.elapsed() >= REPEAT.interval);
    }

    #[test]
    fn it_stops_repeating_when_requests_stop() {
        let repeat = Repeat { interval: SHORT, for_at_most: 5 * SHORT };
        let mut worker = Worker::<(), u32>::start("test", Some(repeat), |(), _| ()).unwrap();
        worker.refresh();
        let answers = || worker.shared.answers.load(Ordering::Acquire);
        let mut before = 0;
        let start = Instant::now();
        while before == 0 || answers() > before {
            assert!(start.elapsed() < LONG);
            before = answers();
            thread::sleep(10 * SHORT);
        }
        assert!(before > 1, "{before}");
    }

    #[test]
    fn frequent_requests_leave_a_pause_as_long_as_the_run() {
        let mut number = 0;
        let work = move |(): &(), answer: &mut u32| {
            thread::sleep(SHORT);
            number += 1;
            *answer = number;
        };
        let mut worker = Worker::start("test", Some(REPEAT), work).unwrap();
        let start = Instant::now();
        while start.elapsed() < 20 * SHORT {
            worker.refresh();
            thread::yield_now();
        }
        let answers = worker.newest().copied().unwrap_or_default();
        assert!((1..=10).contains(&answers), "{answers}");
    }

    #[test]
    fn the_pause_after_a_long_run_is_limited() {
        const LATE: Duration = Duration::from_millis(2500);
        let (send, mut worker) = blocked(Some(REPEAT));
        thread::sleep(LATE);
        send.send(1).unwrap();
        refresh_until(&mut worker, 1);
        let start = Instant::now();
        send.send(2).unwrap();
        refresh_until(&mut worker, 2);
        assert!(start.elapsed() < LATE - REPEAT.interval / 2);
    }
}
