//! A thread that asks a network card for its virtual functions, again and again while somebody polls.
//!
//! A poll starts the next question when none is under way. So that a poll every ten seconds has an answer that is not as old
//! as the poll before, the thread also asks by itself every second, for a minute after the last poll. And it rests after a
//! question for as long as that took, so that others get RTNL, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::monotonic_ns;
use crate::parse::vf_stats::Function;
use crate::signal_mask::without_signals;
use crate::source::Failure;

const BY_ITSELF: Duration = Duration::from_secs(1);
const FORGOTTEN_NS: i64 = 60_000_000_000;

/// What a card said.
#[derive(Default)]
pub(crate) struct Answer {
    /// When it said it: the wait for RTNL was before the card was asked.
    pub(crate) time: i64,
    /// The number of the physical function's interface.
    pub(crate) index: u32,
    pub(crate) functions: Vec<Function>,
    pub(crate) failure: Option<Failure>,
    /// System calls that it took.
    pub(crate) calls: usize,
}

/// The thread, seen from the poll.
pub(crate) struct CardAsker {
    shared: Arc<Shared>,
    /// The newest answer that a poll took: it changes places with the thread's, so that none is copied.
    newest: Option<Answer>,
    spare: Answer,
}

#[derive(Default)]
struct Shared {
    exchange: Mutex<Exchange>,
    changed: Condvar,
    /// Not in the exchange: whoever held that lock at a fork never gives it back.
    end: AtomicBool,
}

#[derive(Default)]
struct Exchange {
    /// A poll was here since the last question.
    wanted: bool,
    last_poll: i64,
    answer: Answer,
    /// No poll has taken the answer yet.
    fresh: bool,
}

impl CardAsker {
    /// `work` asks, and writes over the answer; it is asked for the first time at once.
    pub(crate) fn start(work: impl FnMut(&mut Answer) + Send + 'static) -> Result<CardAsker, Failure> {
        let shared = Arc::new(Shared::default());
        shared.lock().wanted = true;
        shared.lock().last_poll = monotonic_ns();
        let theirs = Arc::clone(&shared);
        // The thread is never joined: while it is held in the kernel nothing could end it. It ends by itself.
        let thread = thread::Builder::new().name("vmiostat-card".to_owned()).stack_size(128 << 10);
        match without_signals(|| thread.spawn(move || theirs.serve(work))) {
            Ok(_) => Ok(CardAsker { shared, newest: None, spare: Answer::default() }),
            Err(_) => Err(Failure::Malformed("no thread can be started")),
        }
    }

    /// Waits until there is a first answer, or until the time is over.
    pub(crate) fn wait_for_first(&self, most: Duration) {
        let waiting = |exchange: &mut Exchange| !exchange.fresh;
        drop(self.shared.changed.wait_timeout_while(self.shared.lock(), most, waiting));
    }

    /// The newest answer that there is, and starts the next question. Never waits: where the thread holds the lock just now,
    /// the answer of the last poll is the newest.
    pub(crate) fn newest(&mut self, now: i64) -> Option<&Answer> {
        if let Some(mut exchange) = self.shared.try_lock() {
            if exchange.fresh {
                exchange.fresh = false;
                std::mem::swap(&mut exchange.answer, &mut self.spare);
                let older = self.newest.replace(std::mem::take(&mut self.spare));
                self.spare = older.unwrap_or_default();
            }
            exchange.wanted = true;
            exchange.last_poll = now;
            drop(exchange);
            self.shared.changed.notify_all();
        }
        self.newest.as_ref()
    }

    /// Which card has answered, where one has.
    pub(crate) fn index(&self) -> Option<u32> {
        self.newest.as_ref().filter(|answer| answer.failure.is_none()).map(|answer| answer.index)
    }

    /// How many system calls the newest answer took.
    pub(crate) fn calls(&self) -> usize {
        self.newest.as_ref().map_or(0, |answer| answer.calls)
    }
}

