//! Devices with counter files of their own, opened once and then only read.

pub(crate) mod block_stat;
pub(crate) mod cgroup_io;
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
use crate::source::generation::RowGeneration;
use crate::source::{Explanation, Failure, OpenHandle, OpenHandles, Reopened, Reopening, Source};
use crate::state::State;

/// The open files of one device.
pub(crate) trait Handle: Send + Sync + Sized + 'static {
    /// What identifies the device.
    type Device: Clone + PartialEq + Send + 'static;
    /// The table whose rows it fills.
    type Table: Table;

    /// Opens the device's files; also returns their path for messages.
    fn open(roots: &Roots, device: &Self::Device) -> (PathBuf, Result<Self, Failure>);

    /// Opens files that did not exist when the device was opened.
    fn complete(&self) {}

    /// Whether no file is missing.
    fn is_whole(&self) -> bool {
        true
    }

    /// The counters in the first `size` bytes of the struct, at least; `calls` counts system calls.
    fn counters(&self, size: usize, calls: &mut usize) -> Result<<Self::Table as Table>::Record, Failure>;
}

/// The handle just opened, if it belongs to the `expected` device. `actual` is called after the handle was opened: if
/// the expected device took the name in between, the handle belongs to a removed device and reads as gone.
pub(crate) fn if_expected<H, Id: PartialEq>(
    handle: H,
    expected: Option<Id>,
    actual: impl FnOnce() -> Result<Option<Id>, Failure>,
) -> Result<H, Failure> {
    if expected.is_none() || actual()? == expected { Ok(handle) } else { Err(Failure::Replaced) }
}

/// The devices of one kind.
pub(crate) struct DeviceFiles<H: Handle> {
    rows: Vec<Row<H>>,
    why: String,
    /// System calls of the last poll.
    calls: usize,
}

struct Row<H: Handle> {
    row: usize,
    device: H::Device,
    shown: PathBuf,
    /// Shared with the previous plan, of which a poll may still run.
    handle: Result<Arc<H>, Failure>,
    failure: Option<Failure>,
    generation: RowGeneration,
}

/// A handle for another plan.
struct Opened<H: Handle> {
    device: H::Device,
    shown: PathBuf,
    handle: Arc<H>,
}

impl<H: Handle> DeviceFiles<H> {
    /// Opens the devices that are not among the `open` handles. `why` says why this source was selected.
    pub(crate) fn open(
        roots: &Roots,
        tracked: impl IntoIterator<Item = (H::Device, usize)>,
        open: &mut OpenHandles,
        why: String,
    ) -> DeviceFiles<H> {
        let row = |(device, row)| {
            let opened = open.remove(&row).and_then(|handle| handle.downcast::<Opened<H>>().ok());
            let (shown, handle) = match opened.filter(|opened| opened.device == device) {
                Some(opened) => (opened.shown, Ok(opened.handle)),
                None => open_new(roots, &device),
            };
            let failure = handle.as_ref().err().copied();
            Row { row, device, shown, handle, failure, generation: RowGeneration::default() }
        };
        DeviceFiles { rows: tracked.into_iter().map(row).collect(), why, calls: 0 }
    }
}

impl<H: Handle> Source for DeviceFiles<H> {
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

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration, Option<u64>)) {
        self.rows.iter_mut().for_each(|row| each(row.row, &mut row.generation, None));
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

fn open_new<H: Handle>(roots: &Roots, device: &H::Device) -> (PathBuf, Result<Arc<H>, Failure>) {
    let (shown, handle) = H::open(roots, device);
    (shown, handle.map(Arc::new))
}

impl<H: Handle> Row<H> {
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
