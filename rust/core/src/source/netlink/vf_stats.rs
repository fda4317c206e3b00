//! Virtual functions of network cards, as each card's physical function counts them: a thread for each card asks, and a poll
//! takes the newest answer.
//!
//! A card's answer takes RTNL and, in most drivers, a word with the card's firmware for each function: milliseconds, or as
//! long as a firmware hangs. So no poll waits for one, and a row has the time of its own answer.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::card_asker::{Answer, CardAsker};
use super::socket::NetlinkSocket;
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::{Table, interface};
use crate::parse::netdev;
use crate::parse::vf_stats;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::generation::Occupant;
use crate::source::net::namespace;
use crate::source::net::rows::Swapped;
use crate::source::{Explanation, Failure, OpenHandle, OpenHandles, Reopened, Reopening, Source};
use crate::state::State;

/// A row whose answer is older says that it is stale.
const BOUND_NS: i64 = 2_000_000_000;
/// So long the opening waits for the first answers, all cards together, so that the first poll has numbers.
const FIRST: Duration = Duration::from_secs(1);

/// A physical function: its interface, and that one's network namespace.
pub(crate) type Card = (Option<PathBuf>, OsString);
/// A card's thread, or why there is none.
type Asker = Result<Arc<Mutex<CardAsker>>, Failure>;
/// A row: which function of a card, where in the plan, in which direction.
pub(crate) type FunctionRow = (u32, usize, Swapped);

pub(crate) struct VirtualFunctions {
    cards: Vec<Functions>,
}

struct Functions {
    card: Card,
    /// Of the plan before and of this one, if the card is in both.
    asker: Asker,
    rows: Vec<Row>,
    /// The card's own number, of the newest answer: another card under its name has another.
    index: Option<u32>,
}

struct Row {
    number: u32,
    row: usize,
    swapped: Swapped,
    occupant: Occupant,
    failure: Option<Failure>,
}

/// What is handed on to another plan.
struct Opened {
    card: Card,
    asker: Arc<Mutex<CardAsker>>,
}

impl VirtualFunctions {
    /// A card that is asked already, as the `open` handles tell, is not asked by another thread.
    pub(crate) fn open(
        roots: &Roots,
        cards: BTreeMap<Card, Vec<FunctionRow>>,
        open: &mut OpenHandles,
    ) -> VirtualFunctions {
        let mut new = Vec::new();
        let functions = |(card, rows): (Card, Vec<FunctionRow>)| {
            let handles: Vec<_> =
                rows.iter().filter_map(|(_, row, _)| open.remove(row)?.downcast::<Opened>().ok()).collect();
            let asker = match handles.into_iter().find(|opened| opened.card == card) {
                Some(opened) => Ok(opened.asker),
                None => ask(roots, &card).inspect(|asker| new.push(Arc::clone(asker))),
            };
            Functions::new(card, asker, rows)
        };
        let cards = cards.into_iter().map(functions).collect();
        let start = Instant::now();
        new.iter().for_each(|asker| lock(asker).wait_for_first(FIRST.saturating_sub(start.elapsed())));
        VirtualFunctions { cards }
    }
}

/// Whatever panicked: the newest answer is whole at any time.
fn lock(asker: &Mutex<CardAsker>) -> MutexGuard<'_, CardAsker> {
    asker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that asks for a card, in the card's network namespace.
fn ask(roots: &Roots, (namespace, device): &Card) -> Asker {
    if !roots.has_this_network() {
        return Err(namespace::CAPTURED);
    }
    let mut socket = match namespace {
        None => NetlinkSocket::open()?,
        Some(namespace) => namespace::within(roots, namespace, NetlinkSocket::open)??,
    };
    let device = device.clone();
    let asker = CardAsker::start(move |answer: &mut Answer| {
        answer.functions.clear();
        let outcome = socket.ask_link(device.as_bytes(), |index, attributes, time| {
            (answer.index, answer.time) = (index, time);
            answer.functions.extend(vf_stats::functions(attributes));
        });
        if outcome.is_err() {
            answer.time = monotonic_ns();
        }
        answer.failure = outcome.err();
        answer.calls = socket.calls();
    })?;
    Ok(Arc::new(Mutex::new(asker)))
}

