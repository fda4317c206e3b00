//! The devices that a source reads by their keys: which of them the current poll has found, and which are verified.

use rustix::io::Errno;

use super::change_socket::Change;
use super::device_id::DeviceId;
use super::generation::RowGeneration;
use super::numbering::{Effect, Identity};
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::rows::Rows;
use crate::source::Failure;
use crate::state::State;

pub(crate) const CHANGING: Failure = Failure::Malformed("devices change faster than they can be read");

/// The devices, each by its index here. Several rows may show one device, each with its own `V` (the direction, say).
#[derive(Clone)]
pub(crate) struct TrackedDevices<K, V> {
    devices: Vec<Device<K, V>>,
    /// Counts the readings of all polls.
    reading: u64,
    /// The first reading of the current poll.
    first: u64,
    missing: usize,
    unverified: usize,
    /// Whether devices are told apart. If not, one is verified as soon as it is found.
    numbered: bool,
    /// All are checked once more in the next poll.
    check_again: bool,
    /// Messages have come since the last `take_news`, about whichever device.
    news: bool,
    /// Goes up when any device is verified or no longer is.
    version: u64,
}

#[derive(Clone)]
struct Device<K, V> {
    key: K,
    rows: Vec<Row<V>>,
    standing: Standing,
    /// The last reading that found it.
    found_in: u64,
    failure: Option<Failure>,
}

/// See the states in `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Gone,
    /// What it was when it was verified, and the failure of the last check, with the reading after which that was.
    Unverified(Option<DeviceId>, Option<(u64, Errno)>),
    Verified(DeviceId),
}

#[derive(Clone)]
struct Row<V> {
    row: usize,
    view: V,
    /// The row shows only the device of this ifindex or diskseq.
    pin: Option<u64>,
    /// Which device of that number it is, since the row first showed it: a later one may get the number.
    pinned: Option<DeviceId>,
    /// That one was removed.
    is_removed: bool,
    /// The key now belongs to another device than the pinned one.
    is_replaced: bool,
    generation: RowGeneration,
}

impl<K, V: Copy> TrackedDevices<K, V> {
    pub(crate) fn new() -> TrackedDevices<K, V> {
        TrackedDevices {
            devices: Vec::new(),
            reading: 0,
            first: 0,
            missing: 0,
            unverified: 0,
            numbered: false,
            check_again: false,
            news: true,
            version: 1,
        }
    }

    /// Adds a device without rows and returns its index.
    pub(crate) fn push(&mut self, key: K) -> usize {
        let (rows, standing) = (Vec::new(), Standing::Gone);
        self.devices.push(Device { key, rows, standing, found_in: 0, failure: None });
        self.devices.len() - 1
    }

    /// Adds a row of a device. With `pin` it shows the device of that number only, whichever others get its key.
    pub(crate) fn add_row(&mut self, device: usize, row: usize, view: V, pin: Option<u64>) {
        let generation = RowGeneration::default();
        self.devices[device].rows.push(Row {
            row,
            view,
            pin,
            pinned: None,
            is_removed: false,
            is_replaced: false,
            generation,
        });
    }

    /// From now on an `Identity` tells the devices apart.
    pub(crate) fn are_numbered(&mut self) {
        self.numbered = true;
    }

    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// The number of rows that they fill.
    pub(crate) fn rows(&self) -> usize {
        self.devices.iter().map(|device| device.rows.len()).sum()
    }

