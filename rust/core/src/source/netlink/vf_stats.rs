//! Virtual functions of network cards, counted by each card's physical function. A thread per card queries it, and a
//! poll takes the newest reply.
//!
//! A query takes RTNL and, in most drivers, a firmware command for each function: milliseconds, or as long as the
//! firmware hangs. So no poll waits for a reply, and the time of a row is that of the reply.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::card::{self, Card, CardThread, CardWorker, lock};
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::{Table, interface};
use crate::parse::netdev;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::generation::RowGeneration;
use crate::source::identity::tracked_interfaces::SwapRxTx;
use crate::source::{Explanation, Failure, OpenHandle, OpenHandles, Reopened, Reopening, Source};
use crate::state::State;

/// A row whose reply is older is stale.
const MAX_AGE_NS: i64 = 2_000_000_000;
/// Opening waits this long for the first replies of all cards, so that the first poll has counters.
const FIRST: Duration = Duration::from_secs(1);
/// A row of the plan: the number of its function, its index, its direction.
pub(crate) type FunctionRow = (u32, usize, SwapRxTx);
pub(crate) struct VirtualFunctions {
    cards: Vec<Functions>,
}

struct Functions {
    card: Card,
    /// Shared with the previous plan, if the card was in it.
    thread: CardThread,
    rows: Vec<Row>,
    /// The interface number in the newest reply: another card under this name has another one.
    index: Option<u32>,
}

struct Row {
    number: u32,
    row: usize,
    swap_rx_tx: SwapRxTx,
    generation: RowGeneration,
    failure: Option<Failure>,
}

/// A handle for another plan.
struct Opened {
    card: Card,
    worker: Arc<Mutex<CardWorker>>,
}

impl VirtualFunctions {
    /// Starts a thread for each card that has none among the `open` handles.
    pub(crate) fn open(
        roots: &Roots,
        cards: BTreeMap<Card, Vec<FunctionRow>>,
        open: &mut OpenHandles,
    ) -> VirtualFunctions {
        let mut new = Vec::new();
        let functions = |(card, rows): (Card, Vec<FunctionRow>)| {
            let handles: Vec<_> =
                rows.iter().filter_map(|(_, row, _)| open.remove(row)?.downcast::<Opened>().ok()).collect();
            let thread = match handles.into_iter().find(|opened| opened.card == card) {
                Some(opened) => Ok(opened.worker),
                None => card::start(roots, &card).inspect(|worker| new.push(Arc::clone(worker))),
            };
            Functions::new(card, thread, rows)
        };
        let cards = cards.into_iter().map(functions).collect();
        let start = Instant::now();
        for worker in &new {
            lock(worker).wait_for_answer(FIRST.saturating_sub(start.elapsed()));
        }
        VirtualFunctions { cards }
    }
}

impl Source for VirtualFunctions {
    fn read(&mut self, rows: &mut Rows<'_>) {
        for card in &mut self.cards {
            card.read(rows);
        }
    }

    fn reopening(&self) -> Option<Reopening> {
        let cards = self.cards.iter().enumerate().filter(|(_, card)| card.thread.is_err());
        let cards: Vec<_> = cards.map(|(place, card)| (place, card.card.clone())).collect();
        if cards.is_empty() {
            return None;
        }
        let restart = |roots: &Roots, (place, card)| (place, card::start(roots, &card));
        Some(Box::new(move |roots| Box::new(cards.into_iter().map(|card| restart(roots, card)).collect::<Vec<_>>())))
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Ok(opened) = opened.downcast::<Vec<(usize, CardThread)>>() else { return 0 };
        let mut count = 0;
        for (place, thread) in *opened {
            if self.cards[place].thread.is_err() {
                count += usize::from(thread.is_ok());
                self.cards[place].thread = thread;
            }
        }
        count
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let (card, row) =
            self.cards.iter().find_map(|card| Some((card, card.rows.iter().find(|own| own.row == row)?)))?;
        row.failure.map(|failure| failure.error(card.shown()))
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        for card in &mut self.cards {
            card.rows.iter_mut().for_each(|row| each(row.row, &mut row.generation));
        }
    }

