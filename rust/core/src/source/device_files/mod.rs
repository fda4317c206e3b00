//! Devices that each have counter files of their own, opened once and then only read.

pub(crate) mod block_stat;
pub(crate) mod cgroup_io;
pub(crate) mod process_io;
pub(crate) mod sysfs_net;
pub(crate) mod tapdisk;
pub(crate) mod xen_vbd;

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::generation::Occupant;
use crate::source::{Explanation, Failure, OpenHandle, OpenHandles, Reopened, Reopening, Source};
use crate::state::State;

/// The open files of one device.
pub(crate) trait Handle: Send + Sync + Sized + 'static {
    /// What names the device.
    type Device: Clone + PartialEq + Send + 'static;
    /// The table whose rows it fills.
    type Table: Table;

    /// Opens the device's files; also where they are, for messages.
    fn open(roots: &Roots, device: &Self::Device) -> (PathBuf, Result<Self, Failure>);

    /// Opens what was not there when the device was opened, if anything was not.
    fn complete(&self) {}

    /// Whether `complete` may find more.
    fn is_whole(&self) -> bool {
        true
    }

    /// The device's counters, as far as they stand in the first `size` bytes of the struct; `calls` counts system calls.
    fn counters(&self, size: usize, calls: &mut usize) -> Result<<Self::Table as Table>::Record, Failure>;
}

/// A handle that was just opened, if its device is the `meant` one. It is opened before it is asked `who` that is: if the
/// name has come to be the meant device's in between, the handle is of one that is no more, and is read as such.
pub(crate) fn if_meant<H, Id: PartialEq>(
    handle: H,
    meant: Option<Id>,
    who: impl FnOnce() -> Result<Option<Id>, Failure>,
) -> Result<H, Failure> {
    if meant.is_none() || who()? == meant { Ok(handle) } else { Err(Failure::Another) }
}

/// The watched devices of one kind.
pub(crate) struct KeptOpen<H: Handle> {
    rows: Vec<Row<H>>,
    why: String,
    /// System calls of the last poll.
    calls: usize,
}

struct Row<H: Handle> {
    row: usize,
    device: H::Device,
    shown: PathBuf,
    /// Of the plan before and of this one: a poll that began before the change may still read it.
    handle: Result<Arc<H>, Failure>,
    failure: Option<Failure>,
    occupant: Occupant,
}

/// What is handed on to another plan.
struct Opened<H: Handle> {
    device: H::Device,
    shown: PathBuf,
    handle: Arc<H>,
}

impl<H: Handle> KeptOpen<H> {
    /// Opens what is not among the `open` handles. `why` this way was chosen, for who asks.
    pub(crate) fn open(
        roots: &Roots,
        watched: impl IntoIterator<Item = (H::Device, usize)>,
        open: &mut OpenHandles,
        why: String,
    ) -> KeptOpen<H> {
        let row = |(device, row)| {
            let opened = open.remove(&row).and_then(|handle| handle.downcast::<Opened<H>>().ok());
            let (shown, handle) = match opened.filter(|opened| opened.device == device) {
                Some(opened) => (opened.shown, Ok(opened.handle)),
                None => opened_anew(roots, &device),
            };
            let failure = handle.as_ref().err().copied();
            Row { row, device, shown, handle, failure, occupant: Occupant::default() }
        };
        KeptOpen { rows: watched.into_iter().map(row).collect(), why, calls: 0 }
    }
}

impl<H: Handle> Source for KeptOpen<H> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        self.calls = 0;
        for row in &mut self.rows {
            let outcome = row
                .handle
                .as_ref()
                .map_err(|failure| *failure)
                .and_then(|handle| handle.counters(rows.size(), &mut self.calls));
            let time = monotonic_ns();
            let record = match outcome {
                Ok(counters) => {
                    row.failure = None;
                    H::Table::stamped(counters, time, row.occupant.seen(), State::Ok)
                }
                Err(failure) => {
                    row.fail(failure);
                    H::Table::stamped(H::Table::UNKNOWN, time, row.occupant.generation(), failure.state())
                }
            };
            rows.put(row.row, record.as_ref());
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
            let anew = |(place, device)| (place, opened_anew::<H>(roots, &device));
            Box::new(missing.into_iter().map(anew).collect::<Vec<_>>())
        }))
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Ok(opened) = opened.downcast::<Vec<(usize, (PathBuf, Result<Arc<H>, Failure>))>>() else { return 0 };
        let mut count = 0;
        for (place, (shown, handle)) in *opened {
            let row = &mut self.rows[place];
            // Somebody else may have been at it, too.
            if row.handle.is_err() {
                count += usize::from(handle.is_ok());
                (row.shown, row.handle) = (shown, handle);
            }
        }
        count
    }

    fn problem(&self, row: usize) -> Option<Error> {
        let row = self.rows.iter().find(|own| own.row == row)?;
        row.failure.map(|failure| failure.error(row.shown.clone()))
    }

    fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {
        self.rows.iter_mut().for_each(|row| each(row.row, &mut row.occupant, None));
    }

    fn each_handle(&self, each: &mut dyn FnMut(usize, OpenHandle)) {
        for Row { row, device, shown, handle, .. } in &self.rows {
            if let Ok(handle) = handle {
                let handle = Arc::clone(handle);
                each(*row, Box::new(Opened::<H> { device: device.clone(), shown: shown.clone(), handle }));
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

fn opened_anew<H: Handle>(roots: &Roots, device: &H::Device) -> (PathBuf, Result<Arc<H>, Failure>) {
    let (shown, handle) = H::open(roots, device);
    (shown, handle.map(Arc::new))
}

impl<H: Handle> Row<H> {
    #[cold]
    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        if failure.state() == State::Gone {
            self.occupant.lost();
            // The files of a removed device never come back to life: what they held is freed, and `reopen` looks anew.
            self.handle = Err(failure);
        }
    }
}
