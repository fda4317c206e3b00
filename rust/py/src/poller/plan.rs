//! The rows of a plan as Python passes them: a domain, a device, and where its counters are.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use vmiostat_core::plan::{
    BlockRow, CgroupIo, CgroupVersion, InterfaceRow, Plan, ProcessIo, Tapdisk, WhyNot, XenVbd, XenVbdKind,
};

use crate::kernel_text::KernelText;
use crate::latest_stats::PyLatestStats;
use crate::table::labels::{Labels, Name};
use crate::table::row_kind::RowKind;

/// The classes of vmiostat.counter_sources.BlockCounterSource, by their attributes.
#[derive(FromPyObject)]
enum BlockCounterSource {
    Device { major: u32, minor: u32, diskseq: Option<u64> },
    XenVbd { kind: String, domid: u32, devid: u32 },
    // Before ProcessIo, since the first variant whose attributes all exist is taken.
    Tapdisk { pid: u32, domid: u32, devid: u32 },
    CgroupIo { cgroup: KernelText, version: u8 },
    ProcessIo { pid: u32, started: Option<u64> },
    VmmReported { latest: Py<PyLatestStats> },
}

/// The classes of vmiostat.counter_sources.InterfaceCounterSource, by their attributes.
#[derive(FromPyObject)]
enum InterfaceCounterSource {
    VirtualFunction { device: KernelText, number: u32, namespace: Option<KernelText> },
    NetDevice { name: KernelText, namespace: Option<KernelText>, index: Option<u32> },
}

/// A class of vmiostat.counter_sources; for a device without counters the state of its row, or None for unsupported.
type Source<'py> = Option<Bound<'py, PyAny>>;