    fn each_handle(&self, each: &mut dyn FnMut(usize, OpenHandle)) {
        for Functions { card, thread, rows, .. } in &self.cards {
            if let Ok(worker) = thread {
                rows.iter().for_each(|row| {
                    each(row.row, Box::new(Opened { card: card.clone(), worker: Arc::clone(worker) }));
                });
            }
        }
    }

    fn explain(&self) -> Explanation {
        let first = self.cards.first().map_or_else(String::new, |card| card.shown().display().to_string());
        let others = self.cards.len().saturating_sub(1);
        Explanation {
            source: if others == 0 { first } else { format!("{first} and {others} more") },
            rows: self.cards.iter().map(|card| card.rows.len()).sum(),
            system_calls: self.cards.iter().map(Functions::calls).sum(),
            why:
                "only its card counts a virtual function. A card may reply late: a thread queries it, and a poll takes \
                  the newest reply. The thread's system calls are counted, waking it is not"
                    .to_owned(),
        }
    }
}

impl Functions {
    fn new(card: Card, thread: CardThread, rows: Vec<FunctionRow>) -> Functions {
        let row = |(number, row, swap_rx_tx)| Row {
            number,
            row,
            swap_rx_tx,
            generation: RowGeneration::default(),
            failure: None,
        };
        let index = |worker: &CardWorker| {
            let reply = worker.newest().filter(|reply| reply.failure.is_none())?;
            Some(reply.index)
        };
        let index = thread.as_ref().ok().and_then(|worker| index(&lock(worker)));
        let mut rows: Vec<_> = rows.into_iter().map(row).collect();
        index.into_iter().for_each(|index| rows.iter_mut().for_each(|row| row.is_of(index)));
        Functions { card, thread, rows, index }
    }

    /// System calls of the newest reply's query.
    fn calls(&self) -> usize {
        let Ok(worker) = &self.thread else { return 0 };
        lock(worker).newest().map_or(0, |reply| reply.calls)
    }

    fn read(&mut self, rows: &mut Rows<'_>) {
        let now = monotonic_ns();
        let mut worker = match &self.thread {
            Ok(worker) => lock(worker),
            Err(failure) => {
                let failure = *failure;
                return self.rows.iter_mut().for_each(|row| row.fail(rows, failure, failure.state(), now));
            }
        };
        let Some(reply) = worker.refresh() else {
            return self.rows.iter_mut().for_each(|row| row.fail(rows, NOT_YET, State::Stale, now));
        };
        if reply.failure.is_none() && self.index != Some(reply.index) {
            self.index = Some(reply.index);
            self.rows.iter_mut().for_each(|row| row.is_of(reply.index));
        }
        for row in &mut self.rows {
            match reply.function(row.number) {
                Ok(counters) => {
                    row.failure = None;
                    let state = if now - reply.time > MAX_AGE_NS { State::Stale } else { State::Ok };
                    let record = netdev::record(counters, row.swap_rx_tx);
                    let record = interface::Table::stamped(record, reply.time, row.generation.seen(), state);
                    rows.put(row.row, record.as_ref());
                }
                Err(failure) => row.fail(rows, failure, failure.state(), reply.time),
            }
        }
    }

    fn shown(&self) -> PathBuf {
        let (namespace, device) = &self.card;
        let place = namespace.as_ref().map_or_else(String::new, |namespace| format!(" in {}", namespace.display()));
        format!("rtnetlink (RTM_GETLINK of {}{place})", device.display()).into()
    }
}

const NOT_YET: Failure = Failure::Malformed("the card has not replied yet");

impl Row {
    /// Its card has this number.
    fn is_of(&mut self, card: u32) {
        self.generation.becomes(DeviceId::Function { card, number: self.number });
    }