impl Drop for CardAsker {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Exchange>> {
        match self.exchange.try_lock() {
            Ok(exchange) => Some(exchange),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The thread's life. No wait of its is endless: it sees that it is to end when it was told between two waits, too.
    fn serve(&self, mut work: impl FnMut(&mut Answer)) {
        let mut answer = Answer::default();
        loop {
            let idle = |exchange: &mut Exchange| !exchange.wanted && !self.has_ended();
            let Ok((mut exchange, _)) = self.changed.wait_timeout_while(self.lock(), BY_ITSELF, idle) else { return };
            if self.has_ended() {
                return;
            }
            if !exchange.wanted && monotonic_ns() - exchange.last_poll > FORGOTTEN_NS {
                continue;
            }
            exchange.wanted = false;
            drop(exchange);

            let start = Instant::now();
            work(&mut answer);
            let took = start.elapsed();

            let mut exchange = self.lock();
            std::mem::swap(&mut answer, &mut exchange.answer);
            exchange.fresh = true;
            self.changed.notify_all();
            // After a hang of minutes there is nothing to spare it.
            drop(self.changed.wait_timeout_while(exchange, took.min(BY_ITSELF), |_| !self.has_ended()));
        }
    }

    fn has_ended(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// An asker whose card answers with the numbers that are sent, and is silent until then.
    fn silent() -> (Sender<u32>, CardAsker) {
        let (send, receive) = channel();
        let work = move |answer: &mut Answer| answer.index = receive.recv().unwrap_or_default();
        (send, CardAsker::start(work).unwrap())
    }

    fn index(asker: &mut CardAsker) -> Option<u32> {
        asker.newest(monotonic_ns()).map(|answer| answer.index)
    }

    /// Polls until this is the newest answer.
    fn until(asker: &mut CardAsker, wanted: u32) {
        let start = Instant::now();
        while index(asker) != Some(wanted) {
            assert!(start.elapsed() < LONG, "{wanted} never came");
            thread::yield_now();
        }
    }

    #[test]
    fn a_poll_never_waits_and_has_the_newest_answer() {
        let (send, mut asker) = silent();
        let start = Instant::now();
        (0..1000).for_each(|_| assert_eq!(index(&mut asker), None));
        for number in 1..50 {
            send.send(number).unwrap();
            until(&mut asker, number);
            assert_eq!(index(&mut asker), Some(number), "it stays until there is a newer one");
        }
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn the_first_answer_is_waited_for_but_not_for_ever() {
        let (send, mut asker) = silent();
        let start = Instant::now();
        asker.wait_for_first(Duration::from_millis(30));
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert_eq!(index(&mut asker), None);
        send.send(7).unwrap();
        asker.wait_for_first(LONG);
        assert_eq!(index(&mut asker), Some(7));
    }

    #[test]
    fn without_a_poll_the_thread_asks_by_itself() {
        let (send, asker) = silent();
        let start = Instant::now();
        (1..4).for_each(|number| send.send(number).unwrap());
        while asker.shared.lock().answer.index != 2 {
            assert!(start.elapsed() < LONG);
            thread::yield_now();
        }
        assert!(start.elapsed() >= BY_ITSELF);
    }

    #[test]
    fn a_fast_poll_leaves_the_card_half_of_the_time() {
        const TAKES: Duration = Duration::from_millis(20);
        let work = |answer: &mut Answer| {
            thread::sleep(TAKES);
            answer.index += 2; // two answers take turns
        };
        let mut asker = CardAsker::start(work).unwrap();
        let start = Instant::now();
        let mut answers = 0;
        let mut last = None;
        while start.elapsed() < 20 * TAKES {
            let newest = index(&mut asker);
            answers += u32::from(newest != last);
            last = newest;
            thread::yield_now();
        }
        assert!((1..=10).contains(&answers), "{answers}");
    }

    #[test]
    fn a_card_that_was_silent_for_long_is_not_left_alone_for_as_long() {
        const LATE: Duration = Duration::from_millis(2500);
        let (send, mut asker) = silent();
        thread::sleep(LATE);
        send.send(1).unwrap();
        until(&mut asker, 1);
        let start = Instant::now();
        send.send(2).unwrap();
        until(&mut asker, 2);
        assert!(start.elapsed() < LATE - BY_ITSELF / 2);
    }

    #[test]
    fn the_thread_ends_with_its_poller() {
        let asker = CardAsker::start(|_| ()).unwrap();
        let shared = Arc::downgrade(&asker.shared);
        drop(asker);
        let start = Instant::now();
        while shared.upgrade().is_some() {
            assert!(start.elapsed() < LONG);
            thread::yield_now();
        }
    }
}