/// Domain, device, where the counters are, and whether it is a disk, which is the default, or a total.
#[derive(FromPyObject)]
pub(crate) enum PyBlockRow<'py> {
    #[pyo3(transparent)]
    OfKind((Name<'py>, Name<'py>, Source<'py>, String)),
    #[pyo3(transparent)]
    Disk((Name<'py>, Name<'py>, Source<'py>)),
}

/// Domain, device, where the counters are, and whether rx and tx are swapped.
pub(crate) type PyInterfaceRow<'py> = (Name<'py>, Name<'py>, Source<'py>, bool);

/// A plan, and the labels of its rows.
pub(crate) struct LabelledPlan {
    pub(crate) plan: Plan,
    pub(crate) block: Arc<Labels>,
    pub(crate) interface: Arc<Labels>,
}

impl LabelledPlan {
    pub(crate) fn new(
        py: Python<'_>,
        block: Vec<PyBlockRow<'_>>,
        interface: Vec<PyInterfaceRow<'_>>,
        pinned: bool,
    ) -> PyResult<LabelledPlan> {
        let (mut plan, mut block_labels, mut interface_labels) = (Plan::default(), Vec::new(), Vec::new());
        for row in block {
            let (domain, device, source, kind) = match row {
                PyBlockRow::Disk((domain, device, source)) => (domain, device, source, RowKind::Disk),
                PyBlockRow::OfKind((domain, device, source, kind)) => (domain, device, source, block_kind(&kind)?),
            };
            plan.block.push(block_row(counter_source(source, "BlockCounterSource")?, pinned)?);
            block_labels.push((domain, device, kind));
        }
        for (domain, device, source, swap_rx_tx) in interface {
            let source = counter_source(source, "InterfaceCounterSource")?;
            plan.interface.push(interface_row(source, swap_rx_tx, pinned));
            interface_labels.push((domain, device, RowKind::Interface));
        }
        Ok(LabelledPlan {
            plan,
            block: Labels::new(py, &block_labels)?,
            interface: Labels::new(py, &interface_labels)?,
        })
    }
}

fn block_kind(word: &str) -> PyResult<RowKind> {
    match RowKind::from_word(word)? {
        RowKind::Interface => Err(PyValueError::new_err("a block row's kind is 'disk' or 'total', not 'interface'")),
        kind => Ok(kind),
    }
}

/// The counter source of a row, whose class is one of this `union` in vmiostat.counter_sources.
fn counter_source<'py, T: FromPyObjectOwned<'py>>(source: Source<'py>, union: &str) -> PyResult<Result<T, WhyNot>> {
    let Some(source) = source else { return Ok(Err(WhyNot::Unsupported)) };
    if let Ok(word) = source.cast::<PyString>() {
        let word = word.to_str()?;
        return match WhyNot::ALL.into_iter().find(|why| why.state().word() == word) {
            Some(why) => Ok(Err(why)),
            None => Err(no_counter_source(&source, union)),
        };
    }
    source.extract().map(Ok).map_err(|_| no_counter_source(&source, union))
}

fn no_counter_source(source: &Bound<'_, PyAny>, union: &str) -> PyErr {
    match source.repr() {
        Ok(repr) => {
            let text = format!("a row's counter source is one of vmiostat.counter_sources.{union}, not {repr}");
            PyTypeError::new_err(text)
        }
        Err(error) => error,
    }
}

/// Refuses carried-over rows that do not fit: one entry for each new row, and no old row twice.
pub(crate) fn check_carried_over(carried_over: &[Option<usize>], rows: usize, old_rows: usize) -> PyResult<()> {
    if carried_over.len() != rows {
        let entries = carried_over.len();
        return Err(PyValueError::new_err(format!("{rows} rows, but {entries} entries say which old row each one is")));
    }
    let mut seen = HashSet::new();
    for old in carried_over.iter().flatten() {
        if *old >= old_rows {
            return Err(PyValueError::new_err(format!("no row {old} to carry over: there are {old_rows}")));
        }
        if !seen.insert(old) {
            return Err(PyValueError::new_err(format!(
                "row {old} is carried over twice: it can go on as one row only"
            )));
        }
    }
    Ok(())
}

/// Unless it is pinned, a row is the device that has the name or number now.
fn block_row(source: Result<BlockCounterSource, WhyNot>, pinned: bool) -> PyResult<BlockRow> {
    Ok(match source {
        Err(why) => BlockRow::WithoutCounters(why),
        Ok(BlockCounterSource::Device { major, minor, diskseq }) => {
            BlockRow::Device { number: (major, minor), diskseq: diskseq.filter(|_| pinned) }
        }
        Ok(BlockCounterSource::Tapdisk { pid, domid, devid }) => BlockRow::Tapdisk(Tapdisk { pid, domid, devid }),
        Ok(BlockCounterSource::VmmReported { latest }) => BlockRow::VmmReported(Arc::clone(&latest.get().0)),
        Ok(BlockCounterSource::XenVbd { kind, domid, devid }) => {
            let kind = match kind.as_str() {
                "vbd" => XenVbdKind::Vbd,
                "tap" => XenVbdKind::Tap,
                _ => return Err(PyValueError::new_err(format!("a Xen backend is 'vbd' or 'tap', not '{kind}'"))),
            };
            BlockRow::XenVbd(XenVbd { kind, domid, devid })
        }
        Ok(BlockCounterSource::CgroupIo { cgroup, version }) => {
            let version = match version {
                1 => CgroupVersion::V1,
                2 => CgroupVersion::V2,
                _ => return Err(PyValueError::new_err(format!("a cgroup's version is 1 or 2, not {version}"))),
            };
            BlockRow::CgroupIo(CgroupIo { folder: path(cgroup), version })
        }
        Ok(BlockCounterSource::ProcessIo { pid, started }) => BlockRow::ProcessIo(ProcessIo { pid, started }),
    })
}

fn interface_row(source: Result<InterfaceCounterSource, WhyNot>, swap_rx_tx: bool, pinned: bool) -> InterfaceRow {
    match source {
        Err(why) => InterfaceRow::WithoutCounters(why),
        Ok(InterfaceCounterSource::NetDevice { name, namespace, index }) => {
            let (name, namespace) = (name.into_inner(), namespace.map(path));
            InterfaceRow::NetDevice { name, namespace, index: index.filter(|_| pinned), swap_rx_tx }
        }
        Ok(InterfaceCounterSource::VirtualFunction { device, number, namespace }) => {
            let (device, namespace) = (device.into_inner(), namespace.map(path));
            InterfaceRow::VirtualFunction { device, number, namespace, swap_rx_tx }
        }
    }
}

fn path(text: KernelText) -> PathBuf {
    text.into_inner().into()
}