    /// The keys, by the index of their device.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.devices.iter().map(|device| &device.key)
    }

    /// The ids of the verified devices, with their index.
    pub(crate) fn verified(&self) -> impl Iterator<Item = (usize, DeviceId)> {
        self.devices.iter().enumerate().filter_map(|(place, device)| match device.standing {
            Standing::Verified(id) => Some((place, id)),
            Standing::Gone | Standing::Unverified(..) => None,
        })
    }

    /// Whether this reading has not found the device yet.
    pub(crate) fn is_missing(&self, device: usize) -> bool {
        self.devices[device].found_in != self.reading
    }

    /// A device of this key exists. It has yet to be checked if it was gone.
    pub(crate) fn appeared(&mut self, device: usize) {
        let device = &mut self.devices[device];
        if device.standing == Standing::Gone {
            device.standing = Standing::Unverified(None, None);
            self.unverified += 1;
            self.version += 1;
        }
    }

    /// Every device may have been replaced.
    pub(crate) fn doubt_all(&mut self) {
        self.version += 1;
        for device in &mut self.devices {
            self.unverified += usize::from(device.doubt());
        }
    }

    /// Nothing has announced changes for a while.
    #[cold]
    pub(crate) fn missed_changes<I: Identity<Key = K>>(&mut self) {
        self.change::<I>(&Change::Lost);
    }

    /// Checks the unverified devices, each once a poll; returns whether all that could be checked are the same as
    /// before. What this reading has found of another one no longer counts.
    pub(crate) fn check<I: Identity<Key = K>>(&mut self, identity: &I) -> bool {
        self.unverified == 0 || self.check_each(identity)
    }

    #[cold]
    fn check_each<I: Identity<Key = K>>(&mut self, identity: &I) -> bool {
        let mut all_same = true;
        self.version += 1;
        for device in &mut self.devices {
            let Standing::Unverified(last, failed) = device.standing else { continue };
            if failed.is_some_and(|(when, _)| when >= self.first) {
                continue;
            }
            match identity.of(&device.key, last) {
                Err(errno) => {
                    device.standing = Standing::Unverified(last, Some((self.reading, errno)));
                    continue;
                }
                Ok(Some(id)) => device.verify(id),
                Ok(None) => device.lose(),
            }
            self.unverified -= 1;
            if device.standing != last.map_or(Standing::Gone, Standing::Verified) || last.is_none() {
                all_same = false;
                if device.found_in == self.reading {
                    device.found_in = 0;
                    self.missing += 1;
                }
            }
        }
        all_same
    }

    /// Takes the announced changes; returns whether any is about one of these devices.
    #[inline]
    pub(crate) fn drain<I: Identity<Key = K>>(&mut self, identity: &mut I, calls: &mut usize) -> bool {
        if !identity.is_announced() {
            (self.news, _) = (true, self.doubt_all());
            return true;
        }
        let mut any = false;
        identity.drain(calls, &mut |change| any |= self.change::<I>(&change));
        // The kernel announces a new medium before it counts it (disk_force_media_change, block/disk-events.c).
        self.check_again |= any && I::KEEPS_KEY;
        any
    }

    #[cold]
    fn change<I: Identity<Key = K>>(&mut self, change: &Change<'_>) -> bool {
        let mut any = false;
        (self.news, self.version) = (true, self.version + 1);
        for device in &mut self.devices {
            // Also where only the row of an earlier plan had a device.
            for Row { generation, .. } in &mut device.rows {
                let effect = generation.id().map(|id| I::effect(change, &device.key, id));
                if matches!(effect, Some(Effect::Lost | Effect::Removed)) {
                    generation.lost();
                }
            }
            let Some(id) = device.standing.id() else { continue };
            let was_unverified = device.standing != Standing::Verified(id);
            match I::effect(change, &device.key, id) {
                Effect::Nothing => continue,
                Effect::Doubt => self.unverified += usize::from(device.doubt()),
                effect => {
                    if effect == Effect::Removed {
                        device.rows.iter_mut().for_each(|row| row.is_removed |= row.pinned == Some(id));
                    }
                    device.lose();
                    self.unverified -= usize::from(was_unverified);
                    self.missing += usize::from(device.found_in == self.reading);
                    device.found_in = 0;
                }
            }
            any = true;
        }
        any
    }

    /// Starts a poll.
    #[inline]
    pub(crate) fn begin_poll(&mut self) {
        self.first = self.reading + 1;
        if self.check_again {
            self.check_again = false;
            self.doubt_all();
        }
    }

    /// Starts a reading: nothing is found yet.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.reading += 1;
        self.missing = self.devices.len();
    }

    /// Whether this reading has found every device.
    #[inline]
    pub(crate) fn all_found(&self) -> bool {
        self.missing == 0
    }

    /// Whether this reading misses a device that the previous one found.
    pub(crate) fn has_lost_one(&self) -> bool {
        self.missing > 0 && self.devices.iter().any(|device| device.found_in + 1 == self.reading)
    }

    /// Whether a device can be checked before the next reading.
    #[inline]
    pub(crate) fn has_unchecked(&self) -> bool {
        self.unverified > 0
            && self.devices.iter().any(|device| match device.standing {
                Standing::Unverified(_, failed) => failed.is_none_or(|(when, _)| when < self.first),
                Standing::Gone | Standing::Verified(_) => false,
            })
    }

    /// Goes up when the verified devices are others.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// As if messages had come.
    pub(crate) fn expect_news(&mut self) {
        self.news = true;
    }

    /// Whether messages about any device have come since the last call, or could not.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Fills a device's rows, if it is verified. Without `record` the device is there, but its numbers could not be
    /// parsed.
    #[inline]
    pub(crate) fn fill<T: Table>(
        &mut self,
        device: usize,
        rows: &mut Rows<'_>,
        time: i64,
        record: Option<impl Fn(V) -> T::Record>,
    ) {
        let place = device;
        let device = &mut self.devices[place];
        self.missing -= usize::from(device.found_in != self.reading);
        device.found_in = self.reading;
        if !matches!(device.standing, Standing::Verified(_)) {
            if self.numbered {
                return self.appeared(place);
            }
            device.verify(DeviceId::Unnumbered);
        }
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

    /// Ends a poll. A device that it has not found is gone, or could not be read; one that it could not verify is
    /// unreadable.
    #[inline]
    pub(crate) fn finish<T: Table>(&mut self, rows: &mut Rows<'_>, outcome: Result<(), Failure>) {
        if self.missing > 0 || self.unverified > 0 {
            self.fail_others::<T>(rows, outcome);
        }
    }

    #[cold]
    fn fail_others<T: Table>(&mut self, rows: &mut Rows<'_>, outcome: Result<(), Failure>) {
        let time = monotonic_ns();
        for device in &mut self.devices {
            let is_found = device.found_in == self.reading;
            let unread = match device.standing {
                Standing::Verified(_) if is_found => continue,
                Standing::Unverified(_, Some((_, errno))) => Some(Failure::Errno(errno)),
                Standing::Unverified(..) | Standing::Verified(_) | Standing::Gone => outcome.err(),
            };
            let unread = unread.or(is_found.then_some(CHANGING));
            device.failure = unread.or(Some(Failure::Errno(Errno::NODEV)));
            if unread.is_none() {
                self.unverified -= usize::from(matches!(device.standing, Standing::Unverified(..)));
                self.version += u64::from(device.standing != Standing::Gone);
                device.lose();
            }
            let state = if unread.is_none() { State::Gone } else { State::Unreadable };
            for row in &device.rows {
                row.fail::<T>(rows, state, time);
            }
        }
    }

    pub(crate) fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        for device in &mut self.devices {
            for row in &mut device.rows {
                each(row.row, &mut row.generation);
            }
        }
    }

    pub(crate) fn problem(&self, row: usize, shown: &std::path::Path) -> Option<Error> {
        let mut rows = self.devices.iter().flat_map(|device| device.rows.iter().map(move |row| (device, row)));
        let (device, row) = rows.find(|(_, own)| own.row == row)?;
        let is_found = device.found_in == self.reading && matches!(device.standing, Standing::Verified(_));
        let failure = if row.is_replaced && is_found { Some(Failure::Replaced) } else { device.failure };
        failure.map(|failure| failure.error(shown.to_owned()))
    }
}