    #[cold]
    fn fail(&mut self, rows: &mut Rows<'_>, failure: Failure, state: State, time: i64) {
        self.failure = Some(failure);
        if state == State::Gone {
            self.generation.lost();
        }
        let record = interface::Table::stamped(interface::UNKNOWN, time, self.generation.number(), state);
        rows.put(self.row, record.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::sync::mpsc::{Sender, channel};

    use rustix::io::Errno;

    use super::super::card::{REPEAT, Reply};
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// Rows of the functions 0 and 3 of a card, whose replies are those sent.
    fn card() -> (Sender<Reply>, VirtualFunctions) {
        let (send, receive) = channel();
        let work = move |(): &(), reply: &mut Reply| *reply = receive.recv().unwrap_or_default();
        let mut worker = CardWorker::start("test", Some(REPEAT), work).unwrap();
        worker.refresh();
        let card = (None, OsString::from("enp1s0f0"));
        let rows = vec![(0, 0, false), (3, 1, true)];
        (send, VirtualFunctions { cards: vec![Functions::new(card, Ok(Arc::new(Mutex::new(worker))), rows)] })
    }

    fn reply(index: u32, functions: &[(u32, i64)]) -> Reply {
        let functions =
            functions.iter().map(|(number, first)| (*number, Some(std::array::from_fn(|place| first + place as i64))));
        Reply { time: monotonic_ns(), index, functions: functions.collect(), ..Reply::default() }
    }

    fn read(source: &mut VirtualFunctions) -> Vec<interface::Record> {
        let mut words = vec![0; 2 * interface::WORDS];
        let mut rows = Rows::new(bytemuck::cast_slice_mut(&mut words), 2, interface::SIZE, interface::SIZE).unwrap();
        source.read(&mut rows);
        words.as_chunks().0.to_vec()
    }

    /// Reads until the reply of this time is the newest.
    fn read_until(source: &mut VirtualFunctions, time: i64) -> Vec<interface::Record> {
        let start = Instant::now();
        loop {
            let rows = read(source);
            if rows[0][interface::time_ns] == time {
                return rows;
            }
            assert!(start.elapsed() < LONG, "no reply came");
            std::thread::yield_now();
        }
    }

    /// Generation and state.
    fn standing(row: &interface::Record) -> (i64, State) {
        (row[interface::generation], State::from_word(row[interface::state]).unwrap())
    }

    #[test]
    fn a_row_has_the_counters_and_the_time_of_its_reply() {
        let (send, mut source) = card();
        let rows = read(&mut source);
        assert_eq!(standing(&rows[0]), (-1, State::Stale));
        assert_eq!(
            source.problem(0).unwrap().to_string(),
            "rtnetlink (RTM_GETLINK of enp1s0f0): the card has not replied yet"
        );
        let sent = reply(5, &[(3, 300), (0, 100)]);
        let time = sent.time;
        send.send(sent).unwrap();
        let rows = read_until(&mut source, time);
        assert_eq!(rows[0][..8], [100, 101, 102, 103, 108, 109, 110, 111]);
        assert_eq!(rows[1][..8], [308, 309, 310, 311, 300, 301, 302, 303], "with rx and tx swapped");
        assert_eq!((standing(&rows[0]), standing(&rows[1])), ((0, State::Ok), (0, State::Ok)));
        assert!(source.problem(0).is_none() && source.problem(9).is_none());
        assert_eq!(source.explain().rows, 2);
    }

    #[test]
    fn an_old_reply_is_stale_but_shown() {
        let (send, mut source) = card();
        let mut sent = reply(5, &[(0, 100), (3, 300)]);
        sent.time -= MAX_AGE_NS + 1;
        let time = sent.time;
        send.send(sent).unwrap();
        let rows = read_until(&mut source, time);
        assert_eq!((rows[0][0], standing(&rows[0])), (100, (0, State::Stale)));
    }

    #[test]
    fn a_function_that_returns_is_a_new_generation() {
        let (send, mut source) = card();
        let mut states = |sent: Reply| {
            let time = sent.time;
            send.send(sent).unwrap();
            let rows = read_until(&mut source, time);
            let problem = source.problem(1).map(|problem| problem.to_string());
            (standing(&rows[0]), standing(&rows[1]), problem)
        };
        let problem = |what: &str| Some(format!("rtnetlink (RTM_GETLINK of enp1s0f0): {what}"));
        assert_eq!(states(reply(5, &[(0, 1), (3, 1)])), ((0, State::Ok), (0, State::Ok), None));
        // A function was removed from the card.
        let gone = problem("No such device (os error 19)");
        assert_eq!(states(reply(5, &[(0, 1)])), ((0, State::Ok), (0, State::Gone), gone.clone()));
        assert_eq!(states(reply(5, &[(0, 1), (3, 1)])), ((0, State::Ok), (1, State::Ok), None));
        // Another card has the name.
        assert_eq!(states(reply(6, &[(0, 1), (3, 1)])), ((1, State::Ok), (2, State::Ok), None));
        // An error does not replace the device.
        let failed = |failure| Reply { failure: Some(failure), ..reply(0, &[]) };
        let denied = (State::Denied, problem("Operation not permitted (os error 1)"));
        assert_eq!(states(failed(Failure::Errno(Errno::PERM))), ((1, denied.0), (2, denied.0), denied.1));
        assert_eq!(states(reply(6, &[(0, 1), (3, 1)])), ((1, State::Ok), (2, State::Ok), None));
        assert_eq!(states(failed(Failure::Errno(Errno::NODEV))), ((1, State::Gone), (2, State::Gone), gone));
        assert_eq!(states(reply(6, &[(0, 1), (3, 1)])), ((2, State::Ok), (3, State::Ok), None));
        // A kernel that lists functions without counters.
        let mut bare = reply(6, &[(0, 1)]);
        bare.functions.push((3, None));
        let (first, second, why) = states(bare);
        assert_eq!((first, second), ((2, State::Ok), (3, State::Unreadable)));
        assert!(why.unwrap().contains("does not count virtual functions"));
    }

    #[test]
    fn another_plan_takes_over_the_thread_and_the_identity_of_the_card() {
        let (send, mut source) = card();
        let sent = reply(5, &[(0, 100), (3, 300)]);
        send.send(sent).unwrap();
        while standing(&read(&mut source)[0]).1 != State::Ok {}
        let mut open = OpenHandles::new();
        // The rows change places.
        source.each_handle(&mut |row, handle| {
            open.insert(1 - row, handle);
        });
        let cards = BTreeMap::from([(source.cards[0].card.clone(), vec![(3, 0, false), (0, 1, false)])]);
        let mut next = VirtualFunctions::open(&Roots::machine().unwrap(), cards, &mut open);
        assert!(open.is_empty());
        let mut found = Vec::new();
        next.each_generation(&mut |row, generation| found.push((row, generation.id())));
        let id = |number| Some(DeviceId::Function { card: 5, number });
        assert_eq!(found, [(0, id(3)), (1, id(0))]);
        drop(source);
        let rows = read(&mut next);
        assert_eq!((rows[0][0], rows[1][0]), (300, 100), "the newest reply is available at once");
        let sent = reply(5, &[(0, 101), (3, 301)]);
        let time = sent.time;
        send.send(sent).unwrap();
        assert_eq!(read_until(&mut next, time)[1][0], 101);
        // Another card gets a thread of its own.
        let mut open = OpenHandles::new();
        next.each_handle(&mut |row, handle| {
            open.insert(row, handle);
        });
        let cards = BTreeMap::from([((None, "lo".into()), vec![(0, 0, false), (1, 1, false)])]);
        let mut other = VirtualFunctions::open(&Roots::machine().unwrap(), cards, &mut open);
        assert_eq!(standing(&read(&mut other)[0]).1, State::Gone);
    }

    fn of_this_machine(device: &str) -> VirtualFunctions {
        let cards = BTreeMap::from([((None, device.into()), vec![(0, 0, false), (1, 1, false)])]);
        VirtualFunctions::open(&Roots::machine().unwrap(), cards, &mut OpenHandles::new())
    }

    #[test]
    fn opening_waits_for_the_first_reply() {
        for device in ["lo", "none-such"] {
            let mut source = of_this_machine(device);
            assert_eq!(standing(&read(&mut source)[0]), (-1, State::Gone), "{device} has no virtual functions");
            assert_eq!(source.explain().system_calls, 3);
        }
    }

    #[test]
    fn a_captured_machine_has_no_cards_to_query() {
        let tree = tempfile::tempdir().unwrap();
        let cards = BTreeMap::from([((None, "eth0".into()), vec![(0, 0, false), (1, 1, false)])]);
        let roots = Arc::new(Roots::new(tree.path(), &[]).unwrap());
        let mut source = VirtualFunctions::open(&roots, cards, &mut OpenHandles::new());
        assert_eq!(standing(&read(&mut source)[1]), (-1, State::Unreadable));
        assert!(source.problem(1).unwrap().to_string().ends_with("the machine is a captured one"));
        let opened = source.reopening().unwrap()(&roots);
        assert_eq!(source.reopened(opened), 0);
    }
}
