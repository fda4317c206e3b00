//! RTM_GETSTATS asked by a thread in the poll's stead, and /proc/net/dev when it does not answer in time.
//!
//! Whoever holds RTNL holds the thread, and the poll waits for it until a deadline only. Then it reads /proc/net/dev, which
//! takes no lock, and asks nobody until the thread is back: so a driver that hangs in its firmware for minutes costs one
//! deadline, once.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::getstats::{self, SHOWN, follow};
use super::interfaces::NetlinkInterfaces;
use super::socket::{NetlinkSocket, Question};
use crate::error::Error;
use crate::fields::interface;
use crate::parse::link_stats;
use crate::parse::netdev::{self, Counters};
use crate::roots::Roots;
use crate::rows::Rows;
use crate::signal_mask::without_signals;
use crate::source::generation::Occupant;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::rows::{InterfaceRows, Swapped};
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;
use crate::source::tracked_devices::Watched;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source, cost};

/// The least that the thread is waited for. To be woken and to ask for 1,000 interfaces takes it a third of this; on a
/// machine whose processors sleep between polls one in a hundred takes nearly all.
const LEAST_DEADLINE: Duration = Duration::from_millis(1);
/// So long the lock is tried for. Its holder needs some instructions, or did not survive a fork.
const LOCK: Duration = Duration::from_millis(1);
/// So long the poll looks for the answer before it goes to sleep: to be woken costs more than that.
const SPIN: Duration = Duration::from_micros(20);

pub(crate) struct Hedged {
    asker: Asker,
    index: InterfaceIndex,
    interfaces: NetlinkInterfaces,
    file: LineFile<NetDevFormat>,
    watched: Watched<Swapped>,
    deadline: Duration,
    all: usize,
}

impl Hedged {
    /// Asks in the network namespace of the calling thread, which has `all` interfaces.
    pub(crate) fn open(roots: &Roots, path: &str, rows: &InterfaceRows, all: usize) -> Result<Hedged, Failure> {
        let index = InterfaceIndex::open()?;
        let mut theirs = NetlinkSocket::open()?;
        let asker = Asker::start(move |question, answers| {
            let outcome = theirs.ask(question, |ifindex, attributes, time| {
                answers.push(Answer { ifindex, counters: link_stats::counters(attributes), time });
            });
            (outcome, theirs.calls())
        })?;
        let mut file = LineFile::open(roots, path, rows.by_name());
        // Half of what the file costs here: the answer comes in a fifth of that, and a poll that waits in vain and then
        // reads the file takes no more than twice what reading it at once would have.
        let deadline = LEAST_DEADLINE.max(file.time_to_read(rows.names.len()) / 2);
        let mut watched = rows.watched.clone();
        let mut interfaces =
            NetlinkInterfaces::new(rows.names.clone(), cost::one_dump_is_cheaper(rows.names.len(), all));
        let _ = file.find(|device| {
            interfaces.look_up(&index, &mut watched, device);
            true
        });
        Ok(Hedged { asker, index, interfaces, file, watched, deadline, all })
    }
}

impl Source for Hedged {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let Hedged { asker, index, interfaces, file, watched, deadline, .. } = self;
        watched.begin();
        let (question, order) = interfaces.ask();
        let outcome = match asker.ask(question, *deadline) {
            Some(Ok(answers)) => {
                for (position, answer) in answers.iter().enumerate() {
                    let Some(device) = order.device_of(position, answer.ifindex) else { continue };
                    let record = answer.counters.as_ref().map(|counters| |swapped| netdev::record(counters, swapped));
                    watched.fill::<interface::Table>(device, rows, answer.time, record);
                }
                if watched.all_found() { Ok(()) } else { follow(interfaces, index, file, watched) }
            }
            // An error is netlink's own, as that the dump was interrupted too often: the file has the numbers, too.
            Some(Err(_)) | None => {
                let outcome = file.read(rows, watched);
                // Names are all that the file knows: whose they are is asked for, which takes no lock either.
                file.read_until_sure(rows, watched, outcome, |watched, device| {
                    interfaces.is_same(index, watched, device)
                })
            }
        };
        watched.finish::<interface::Table>(rows, outcome);
    }

    fn reopening(&self) -> Option<Reopening> {
        self.file.reopening()
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Hedged { index, interfaces, file, watched, .. } = self;
        getstats::reopened(opened, interfaces, index, file, watched)
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.watched.problem(row, &self.file.shown)
    }

    fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {
        self.watched.each_occupant(each);
    }

    fn explain(&self) -> Explanation {
        let (watched, all) = (self.watched.len(), self.all);
        Explanation {
            source: format!("{SHOWN}, by a thread; else {}", self.file.shown.display()),
            rows: self.watched.rows(),
            system_calls: self.asker.calls(),
            why: format!(
                "{watched} of {all} interfaces: netlink is the cheapest, and so that no holder of RTNL can hold the poll, \
                 a thread asks; after {:?} without its answer the file is read. The thread's calls are counted, those \
                 that wake it and wait for it are not",
                self.deadline
            ),
        }
    }
}