impl Source for VirtualFunctions {
    fn read(&mut self, rows: &mut Rows<'_>) {
        for card in &mut self.cards {
            card.read(rows);
        }
    }

    fn reopening(&self) -> Option<Reopening> {
        let cards = self.cards.iter().enumerate().filter(|(_, card)| card.asker.is_err());
        let cards: Vec<_> = cards.map(|(place, card)| (place, card.card.clone())).collect();
        if cards.is_empty() {
            return None;
        }
        let anew = |roots: &Roots, (place, card)| (place, ask(roots, &card));
        Some(Box::new(move |roots| Box::new(cards.into_iter().map(|card| anew(roots, card)).collect::<Vec<_>>())))
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Ok(opened) = opened.downcast::<Vec<(usize, Asker)>>() else { return 0 };
        let mut count = 0;
        for (place, asker) in *opened {
            if self.cards[place].asker.is_err() {
                count += usize::from(asker.is_ok());
                self.cards[place].asker = asker;
            }
        }
        count
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let (card, row) =
            self.cards.iter().find_map(|card| Some((card, card.rows.iter().find(|own| own.row == row)?)))?;
        row.failure.map(|failure| failure.error(card.shown()))
    }

    fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {
        for card in &mut self.cards {
            card.rows.iter_mut().for_each(|row| each(row.row, &mut row.occupant, card.index.map(u64::from)));
        }
    }

