//! The end of a worker: its thread ends too, unless it is still in a run and another worker takes it over.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::{Shared, Worker};

/// A thread whose worker may be gone.
pub(crate) struct Abandoned<Q, A>(Weak<Shared<Q, A>>);

impl<Q, A> Worker<Q, A> {
    /// The thread, to be taken over if it is still in a run when this worker is dropped.
    pub(crate) fn abandoned(&self) -> Abandoned<Q, A> {
        Abandoned(Arc::downgrade(&self.shared))
    }
}

impl<Q, A: Default> Abandoned<Q, A> {
    /// A worker of the thread, if the thread is still in the run in which its worker left it. The answer of that run is
    /// dropped.
    pub(crate) fn take_over(&self) -> Option<Worker<Q, A>> {
        let shared = self.0.upgrade().filter(|shared| shared.fork_guard.is_same_process())?;
        let exchange = shared.lock();
        if !exchange.is_running || !shared.has_ended() {
            return None;
        }
        // After the run the thread takes the lock, and only then checks whether it must end.
        shared.end.store(false, Ordering::Release);
        drop(exchange);
        Some(Worker { shared, answer: A::default(), taken: 0 })
    }

    /// Whether the thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.strong_count() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::super::{LOCK, Repeat};
    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn a_thread_that_is_still_running_is_taken_over() {
        let (send, receive) = channel();
        let work = move |(): &(), answer: &mut u32| *answer = receive.recv().unwrap_or_default();
        let mut worker = Worker::<(), u32>::start("test", None, work).unwrap();
        assert_eq!(worker.call(SHORT, |()| ()), None);
        let abandoned = worker.abandoned();
        assert!(abandoned.take_over().is_none(), "it still has a worker");
        drop(worker);
        let mut worker = abandoned.take_over().unwrap();
        assert!(abandoned.take_over().is_none());
        assert_eq!(worker.call(SHORT, |()| ()), None, "still blocked");
        (1..=2).for_each(|number| send.send(number).unwrap());
        let answer = std::iter::repeat_with(|| worker.call(LONG, |()| ()).copied()).find(Option::is_some);
        assert_eq!(answer, Some(Some(2)));
        drop(worker);
        let start = Instant::now();
        while !abandoned.has_ended() {
            assert!(start.elapsed() < LONG);
            thread::yield_now();
        }
        assert!(abandoned.take_over().is_none());
    }

    #[test]
    fn a_thread_that_is_about_to_wait_hears_that_its_worker_is_dropped() {
        let worker = Worker::<(), u32>::start("test", None, |(), _| ()).unwrap();
        let shared = Arc::clone(&worker.shared);
        let exchange = shared.lock();
        assert!(!shared.has_ended());
        // Between its check and its wait the thread holds the lock. The worker is dropped meanwhile, and the thread may
        // not run for longer than a caller is ready to wait for the lock.
        let dropping = thread::spawn(move || drop(worker));
        thread::sleep(20 * LOCK);
        let (_exchange, waited) = shared.requested.wait_timeout(exchange, LONG).unwrap();
        assert!(!waited.timed_out());
        dropping.join().unwrap();
    }

    #[test]
    fn the_thread_ends_with_its_worker() {
        for repeat in [None, Some(Repeat { interval: SHORT, for_at_most: LONG })] {
            let worker = Worker::<(), u32>::start("test", repeat, |(), _| ()).unwrap();
            let shared = Arc::downgrade(&worker.shared);
            drop(worker);
            let start = Instant::now();
            while shared.upgrade().is_some() {
                assert!(start.elapsed() < LONG);
                thread::yield_now();
            }
        }
    }
}
