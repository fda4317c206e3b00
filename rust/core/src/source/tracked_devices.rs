//! The devices that a source reads, and which of them the current poll has found.

use rustix::io::Errno;

use super::Failure;
use super::generation::RowGeneration;
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::rows::Rows;
use crate::state::State;

/// The devices, each by its index here. Several rows may show one device, each with its own `V` (the direction, say).
#[derive(Clone)]
pub(crate) struct TrackedDevices<V> {
    devices: Vec<Device<V>>,
    poll: u64,
    missing: usize,
    /// This poll has found a device without knowing its identity.
    has_unidentified: bool,
}

#[derive(Clone)]
struct Device<V> {
    rows: Vec<Row<V>>,
    /// The identity of the device that has the name now, where it is known.
    id: Option<u64>,
    /// The last known identity, while the current one is unknown.
    last_id: Option<u64>,
    /// Why the identity is unknown, and since which poll.
    doubt: Option<(u64, Errno)>,
    /// The last poll that found it.
    found_in: u64,
    failure: Option<Failure>,
}

#[derive(Clone)]
struct Row<V> {
    row: usize,
    view: V,
    /// The row shows only the device of this identity.
    pin: Option<u64>,
    /// The name now belongs to another device than the pinned one, or to one of unknown identity.
    is_replaced: bool,
    generation: RowGeneration,
}

impl<V: Copy> TrackedDevices<V> {
    pub(crate) fn new() -> TrackedDevices<V> {
        TrackedDevices { devices: Vec::new(), poll: 0, missing: 0, has_unidentified: false }
    }

    /// Adds a device without rows and returns its index.
    pub(crate) fn push(&mut self) -> usize {
        self.devices.push(Device {
            rows: Vec::new(),
            id: None,
            last_id: None,
            doubt: None,
            found_in: 0,
            failure: None,
        });
        self.devices.len() - 1
    }

    /// Adds a row of a device. With `pin` it shows the device of that identity only, whichever others get its name.
    pub(crate) fn add_row(&mut self, device: usize, row: usize, view: V, pin: Option<u64>) {
        self.devices[device].rows.push(Row {
            row,
            view,
            pin,
            is_replaced: false,
            generation: RowGeneration::default(),
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// The number of rows that they fill.
    pub(crate) fn rows(&self) -> usize {
        self.devices.iter().map(|device| device.rows.len()).sum()
    }

    /// Whether this poll has not found the device yet.
    pub(crate) fn is_missing(&self, device: usize) -> bool {
        self.devices[device].found_in != self.poll
    }

    /// The device's identity, where it is known.
    pub(crate) fn id(&self, device: usize) -> Option<u64> {
        self.devices[device].id
    }

    /// Records the identity of the device that has the name now: `None` if there is no such device, an error if it
    /// cannot be determined. If it is another device, or unknown, this poll no longer counts it as found, since the
    /// counters just read may belong to either. Returns whether the reading is final: reading again helps only after a
    /// replacement.
    pub(crate) fn identify(&mut self, device: usize, id: Result<Option<u64>, Errno>) -> bool {
        let poll = self.poll;
        let device = &mut self.devices[device];
        match id {
            Ok(id) if device.is_still(id) => return true,
            Ok(id) => device.replace_with(id),
            Err(errno) => {
                device.last_id = device.id.take().or(device.last_id);
                device.doubt = Some((poll, errno));
            }
        }
        if device.found_in == poll {
            device.found_in = 0;
            self.missing += 1;
        }
        id.is_err()
    }

    /// Starts a poll: nothing is found yet.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.poll += 1;
        self.missing = self.devices.len();
        self.has_unidentified = false;
    }

    /// Whether this poll has found every device.
    #[inline]
    pub(crate) fn all_found(&self) -> bool {
        self.missing == 0
    }

    /// Whether this poll misses a device that the previous one found.
    pub(crate) fn has_lost_one(&self) -> bool {
        self.missing > 0 && self.devices.iter().any(|device| device.found_in + 1 == self.poll)
    }

    /// Whether this poll has found a device of unknown identity: one that the previous poll missed.
    #[inline]
    pub(crate) fn has_unidentified(&self) -> bool {
        self.has_unidentified
    }

    /// Fills a device's rows. Without `record` the device is there, but its numbers could not be parsed.
    #[inline]
    pub(crate) fn fill<T: Table>(
        &mut self,
        device: usize,
        rows: &mut Rows<'_>,
        time: i64,
        record: Option<impl Fn(V) -> T::Record>,
    ) {
        let device = &mut self.devices[device];
        self.missing -= usize::from(device.found_in != self.poll);
        device.found_in = self.poll;
        self.has_unidentified |= device.id.is_none();
        device.failure = record.is_none().then_some(Failure::Malformed("the device's counters are not numbers"));
        for row in &mut device.rows {
            if row.is_replaced {
                row.fail::<T>(rows, State::Gone, time);
                continue;
            }
            let generation = row.generation.seen();
            match &record {
                Some(record) => {
                    rows.put(row.row, T::stamped(record(row.view), time, generation, State::Ok).as_ref());
                }
                None => row.fail::<T>(rows, State::Unreadable, time),
            }
        }
    }

    /// Ends a poll: a device that it has not found is gone, or could not be read.
    pub(crate) fn finish<T: Table>(&mut self, rows: &mut Rows<'_>, outcome: Result<(), Failure>) {
        if self.missing == 0 {
            return;
        }
        let (time, poll) = (monotonic_ns(), self.poll);
        for device in self.devices.iter_mut().filter(|device| device.found_in != poll) {
            let doubt = device.doubt.filter(|(when, _)| *when == poll).map(|(_, errno)| Failure::Errno(errno));
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

    pub(crate) fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration, Option<u64>)) {
        for device in &mut self.devices {
            for row in &mut device.rows {
                each(row.row, &mut row.generation, device.id);
            }
        }
    }

    pub(crate) fn problem(&self, row: usize, shown: &std::path::Path) -> Option<Error> {
        let mut rows = self.devices.iter().flat_map(|device| device.rows.iter().map(move |row| (device, row)));
        let (device, row) = rows.find(|(_, own)| own.row == row)?;
        let is_found = device.found_in == self.poll;
        let failure = if row.is_replaced && is_found { Some(Failure::Replaced) } else { device.failure };
        failure.map(|failure| failure.error(shown.to_owned()))
    }
}

impl<V> Device<V> {
    /// Whether the name still belongs to the device of the last known identity.
    fn is_still(&mut self, id: Option<u64>) -> bool {
        let is_still = id.is_some() && id == self.id.or(self.last_id);
        if is_still {
            (self.id, self.last_id) = (id, None);
        }
        is_still
    }

    fn replace_with(&mut self, id: Option<u64>) {
        let known = self.id.or(self.last_id).is_some();
        (self.id, self.last_id) = (id, None);
        for row in &mut self.rows {
            // A first identity belongs to the device already found.
            if known || id.is_none() {
                row.generation.lost();
            }
            row.is_replaced = row.pin.is_some_and(|pin| id != Some(pin));
        }
    }

    fn lose(&mut self) {
        (self.id, self.last_id) = (None, None);
        for row in &mut self.rows {
            row.generation.lost();
        }
    }
}

impl<V> Row<V> {
    #[cold]
    fn fail<T: Table>(&self, rows: &mut Rows<'_>, state: State, time: i64) {
        rows.put(self.row, T::stamped(T::UNKNOWN, time, self.generation.number(), state).as_ref());
    }
}
