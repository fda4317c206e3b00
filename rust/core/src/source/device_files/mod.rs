//! Devices with counter files of their own, opened once and then only read.

pub(crate) mod block_stat;
pub(crate) mod cgroup_io;
pub(crate) mod sysfs_net;
pub(crate) mod tapdisk;
pub(crate) mod xen_vbd;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::generation::RowGeneration;
use crate::source::identity::numbering::{Effect, Identity, Unnumbered};
use crate::source::identity::tracked_devices::CHANGING;
use crate::source::identity::verified_read::MAX_READS;
use crate::source::{Explanation, Failure, OpenHandle, OpenHandles, Reopened, Reopening, Source};
use crate::state::State;

/// The open files of one device.
pub(crate) trait Handle: Send + Sync + Sized + 'static {
    /// What names the device, and how its row shows it.
    type Device: Clone + PartialEq + Send + 'static;
    /// The table whose rows it fills.
    type Table: Table;

    /// Opens the device's files; also returns their path for messages.
    fn open(roots: &Roots, device: &Self::Device) -> (PathBuf, Result<Self, Failure>);

    /// The device that was opened; None if it keeps its name for as long as its files can be read.
    fn id(&self) -> Option<DeviceId> {
        None
    }

    /// The number that the device's row is pinned to.
    fn pin(_: &Self::Device) -> Option<u64> {
        None
    }

    /// Opens files that did not exist when the device was opened.
    fn complete(&self) {}

    /// Whether no file is missing.
    fn is_whole(&self) -> bool {
        true
    }

    /// The counters in the first `size` bytes of the struct, at least; `calls` counts system calls.
    fn counters(&self, size: usize, calls: &mut usize) -> Result<<Self::Table as Table>::Record, Failure>;
}

/// A file of an open folder. A FIFO does not block, and no symlink leads out of a captured tree.
pub(crate) fn regular_file(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(Failure::Malformed("not a regular file")),
    }
}

/// The devices of one kind. `I` numbers them, if another device can get a device's name while its files are open.
pub(crate) struct DeviceFiles<H: Handle, I: Identity = Unnumbered> {
    rows: Vec<Row<H>>,
    why: String,
    /// System calls of the last poll.
    calls: usize,
    identity: Option<(I, KeyOf<H, I>)>,
    /// All are checked once more in the next poll.
    check_again: bool,
}

/// What the kernel names a device by.
type KeyOf<H, I> = fn(&<H as Handle>::Device) -> &<I as Identity>::Key;

struct Row<H: Handle> {
    row: usize,
    device: H::Device,
    shown: PathBuf,
    /// Shared with the previous plan, of which a poll may still run.
    handle: Result<Arc<H>, Failure>,
    failure: Option<Failure>,
    generation: RowGeneration,
    id: Option<DeviceId>,
    /// The device that the row is pinned to, since it was first opened: a later one may get its number.
    pinned: Option<DeviceId>,
    check: Check,
}

/// The states of `identity`, of a row whose handle is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Unverified,
    Failed(Errno),
    Verified,
    /// Verified, but what was read before may belong to the earlier device.
    Changed,
}

/// A handle for another plan.
struct Opened<H: Handle> {
    device: H::Device,
    shown: PathBuf,
    handle: Arc<H>,
    id: Option<DeviceId>,
}

impl<H: Handle> DeviceFiles<H> {
    /// Opens the devices that are not among the `open` handles. `why` says why this source was selected.
    pub(crate) fn open(
        roots: &Roots,
        tracked: impl IntoIterator<Item = (H::Device, usize)>,
        open: &mut OpenHandles,
        why: String,
    ) -> DeviceFiles<H> {
        DeviceFiles::open_numbered(roots, tracked, open, why, None)
    }
}

impl<H: Handle, I: Identity> DeviceFiles<H, I> {
    /// As `open`, of devices that are numbered by an identity. That was opened before: it announces all later changes.
    pub(crate) fn open_numbered(
        roots: &Roots,
        tracked: impl IntoIterator<Item = (H::Device, usize)>,
        open: &mut OpenHandles,
        why: String,
        identity: Option<(I, KeyOf<H, I>)>,
    ) -> DeviceFiles<H, I> {
        let row = |(device, row)| {
            let opened = open.remove(&row).and_then(|handle| handle.downcast::<Opened<H>>().ok());
            match opened.filter(|opened| opened.device == device) {
                Some(opened) => Row::carried_over(row, *opened),
                None => Row::open(row, roots, device),
            }
        };
        let rows = tracked.into_iter().map(row).collect();
        DeviceFiles { rows, why, calls: 0, identity, check_again: false }
    }