/// What netlink said of one interface.
struct Answer {
    ifindex: u32,
    counters: Option<Counters>,
    time: i64,
}

/// What the thread does for a question.
trait Work: FnMut(Question<'_>, &mut Vec<Answer>) -> (Result<(), Failure>, usize) + Send + 'static {}
impl<F: FnMut(Question<'_>, &mut Vec<Answer>) -> (Result<(), Failure>, usize) + Send + 'static> Work for F {}

/// The thread that asks, seen from the poll.
struct Asker {
    shared: Arc<Shared>,
    /// The newest answers: they change places with the thread's, so that none are copied.
    answers: Vec<Answer>,
}

#[derive(Default)]
struct Shared {
    exchange: Mutex<Exchange>,
    asked: Condvar,
    answered: Condvar,
    /// `Exchange::answered`, to be looked at without the lock.
    newest: AtomicU64,
}

#[derive(Default)]
struct Exchange {
    /// The number of the newest question, and of the newest answer: equal while the thread has nothing to do.
    asked: u64,
    answered: u64,
    /// The interfaces to ask for; all of them when there is none.
    indices: Vec<u32>,
    all: bool,
    answers: Vec<Answer>,
    outcome: Option<Failure>,
    calls: usize,
    end: bool,
}

impl Asker {
    /// `work` asks and gathers the answers; it also tells how many system calls it took.
    fn start(work: impl Work) -> Result<Asker, Failure> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // The thread is never joined: while it is held in the kernel nothing could end it. It ends by itself.
        let thread = thread::Builder::new().name("vmiostat-asker".to_owned()).stack_size(128 << 10);
        match without_signals(|| thread.spawn(move || theirs.serve(work))) {
            Ok(_) => Ok(Asker { shared, answers: Vec::new() }),
            Err(_) => Err(Failure::Malformed("no thread can be started")),
        }
    }

    /// The answers to a question asked now; none when they do not come in time, or when the thread is still held by an
    /// earlier question.
    fn ask(&mut self, question: Question<'_>, deadline: Duration) -> Option<Result<&[Answer], Failure>> {
        let start = Instant::now();
        let mut exchange = self.shared.try_lock()?;
        if exchange.asked != exchange.answered {
            return None;
        }
        exchange.asked += 1;
        let number = exchange.asked;
        exchange.all = matches!(question, Question::All);
        exchange.indices.clear();
        if let Question::Some(indices) = question {
            exchange.indices.extend_from_slice(indices);
        }
        drop(exchange);
        self.shared.asked.notify_one();
        while self.shared.newest.load(Ordering::Acquire) != number && start.elapsed() < SPIN {
            spin_loop();
        }
        let exchange = self.shared.try_lock()?;
        let left = deadline.saturating_sub(start.elapsed());
        let waiting = |exchange: &mut Exchange| exchange.answered != number;
        let (mut exchange, late) = self.shared.answered.wait_timeout_while(exchange, left, waiting).ok()?;
        if late.timed_out() && exchange.answered != number {
            return None;
        }
        std::mem::swap(&mut self.answers, &mut exchange.answers);
        Some(exchange.outcome.map_or(Ok(&self.answers), Err))
    }

    fn calls(&self) -> usize {
        self.shared.try_lock().map_or(0, |exchange| exchange.calls)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Some(mut exchange) = self.shared.try_lock() {
            exchange.end = true;
        }
        self.shared.asked.notify_one();
    }
}

impl Shared {
    /// The lock is only ever held for some instructions, unless its holder did not survive a fork: so it is tried for a
    /// while, and never waited for.
    fn try_lock(&self) -> Option<MutexGuard<'_, Exchange>> {
        let start = Instant::now();
        loop {
            match self.exchange.try_lock() {
                Ok(exchange) => return Some(exchange),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK => return None,
                Err(TryLockError::WouldBlock) => spin_loop(),
            }
        }
    }

    /// The thread's life: waits for a question, asks it, hands the answers over.
    fn serve(&self, mut work: impl Work) {
        let (mut answers, mut indices) = (Vec::new(), Vec::new());
        loop {
            let Ok(exchange) = self.exchange.lock() else { return };
            let idle = |exchange: &mut Exchange| exchange.asked == exchange.answered && !exchange.end;
            let Ok(mut exchange) = self.asked.wait_while(exchange, idle) else { return };
            if exchange.end {
                return;
            }
            let (number, all) = (exchange.asked, exchange.all);
            std::mem::swap(&mut indices, &mut exchange.indices);
            drop(exchange);

            answers.clear();
            let question = if all { Question::All } else { Question::Some(&indices) };
            let (outcome, calls) = work(question, &mut answers);

            let Ok(mut exchange) = self.exchange.lock() else { return };
            std::mem::swap(&mut answers, &mut exchange.answers);
            exchange.outcome = outcome.err();
            exchange.calls = calls;
            exchange.answered = number;
            self.newest.store(number, Ordering::Release);
            drop(exchange);
            self.answered.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(20);

    fn echo(question: Question<'_>, answers: &mut Vec<Answer>) {
        let indices = match question {
            Question::All => &[1, 2, 3],
            Question::Some(indices) => indices,
        };
        answers.extend(indices.iter().map(|ifindex| Answer { ifindex: *ifindex, counters: None, time: 0 }));
    }

    fn indices(asked: Option<Result<&[Answer], Failure>>) -> Option<Vec<u32>> {
        asked.map(|answers| answers.unwrap_or_default().iter().map(|answer| answer.ifindex).collect())
    }

    #[test]
    fn the_thread_answers_what_was_asked() {
        let mut asker = Asker::start(|question, answers| {
            echo(question, answers);
            (Ok(()), 7)
        })
        .unwrap();
        for _ in 0..100 {
            assert_eq!(indices(asker.ask(Question::All, LONG)), Some(vec![1, 2, 3]));
            assert_eq!(indices(asker.ask(Question::Some(&[9]), LONG)), Some(vec![9]));
        }
        assert_eq!(asker.calls(), 7);
    }

    #[test]
    fn a_refusal_is_handed_over() {
        let mut asker = Asker::start(|_, _| (Err(Failure::Malformed("refused")), 1)).unwrap();
        assert!(matches!(asker.ask(Question::All, LONG), Some(Err(Failure::Malformed("refused")))));
    }

    #[test]
    fn a_thread_that_is_held_costs_one_deadline_and_its_late_answer_is_nobody_s() {
        let (release, released) = channel::<u32>();
        let mut asker = Asker::start(move |_, answers| {
            let ifindex = released.recv().unwrap_or_default();
            answers.push(Answer { ifindex, counters: None, time: 0 });
            (Ok(()), 1)
        })
        .unwrap();
        let start = Instant::now();
        assert_eq!(indices(asker.ask(Question::All, SHORT)), None);
        assert!(start.elapsed() >= SHORT);
        // It is still held: nobody is asked, and nobody waits.
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(indices(asker.ask(Question::All, LONG)), None);
        }
        assert!(start.elapsed() < LONG / 10);
        release.send(1).unwrap();
        release.send(2).unwrap();
        // The first answer belongs to the question that was given up.
        let answer = std::iter::repeat_with(|| indices(asker.ask(Question::All, LONG))).find(Option::is_some);
        assert_eq!(answer, Some(Some(vec![2])));
    }

    #[test]
    fn the_thread_ends_with_its_poller() {
        let asker = Asker::start(|_, _| (Ok(()), 0)).unwrap();
        let shared = Arc::downgrade(&asker.shared);
        drop(asker);
        let start = Instant::now();
        while shared.upgrade().is_some() && start.elapsed() < LONG {
            thread::yield_now();
        }
        assert!(shared.upgrade().is_none());
    }
}
