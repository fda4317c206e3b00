//! The devices that a source watches, and which of them a poll has found so far.

use rustix::io::Errno;

use super::Failure;
use super::generation::Occupant;
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::rows::Rows;
use crate::state::State;

/// Watched devices, by their number here. `V` is what the rows of one device may differ in: two definitions can name one.
#[derive(Clone)]
pub(crate) struct Watched<V> {
    devices: Vec<Device<V>>,
    round: u64,
    missing: usize,
    /// This poll has found a device of which it is not known which one it is.
    has_unknown: bool,
}

#[derive(Clone)]
struct Device<V> {
    rows: Vec<Row<V>>,
    /// Which device it is that has the name, where that can be told.
    id: Option<u64>,
    /// Which one it was when that could last be told, while it cannot be.
    last_id: Option<u64>,
    /// Why it could not be told, and in which round.
    doubt: Option<(u64, Errno)>,
    /// The last round that found it.
    round: u64,
    failure: Option<Failure>,
}

#[derive(Clone)]
struct Row<V> {
    row: usize,
    view: V,
    /// The only device that it is about.
    pin: Option<u64>,
    /// Another device has the name now, or none that is known.
    is_another: bool,
    occupant: Occupant,
}

impl<V: Copy> Watched<V> {
    pub(crate) fn new() -> Watched<V> {
        Watched { devices: Vec::new(), round: 0, missing: 0, has_unknown: false }
    }

    /// Adds a device without rows; gives its number.
    pub(crate) fn push(&mut self) -> usize {
        self.devices.push(Device { rows: Vec::new(), id: None, last_id: None, doubt: None, round: 0, failure: None });
        self.devices.len() - 1
    }

    /// With `pin` the row is about one device alone, whichever others have its name.
    pub(crate) fn add_row(&mut self, device: usize, row: usize, view: V, pin: Option<u64>) {
        self.devices[device].rows.push(Row { row, view, pin, is_another: false, occupant: Occupant::default() });
    }

    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// How many rows they fill.
    pub(crate) fn rows(&self) -> usize {
        self.devices.iter().map(|device| device.rows.len()).sum()
    }

    /// Whether this poll has not found it so far.
    pub(crate) fn is_missing(&self, device: usize) -> bool {
        self.devices[device].round != self.round
    }

    /// Which device it is, where that has been told.
    pub(crate) fn id(&self, device: usize) -> Option<u64> {
        self.devices[device].id
    }

    /// Which device has the name now; none where none has. Another one than before is found by this poll no more: whose
    /// numbers it has read is not known. Nor are they where it cannot be told which one has it, and to read again then
    /// helps nobody. Gives whether this reading can stand.
    pub(crate) fn identify(&mut self, device: usize, id: Result<Option<u64>, Errno>) -> bool {
        let round = self.round;
        let device = &mut self.devices[device];
        match id {
            Ok(id) if device.is_still(id) => return true,
            Ok(id) => device.become_another(id),
            Err(errno) => {
                device.last_id = device.id.take().or(device.last_id);
                device.doubt = Some((round, errno));
            }
        }
        if device.round == round {
            device.round = 0;
            self.missing += 1;
        }
        id.is_err()
    }

    /// A poll begins: nothing is found yet.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.round += 1;
        self.missing = self.devices.len();
        self.has_unknown = false;
    }

    /// Whether there is nothing left to look for.
    #[inline]
    pub(crate) fn all_found(&self) -> bool {
        self.missing == 0
    }

    /// Whether this poll has not found one that the last one has.
    pub(crate) fn has_lost_one(&self) -> bool {
        self.missing > 0 && self.devices.iter().any(|device| device.round + 1 == self.round)
    }

    /// Whether this poll has found a device of which it is not known which one it is: it was missing in the last poll.
    #[inline]
    pub(crate) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// Fills a device's rows from its counters; none is a device whose numbers could not be understood.
    #[inline]
    pub(crate) fn fill<T: Table>(
        &mut self,
        device: usize,
        rows: &mut Rows<'_>,
        time: i64,
        record: Option<impl Fn(V) -> T::Record>,
    ) {
        let device = &mut self.devices[device];
        self.missing -= usize::from(device.round != self.round);
        device.round = self.round;
        self.has_unknown |= device.id.is_none();
        device.failure = record.is_none().then_some(Failure::Malformed("a device without its numbers"));
        for row in &mut device.rows {
            if row.is_another {
                row.fail::<T>(rows, State::Gone, time);
                continue;
            }
            let generation = row.occupant.seen();
            match &record {
                Some(record) => {
                    rows.put(row.row, T::stamped(record(row.view), time, generation, State::Ok).as_ref());
                }
                None => row.fail::<T>(rows, State::Unreadable, time),
            }
        }
    }

    /// A poll ends: what it has not found is gone, or could not be read.
    pub(crate) fn finish<T: Table>(&mut self, rows: &mut Rows<'_>, outcome: Result<(), Failure>) {
        if self.missing == 0 {
            return;
        }
        let (time, round) = (monotonic_ns(), self.round);
        for device in self.devices.iter_mut().filter(|device| device.round != round) {
            let doubt = device.doubt.filter(|(when, _)| *when == round).map(|(_, errno)| Failure::Errno(errno));
            let unread = outcome.err().or(doubt);
            device.failure = unread.or(Some(Failure::Errno(Errno::NODEV)));
            if unread.is_none() {
                device.lose();
            }
            let state = if unread.is_none() { State::Gone } else { State::Unreadable };
            for row in &device.rows {
                row.fail::<T>(rows, state, time);
            }
        }
    }

    pub(crate) fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {
        for device in &mut self.devices {
            for row in &mut device.rows {
                each(row.row, &mut row.occupant, device.id);
            }
        }
    }

    pub(crate) fn problem(&self, row: usize, shown: &std::path::Path) -> Option<Error> {
        let mut rows = self.devices.iter().flat_map(|device| device.rows.iter().map(move |row| (device, row)));
        let (device, row) = rows.find(|(_, own)| own.row == row)?;
        let is_found = device.round == self.round;
        let failure = if row.is_another && is_found { Some(Failure::Another) } else { device.failure };
        failure.map(|failure| failure.error(shown.to_owned()))
    }
}

impl<V> Device<V> {
    /// Whether the device that has the name now is the one that had it when that could last be told.
    fn is_still(&mut self, id: Option<u64>) -> bool {
        let is_still = id.is_some() && id == self.id.or(self.last_id);
        if is_still {
            (self.id, self.last_id) = (id, None);
        }
        is_still
    }

    fn become_another(&mut self, id: Option<u64>) {
        let known = self.id.or(self.last_id).is_some();
        (self.id, self.last_id) = (id, None);
        for row in &mut self.rows {
            // Before it was known, it was only just found.
            if known || id.is_none() {
                row.occupant.lost();
            }
            row.is_another = row.pin.is_some_and(|pin| id != Some(pin));
        }
    }

    fn lose(&mut self) {
        (self.id, self.last_id) = (None, None);
        for row in &mut self.rows {
            row.occupant.lost();
        }
    }
}

impl<V> Row<V> {
    #[cold]
    fn fail<T: Table>(&self, rows: &mut Rows<'_>, state: State, time: i64) {
        rows.put(self.row, T::stamped(T::UNKNOWN, time, self.occupant.generation(), state).as_ref());
    }
}