    fn read_each(&mut self, rows: &mut Rows<'_>) {
        for row in &mut self.rows {
            let outcome = match (&row.handle, row.check) {
                (Err(failure), _) => Err(*failure),
                (Ok(_), Check::Failed(errno)) => Err(Failure::Errno(errno)),
                (Ok(handle), _) => handle.counters(rows.size(), &mut self.calls),
            };
            if row.check == Check::Changed {
                row.check = Check::Verified;
            }
            let time = monotonic_ns();
            let record = match outcome {
                Ok(counters) => {
                    row.failure = None;
                    H::Table::stamped(counters, time, row.generation.seen(), State::Ok)
                }
                Err(failure) => {
                    row.fail(failure);
                    H::Table::stamped(H::Table::UNKNOWN, time, row.generation.number(), failure.state())
                }
            };
            rows.put(row.row, record.as_ref());
        }
    }
}

impl<H: Handle, I: Identity> Source for DeviceFiles<H, I> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        self.calls = 0;
        if self.identity.is_none() {
            return self.read_each(rows);
        }
        match self.prepare() {
            Ok(()) => self.read_verified(rows),
            Err(errno) => self.rows.iter_mut().for_each(|row| row.cannot_be_verified(rows, Failure::Errno(errno))),
        }
    }

    fn reopening(&self) -> Option<Reopening> {
        let parts: Vec<_> = self
            .rows
            .iter()
            .filter_map(|row| row.handle.as_ref().ok())
            .filter(|handle| !handle.is_whole())
            .cloned()
            .collect();
        let missing = self.rows.iter().enumerate().filter(|(_, row)| row.handle.is_err());
        let missing: Vec<_> = missing.map(|(place, row)| (place, row.device.clone())).collect();
        if parts.is_empty() && missing.is_empty() {
            return None;
        }
        Some(Box::new(move |roots| {
            parts.iter().for_each(|handle| handle.complete());
            let reopen = |(place, device)| (place, open_new::<H>(roots, &device));
            Box::new(missing.into_iter().map(reopen).collect::<Vec<_>>())
        }))
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Ok(opened) = opened.downcast::<Vec<(usize, (PathBuf, Result<Arc<H>, Failure>))>>() else { return 0 };
        let mut count = 0;
        for (place, (shown, handle)) in *opened {
            let row = &mut self.rows[place];
            // Another thread may have reopened it already.
            if row.handle.is_err() {
                (row.shown, row.handle) = (shown, handle);
                row.opened();
                count += usize::from(row.handle.is_ok());
            }
        }
        count
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let row = self.rows.iter().find(|own| own.row == row)?;
        row.failure.map(|failure| failure.error(row.shown.clone()))
    }

    fn catch_up(&mut self) {
        self.drain();
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.rows.iter_mut().for_each(|row| each(row.row, &mut row.generation));
    }

    fn each_handle(&self, each: &mut dyn FnMut(usize, OpenHandle)) {
        for Row { row, device, shown, handle, id, .. } in &self.rows {
            if let Ok(handle) = handle {
                let handle = Arc::clone(handle);
                each(*row, Box::new(Opened::<H> { device: device.clone(), shown: shown.clone(), handle, id: *id }));
            }
        }
    }

    fn explain(&self) -> Explanation {
        let first = self.rows.first().map_or_else(String::new, |row| row.shown.display().to_string());
        let others = self.rows.len().saturating_sub(1);
        let source = if others == 0 { first } else { format!("{first} and {others} more") };
        Explanation { source, rows: self.rows.len(), system_calls: self.calls, why: self.why.clone() }
    }
}

impl<H: Handle, I: Identity> DeviceFiles<H, I> {
    /// Checks what is unverified since an earlier poll. An error if there are no descriptors or memory for it.
    fn prepare(&mut self) -> Result<(), Errno> {
        let Some((identity, _)) = &mut self.identity else { return Ok(()) };
        if identity.ready()? || std::mem::take(&mut self.check_again) {
            self.rows.iter_mut().for_each(Row::doubt);
        }
        self.check();
        Ok(())
    }

    /// As `identity::read_verified`, of files that no other device inherits: the device that had the name before the
    /// reading and has it now is the one that was read.
    fn read_verified(&mut self, rows: &mut Rows<'_>) {
        for _ in 0..MAX_READS {
            self.read_each(rows);
            if !self.drain() {
                return;
            }
            if self.check() {
                return self.rows.iter_mut().for_each(|row| row.report_failed_check(rows));
            }
        }
        let unreceived = self.identity.as_ref().and_then(|(identity, _)| identity.unreceived());
        let why = unreceived.map_or(CHANGING, Failure::Unannounced);
        let changed = |row: &&mut Row<H>| row.check == Check::Changed;
        self.rows.iter_mut().filter(changed).for_each(|row| row.cannot_be_verified(rows, why));
    }

    /// Takes the announced changes; returns whether a device may have changed.
    fn drain(&mut self) -> bool {
        let Some((identity, key)) = &mut self.identity else { return false };
        if !identity.is_announced() {
            self.rows.iter_mut().for_each(Row::doubt);
            return true;
        }
        let (rows, mut any) = (&mut self.rows, false);
        identity.drain(&mut self.calls, &mut |change| {
            for row in rows.iter_mut() {
                let effect = row.id.map_or(Effect::Nothing, |id| I::effect(&change, key(&row.device), id));
                match effect {
                    Effect::Nothing => continue,
                    Effect::Doubt => row.doubt(),
                    Effect::Lost | Effect::Removed => row.lose(Failure::Errno(Errno::NODEV)),
                }
                any = true;
            }
        });
        self.check_again |= any && I::KEEPS_KEY;
        any
    }