impl Standing {
    fn id(self) -> Option<DeviceId> {
        match self {
            Standing::Gone => None,
            Standing::Unverified(id, _) => id,
            Standing::Verified(id) => Some(id),
        }
    }
}

impl<K, V> Device<K, V> {
    /// Returns whether it was verified until now.
    fn doubt(&mut self) -> bool {
        match self.standing {
            Standing::Verified(id) => {
                self.standing = Standing::Unverified(Some(id), None);
                true
            }
            Standing::Gone | Standing::Unverified(..) => false,
        }
    }

    fn verify(&mut self, id: DeviceId) {
        self.standing = Standing::Verified(id);
        for row in &mut self.rows {
            row.generation.becomes(id);
            let is_pinned = |pin| id.is_pinned_by(pin) && !row.is_removed && row.pinned.is_none_or(|first| first == id);
            row.is_replaced = !row.pin.is_none_or(is_pinned);
            if row.pin.is_some() && !row.is_replaced {
                row.pinned = Some(id);
            }
        }
    }

    fn lose(&mut self) {
        self.standing = Standing::Gone;
        self.rows.iter_mut().for_each(|row| row.generation.lost());
    }
}

impl<V> Row<V> {
    #[cold]
    fn fail<T: Table>(&self, rows: &mut Rows<'_>, state: State, time: i64) {
        rows.put(self.row, T::stamped(T::UNKNOWN, time, self.generation.number(), state).as_ref());
    }
}