    fn each_handle(&self, each: &mut dyn FnMut(usize, OpenHandle)) {
        for Functions { card, asker, rows, .. } in &self.cards {
            if let Ok(asker) = asker {
                rows.iter().for_each(|row| {
                    each(row.row, Box::new(Opened { card: card.clone(), asker: Arc::clone(asker) }));
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
            system_calls: self.cards.iter().filter_map(|card| card.asker.as_ref().ok()).map(|asker| lock(asker).calls()).sum(),
            why: "only its card counts a virtual function. A card answers when it can: a thread asks, a poll takes the newest \
                  answer. The thread's calls are counted, those that wake it are not"
                .to_owned(),
        }
    }
}

impl Functions {
    fn new(card: Card, asker: Asker, rows: Vec<FunctionRow>) -> Functions {
        let row = |(number, row, swapped)| Row { number, row, swapped, occupant: Occupant::default(), failure: None };
        let index = asker.as_ref().ok().and_then(|asker| lock(asker).index());
        Functions { card, asker, rows: rows.into_iter().map(row).collect(), index }
    }

    fn read(&mut self, rows: &mut Rows<'_>) {
        let now = monotonic_ns();
        let mut asker = match &self.asker {
            Ok(asker) => lock(asker),
            Err(failure) => {
                let failure = *failure;
                return self.rows.iter_mut().for_each(|row| row.fail(rows, failure, failure.state(), now));
            }
        };
        let Some(answer) = asker.newest(now) else {
            return self.rows.iter_mut().for_each(|row| row.fail(rows, NOT_YET, State::Stale, now));
        };
        if answer.failure.is_none() && self.index.replace(answer.index).is_some_and(|index| index != answer.index) {
            self.rows.iter_mut().for_each(|row| row.occupant.lost());
        }
        for row in &mut self.rows {
            match answer.of(row.number) {
                Ok(counters) => {
                    row.failure = None;
                    let state = if now - answer.time > BOUND_NS { State::Stale } else { State::Ok };
                    let record = netdev::record(counters, row.swapped);
                    let record = interface::Table::stamped(record, answer.time, row.occupant.seen(), state);
                    rows.put(row.row, record.as_ref());
                }
                Err(failure) => row.fail(rows, failure, failure.state(), answer.time),
            }
        }
    }

    fn shown(&self) -> PathBuf {
        let (namespace, device) = &self.card;
        let place = namespace.as_ref().map_or_else(String::new, |namespace| format!(" in {}", namespace.display()));
        format!("rtnetlink (RTM_GETLINK of {}{place})", device.display()).into()
    }
}

const NOT_YET: Failure = Failure::Malformed("the card has not answered yet");
const UNCOUNTED: Failure = Failure::Malformed("the kernel does not count virtual functions (it does since Linux 4.2)");

impl Answer {
    /// A function's counters; ENODEV where the card, or this function of it, is not there.
    fn of(&self, number: u32) -> Result<&netdev::Counters, Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let found = self.functions.iter().find(|(own, _)| *own == number).ok_or(Failure::Errno(Errno::NODEV))?;
        found.1.as_ref().ok_or(UNCOUNTED)
    }
}

impl Row {
    #[cold]
    fn fail(&mut self, rows: &mut Rows<'_>, failure: Failure, state: State, time: i64) {
        self.failure = Some(failure);
        if state == State::Gone {
            self.occupant.lost();
        }
        let record = interface::Table::stamped(interface::UNKNOWN, time, self.occupant.generation(), state);
        rows.put(self.row, record.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// Rows of the functions 0 and 3 of a card that says what is sent, and the way to say it.
    fn card() -> (Sender<Answer>, VirtualFunctions) {
        let (send, receive) = channel();
        let asker = CardAsker::start(move |answer| *answer = receive.recv().unwrap_or_default()).unwrap();
        let card = (None, OsString::from("enp1s0f0"));
        let rows = vec![(0, 0, false), (3, 1, true)];
        (send, VirtualFunctions { cards: vec![Functions::new(card, Ok(Arc::new(Mutex::new(asker))), rows)] })
    }

    fn answer(index: u32, functions: &[(u32, i64)]) -> Answer {
        let functions =
            functions.iter().map(|(number, first)| (*number, Some(std::array::from_fn(|place| first + place as i64))));
        Answer { time: monotonic_ns(), index, functions: functions.collect(), ..Answer::default() }
    }

    fn read(source: &mut VirtualFunctions) -> Vec<interface::Record> {
        let mut words = vec![0; 2 * interface::WORDS];
        let mut rows = Rows::new(bytemuck::cast_slice_mut(&mut words), 2, interface::SIZE, interface::SIZE).unwrap();
        source.read(&mut rows);
        words.as_chunks().0.to_vec()
    }

    /// Reads until the answer of this time is the newest.
    fn read_until(source: &mut VirtualFunctions, time: i64) -> Vec<interface::Record> {
        let start = Instant::now();
        loop {
            let rows = read(source);
            if rows[0][interface::time_ns] == time {
                return rows;
            }
            assert!(start.elapsed() < LONG, "the answer never came");
            std::thread::yield_now();
        }
    }

    /// Generation and state.
    fn standing(row: &interface::Record) -> (i64, State) {
        (row[interface::generation], State::from_word(row[interface::state]).unwrap())
    }

    #[test]
    fn a_row_has_its_answer_s_numbers_and_time() {
        let (send, mut source) = card();
        let rows = read(&mut source);
        assert_eq!(standing(&rows[0]), (-1, State::Stale));
        assert_eq!(
            source.problem(0).unwrap().to_string(),
            "rtnetlink (RTM_GETLINK of enp1s0f0): the card has not answered yet"
        );
        let said = answer(5, &[(3, 300), (0, 100)]);
        let time = said.time;
        send.send(said).unwrap();
        let rows = read_until(&mut source, time);
        assert_eq!(rows[0][..8], [100, 101, 102, 103, 108, 109, 110, 111]);
        assert_eq!(rows[1][..8], [308, 309, 310, 311, 300, 301, 302, 303], "the host's view was asked for");
        assert_eq!((standing(&rows[0]), standing(&rows[1])), ((0, State::Ok), (0, State::Ok)));
        assert!(source.problem(0).is_none() && source.problem(9).is_none());
        assert_eq!(source.explain().rows, 2);
    }

    #[test]
    fn an_old_answer_is_stale_and_still_there() {
        let (send, mut source) = card();
        let mut said = answer(5, &[(0, 100), (3, 300)]);
        said.time -= BOUND_NS + 1;
        let time = said.time;
        send.send(said).unwrap();
        let rows = read_until(&mut source, time);
        assert_eq!((rows[0][0], standing(&rows[0])), (100, (0, State::Stale)));
    }

    #[test]
    fn what_goes_and_comes_back_is_another_one() {
        let (send, mut source) = card();
        let mut tell = |said: Answer| {
            let time = said.time;
            send.send(said).unwrap();
            let rows = read_until(&mut source, time);
            let problem = source.problem(1).map(|problem| problem.to_string());
            (standing(&rows[0]), standing(&rows[1]), problem)
        };
        let problem = |what: &str| Some(format!("rtnetlink (RTM_GETLINK of enp1s0f0): {what}"));
        assert_eq!(tell(answer(5, &[(0, 1), (3, 1)])), ((0, State::Ok), (0, State::Ok), None));
        // One function was taken from the card.
        let gone = problem("No such device (os error 19)");
        assert_eq!(tell(answer(5, &[(0, 1)])), ((0, State::Ok), (0, State::Gone), gone.clone()));
        assert_eq!(tell(answer(5, &[(0, 1), (3, 1)])), ((0, State::Ok), (1, State::Ok), None));
        // Another card has the name.
        assert_eq!(tell(answer(6, &[(0, 1), (3, 1)])), ((1, State::Ok), (2, State::Ok), None));
        // An error is none of the device's.
        let failed = |failure| Answer { failure: Some(failure), ..answer(0, &[]) };
        let unreadable = (State::Unreadable, problem("Operation not permitted (os error 1)"));
        assert_eq!(tell(failed(Failure::Errno(Errno::PERM))), ((1, unreadable.0), (2, unreadable.0), unreadable.1));
        assert_eq!(tell(answer(6, &[(0, 1), (3, 1)])), ((1, State::Ok), (2, State::Ok), None));
        assert_eq!(tell(failed(Failure::Errno(Errno::NODEV))), ((1, State::Gone), (2, State::Gone), gone));
        assert_eq!(tell(answer(6, &[(0, 1), (3, 1)])), ((2, State::Ok), (3, State::Ok), None));
        // A kernel that knows the functions and counts none of them.
        let mut bare = answer(6, &[(0, 1)]);
        bare.functions.push((3, None));
        let (first, second, why) = tell(bare);
        assert_eq!((first, second), ((2, State::Ok), (3, State::Unreadable)));
        assert!(why.unwrap().contains("does not count virtual functions"));
    }

    #[test]
    fn another_plan_takes_the_thread_over_and_knows_which_card_it_was() {
        let (send, mut source) = card();
        let said = answer(5, &[(0, 100), (3, 300)]);
        send.send(said).unwrap();
        while standing(&read(&mut source)[0]).1 != State::Ok {}
        let mut open = OpenHandles::new();
        // The rows have changed places.
        source.each_handle(&mut |row, handle| {
            open.insert(1 - row, handle);
        });
        let cards = BTreeMap::from([(source.cards[0].card.clone(), vec![(3, 0, false), (0, 1, false)])]);
        let mut next = VirtualFunctions::open(&Roots::machine().unwrap(), cards, &mut open);
        assert!(open.is_empty());
        let mut found = Vec::new();
        next.each_occupant(&mut |row, _, device| found.push((row, device)));
        assert_eq!(found, [(0, Some(5)), (1, Some(5))]);
        drop(source);
        let rows = read(&mut next);
        assert_eq!((rows[0][0], rows[1][0]), (300, 100), "the newest answer is there at once");
        let said = answer(5, &[(0, 101), (3, 301)]);
        let time = said.time;
        send.send(said).unwrap();
        assert_eq!(read_until(&mut next, time)[1][0], 101);
        // Another card is asked anew.
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
    fn the_kernel_is_asked_before_the_first_poll() {
        for device in ["lo", "none-such"] {
            let mut source = of_this_machine(device);
            assert_eq!(standing(&read(&mut source)[0]), (-1, State::Gone), "{device} has no virtual functions");
            assert_eq!(source.explain().system_calls, 3);
        }
    }

    #[test]
    fn a_captured_machine_cannot_be_asked() {
        let tree = tempfile::tempdir().unwrap();
        let cards = BTreeMap::from([((None, "eth0".into()), vec![(0, 0, false), (1, 1, false)])]);
        let roots = Roots::new(tree.path(), &[]).unwrap();
        let mut source = VirtualFunctions::open(&roots, cards, &mut OpenHandles::new());
        assert_eq!(standing(&read(&mut source)[1]), (-1, State::Unreadable));
        assert!(source.problem(1).unwrap().to_string().ends_with("the machine is a captured one"));
        let opened = source.reopening().unwrap()(&roots);
        assert_eq!(source.reopened(opened), 0);
    }
}