    /// Checks the unverified devices; returns whether all that could be checked are the same as before.
    fn check(&mut self) -> bool {
        let Some((identity, key)) = &self.identity else { return true };
        let unverified =
            |row: &&mut Row<H>| row.handle.is_ok() && matches!(row.check, Check::Unverified | Check::Failed(_));
        for row in self.rows.iter_mut().filter(unverified) {
            row.checked(identity.of(key(&row.device), row.id));
        }
        self.rows.iter().all(|row| row.check != Check::Changed)
    }
}

fn open_new<H: Handle>(roots: &Roots, device: &H::Device) -> (PathBuf, Result<Arc<H>, Failure>) {
    let (shown, handle) = H::open(roots, device);
    (shown, handle.map(Arc::new))
}

impl<H: Handle> Row<H> {
    fn open(row: usize, roots: &Roots, device: H::Device) -> Row<H> {
        let (shown, handle) = open_new(roots, &device);
        let generation = RowGeneration::default();
        let (id, pinned, check) = (None, None, Check::Unverified);
        let mut row = Row { row, device, shown, handle, failure: None, generation, id, pinned, check };
        row.opened();
        row
    }

    /// Its name may have passed to another device since it was last checked. The generation goes on with its own id.
    fn carried_over(row: usize, Opened { device, shown, handle, id }: Opened<H>) -> Row<H> {
        let mut generation = RowGeneration::default();
        if id.is_none() {
            generation.becomes(open_file(&handle));
        }
        let (pinned, check) = (id.filter(|_| H::pin(&device).is_some()), Check::Unverified);
        Row { row, device, shown, handle: Ok(handle), failure: None, generation, id, pinned, check }
    }

    /// Its handle was just opened, or could not be.
    fn opened(&mut self) {
        if let Ok(handle) = &self.handle {
            self.id = handle.id();
            self.check = Check::Unverified;
            let is_another = |id: DeviceId| {
                let is_own = |pin| id.is_pinned_by(pin) && self.pinned.is_none_or(|first| first == id);
                !H::pin(&self.device).is_none_or(is_own)
            };
            if self.id.is_some_and(is_another) {
                self.handle = Err(Failure::Replaced);
            } else {
                self.pinned = self.id.filter(|_| H::pin(&self.device).is_some());
                self.generation.becomes(self.id.unwrap_or_else(|| open_file(handle)));
            }
        }
        self.failure = self.handle.as_ref().err().copied();
    }

    fn doubt(&mut self) {
        if self.check == Check::Verified {
            self.check = Check::Unverified;
        }
    }

    /// The device no longer has its name. What was read before may be another one's.
    fn lose(&mut self, failure: Failure) {
        self.generation.lost();
        (self.handle, self.check) = (Err(failure), Check::Changed);
    }

    #[cold]
    fn checked(&mut self, now: Result<Option<DeviceId>, Errno>) {
        self.check = match now {
            Err(errno) => Check::Failed(errno),
            Ok(now) if now == self.id => Check::Verified,
            Ok(now) => {
                let has_same_files = now.zip(self.id).is_some_and(|(now, before)| now.has_same_files(before));
                let pin = H::pin(&self.device);
                match now.filter(|now| has_same_files && pin.is_none_or(|pin| now.is_pinned_by(pin))) {
                    Some(id) => {
                        self.id = now;
                        self.generation.becomes(id);
                    }
                    None if pin.is_some() && now.is_some() => self.lose(Failure::Replaced),
                    None => self.lose(Failure::Errno(Errno::NODEV)),
                }
                Check::Changed
            }
        }
    }

    /// What was read may be of another device: the check has failed.
    fn report_failed_check(&mut self, rows: &mut Rows<'_>) {
        if let Check::Failed(errno) = self.check {
            self.cannot_be_verified(rows, Failure::Errno(errno));
        }
    }

    #[cold]
    fn cannot_be_verified(&mut self, rows: &mut Rows<'_>, failure: Failure) {
        let failure = self.handle.as_ref().err().copied().unwrap_or(failure);
        self.failure = Some(failure);
        let (time, generation) = (monotonic_ns(), self.generation.number());
        rows.put(self.row, H::Table::stamped(H::Table::UNKNOWN, time, generation, failure.state()).as_ref());
    }

    #[cold]
    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        if failure.state() == State::Gone {
            self.generation.lost();
            // The files of a removed device never return: close them, and let `reopen` try again.
            self.handle = Err(failure);
        }
    }
}

fn open_file<H>(handle: &Arc<H>) -> DeviceId {
    DeviceId::OpenFile(Arc::as_ptr(handle).addr())
}
