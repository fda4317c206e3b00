//! The devices that a source watches, and which of them a poll has found so far.

use rustix::io::Errno;

use super::Failure;
use super::row::Occupant;
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::rows::Rows;
use crate::state::State;

/// Watched devices, by their number here. `V` is what the rows of one device may differ in: two definitions can name one.
#[derive(Clone)]
pub(super) struct Watched<V> {
    devices: Vec<Device<V>>,
    round: u64,
    missing: usize,
}

#[derive(Clone)]
struct Device<V> {
    rows: Vec<(usize, V)>,
    occupant: Occupant,
    /// The last round that found it.
    round: u64,
    failure: Option<Failure>,
}

impl<V: Copy> Watched<V> {
    pub(super) fn new() -> Watched<V> {
        Watched { devices: Vec::new(), round: 0, missing: 0 }
    }

    /// Adds a device without rows; gives its number.
    pub(super) fn push(&mut self) -> usize {
        self.devices.push(Device { rows: Vec::new(), occupant: Occupant::default(), round: 0, failure: None });
        self.devices.len() - 1
    }

    pub(super) fn add_row(&mut self, device: usize, row: usize, view: V) {
        self.devices[device].rows.push((row, view));
    }

    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// How many rows they fill.
    pub(super) fn rows(&self) -> usize {
        self.devices.iter().map(|device| device.rows.len()).sum()
    }

    /// Whether this poll has not found it so far.
    pub(super) fn is_missing(&self, device: usize) -> bool {
        self.devices[device].round != self.round
    }

    /// Another device stands in its place from now on, or none.
    pub(super) fn replace(&mut self, device: usize) {
        self.devices[device].occupant.lost();
    }

    /// A poll begins: nothing is found yet.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.round += 1;
        self.missing = self.devices.len();
    }

    /// Whether there is nothing left to look for.
    #[inline]
    pub(super) fn all_found(&self) -> bool {
        self.missing == 0
    }

    /// Fills a device's rows from its counters; none is a device whose numbers could not be understood.
    #[inline]
    pub(super) fn fill<T: Table>(
        &mut self,
        device: usize,
        rows: &mut Rows<'_>,
        time: i64,
        record: Option<impl Fn(V) -> T::Record>,
    ) {
        let device = &mut self.devices[device];
        self.missing -= usize::from(device.round != self.round);
        device.round = self.round;
        let generation = device.occupant.seen();
        let Some(record) = record else {
            return device.fail::<T>(rows, Failure::Malformed("a device without its numbers"), State::Unreadable, time);
        };
        device.failure = None;
        for (row, view) in &device.rows {
            rows.put(*row, T::stamped(record(*view), time, generation, State::Ok).as_ref());
        }
    }

    /// A poll ends: what it has not found is gone, or could not be read.
    pub(super) fn finish<T: Table>(&mut self, rows: &mut Rows<'_>, outcome: Result<(), Failure>) {
        if self.missing == 0 {
            return;
        }
        let (time, round) = (monotonic_ns(), self.round);
        for device in self.devices.iter_mut().filter(|device| device.round != round) {
            match outcome {
                Ok(()) => {
                    device.occupant.lost();
                    device.fail::<T>(rows, Failure::Errno(Errno::NODEV), State::Gone, time);
                }
                Err(failure) => device.fail::<T>(rows, failure, State::Unreadable, time),
            }
        }
    }

    pub(super) fn problem(&self, row: usize, shown: &std::path::Path) -> Option<Error> {
        let device = self.devices.iter().find(|device| device.rows.iter().any(|(own, _)| *own == row))?;
        device.failure.map(|failure| failure.error(shown.to_owned()))
    }
}

impl<V: Copy> Device<V> {
    #[cold]
    fn fail<T: Table>(&mut self, rows: &mut Rows<'_>, failure: Failure, state: State, time: i64) {
        self.failure = Some(failure);
        let record = T::stamped(T::UNKNOWN, time, self.occupant.generation(), state);
        for (row, _) in &self.rows {
            rows.put(*row, record.as_ref());
        }
    }
}
