//! The frequent call: the interpreter is released while the kernel is read.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use vmiostat_core::Explanation;
use vmiostat_core::fields::{block, interface};
use vmiostat_core::plan::{BlockRow, InterfaceRow, InterfaceSource, Plan, XenVbd, XenVbdKind};
use vmiostat_core::poller::{Kind, Poller, Target};

use crate::buffer::Memory;
use crate::error::CoreError;
use crate::labels::Labels;
use crate::roots::PyRoots;
use crate::sample::{BlockTable, InterfaceTable, Sample};

/// vmiostat.counters.BlockCounters, by their attributes.
#[derive(FromPyObject)]
enum BlockCounters {
    Device { major: u32, minor: u32, diskseq: Option<u64> },
    XenVbd { kind: String, domid: u32, devid: u32 },
}

/// vmiostat.counters.InterfaceCounters, likewise.
#[derive(FromPyObject)]
struct InterfaceCounters {
    name: OsString,
    namespace: Option<PathBuf>,
    index: Option<u32>,
}

type Name<'py> = Bound<'py, PyString>;

/// Holds the handles of a plan's rows open, and reads them all in one call. Safe to poll from several threads.
#[pyclass(name = "Poller", module = "vmiostat._core", frozen)]
pub(crate) struct PyPoller {
    /// None once it is closed.
    poller: Mutex<Option<Arc<Poller>>>,
    block: Arc<Labels>,
    interface: Arc<Labels>,
}

impl PyPoller {
    fn open(&self) -> PyResult<Arc<Poller>> {
        let poller = self.poller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        poller.ok_or_else(|| PyValueError::new_err("this Poller is closed"))
    }
}

#[pymethods]
impl PyPoller {
    #[new]
    #[pyo3(signature = (roots, block, interface, *, interface_source="auto", pinned=false))]
    fn new(
        py: Python<'_>,
        roots: &Bound<'_, PyRoots>,
        block: Vec<(Name<'_>, Name<'_>, Option<BlockCounters>)>,
        interface: Vec<(Name<'_>, Name<'_>, Option<InterfaceCounters>, bool)>,
        interface_source: &str,
        pinned: bool,
    ) -> PyResult<PyPoller> {
        let wish = source_of(interface_source)?;
        let names = (
            block.iter().map(|(domain, device, _)| (domain.clone(), device.clone())),
            interface.iter().map(|(domain, device, ..)| (domain.clone(), device.clone())),
        );
        let (block_labels, interface_labels) = (Labels::new(py, names.0)?, Labels::new(py, names.1)?);
        let plan = Plan {
            block: block.into_iter().map(|(.., counters)| block_row(counters, pinned)).collect::<PyResult<_>>()?,
            interface: interface
                .into_iter()
                .map(|(.., counters, swapped)| interface_row(counters, swapped, pinned))
                .collect(),
        };
        let roots = Arc::clone(&roots.get().0);
        let poller = py.detach(|| Poller::open(roots, &plan, wish));
        Ok(PyPoller { poller: Mutex::new(Some(Arc::new(poller))), block: block_labels, interface: interface_labels })
    }

    /// Every row, read now. A bad row costs itself alone: its state tells.
    fn poll(&self, py: Python<'_>) -> PyResult<Sample> {
        let poller = self.open()?;
        let read = py.detach(|| poller.poll());
        Ok(Sample {
            block: Py::new(py, BlockTable::of(Arc::clone(&self.block), read.block))?,
            interface: Py::new(py, InterfaceTable::of(Arc::clone(&self.interface), read.interface))?,
        })
    }

    /// Writes every row into the caller's memory, `block_size` (`interface_size`) bytes a row; allocates nothing.
    ///
    /// What is not asked for is not read. Raises SizeError.
    #[pyo3(signature = (*, block=None, interface=None, block_size=None, interface_size=None))]
    fn poll_into(
        &self,
        py: Python<'_>,
        block: Option<&Bound<'_, PyAny>>,
        interface: Option<&Bound<'_, PyAny>>,
        block_size: Option<usize>,
        interface_size: Option<usize>,
    ) -> PyResult<()> {
        let poller = self.open()?;
        let mut block = block.map(Memory::writable).transpose()?;
        let mut interface = interface.map(Memory::writable).transpose()?;
        let block =
            block.as_mut().map(|memory| Target { bytes: memory.bytes_mut(), size: block_size.unwrap_or(block::SIZE) });
        let interface = interface
            .as_mut()
            .map(|memory| Target { bytes: memory.bytes_mut(), size: interface_size.unwrap_or(interface::SIZE) });
        py.detach(|| poller.poll_into(block, interface)).map_err(CoreError::from)?;
        Ok(())
    }

    /// Rows of the block table.
    #[getter]
    fn block_rows(&self) -> usize {
        self.block.count()
    }

    /// Rows of the interface table.
    #[getter]
    fn interface_rows(&self) -> usize {
        self.interface.count()
    }

    /// The error behind a row's state `unreadable` or `gone`, a SourceError.
    fn problem(&self, py: Python<'_>, kind: &str, row: usize) -> PyResult<Option<Py<PyAny>>> {
        let kind = match kind {
            "block" => Kind::Block,
            "interface" => Kind::Interface,
            other => return Err(PyValueError::new_err(format!("kind is 'block' or 'interface', not '{other}'"))),
        };
        let poller = self.open()?;
        let problem = py.detach(|| poller.problem(kind, row));
        Ok(problem.map(|error| PyErr::from(CoreError::from(error)).into_value(py).into_any()))
    }

    /// Tries anew to open what could not be opened or has gone; how many handles were opened. Not for every poll.
    fn reopen(&self, py: Python<'_>) -> PyResult<usize> {
        let poller = self.open()?;
        Ok(py.detach(|| poller.reopen()))
    }

    /// What a poll does, source by source: polls once, and tells.
    fn explain(&self, py: Python<'_>) -> PyResult<Vec<PyExplanation>> {
        let poller = self.open()?;
        Ok(py.detach(|| poller.explain()).into_iter().map(PyExplanation::from).collect())
    }

    /// Closes the handles, after the polls that are under way.
    fn close(&self) {
        self.poller.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.open().is_err()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        let closed = if self.closed() { ", closed" } else { "" };
        format!("<Poller of {} block devices and {} interfaces{closed}>", self.block.count(), self.interface.count())
    }
}

/// What one source does in a poll, and why it and no other reads these rows.
#[pyclass(name = "Explanation", module = "vmiostat._core", frozen, get_all)]
pub(crate) struct PyExplanation {
    /// "block" or "interface".
    kind: &'static str,
    /// What is read.
    source: String,
    /// Rows that it fills.
    rows: usize,
    /// System calls that it takes in a poll.
    system_calls: usize,
    /// Why it was chosen.
    why: String,
}

impl From<(Kind, Explanation)> for PyExplanation {
    fn from((kind, explanation): (Kind, Explanation)) -> PyExplanation {
        let kind = match kind {
            Kind::Block => "block",
            Kind::Interface => "interface",
        };
        let Explanation { source, rows, system_calls, why } = explanation;
        PyExplanation { kind, source, rows, system_calls, why }
    }
}

#[pymethods]
impl PyExplanation {
    fn __repr__(&self) -> String {
        let PyExplanation { kind, source, rows, system_calls, why } = self;
        format!("Explanation({kind}: {rows} rows from {source} by {system_calls} system calls; {why})")
    }
}

fn source_of(name: &str) -> PyResult<InterfaceSource> {
    match name {
        "auto" => Ok(InterfaceSource::Auto),
        "proc" => Ok(InterfaceSource::Proc),
        "sysfs" => Ok(InterfaceSource::Sysfs),
        "netlink" => Ok(InterfaceSource::Netlink),
        _ => {
            let choices = "interface_source is 'auto', 'proc', 'sysfs' or 'netlink'";
            Err(PyValueError::new_err(format!("{choices}, not '{name}'")))
        }
    }
}

/// Not pinned, a row is whichever device has the name or number.
fn block_row(counters: Option<BlockCounters>, pinned: bool) -> PyResult<BlockRow> {
    Ok(match counters {
        None => BlockRow::Uncounted,
        Some(BlockCounters::Device { major, minor, diskseq }) => {
            BlockRow::Device { number: (major, minor), diskseq: diskseq.filter(|_| pinned) }
        }
        Some(BlockCounters::XenVbd { kind, domid, devid }) => {
            let kind = match kind.as_str() {
                "vbd" => XenVbdKind::Vbd,
                "tap" => XenVbdKind::Tap,
                _ => return Err(PyValueError::new_err(format!("a Xen backend is 'vbd' or 'tap', not '{kind}'"))),
            };
            BlockRow::XenVbd(XenVbd { kind, domid, devid })
        }
    })
}

fn interface_row(counters: Option<InterfaceCounters>, swapped: bool, pinned: bool) -> InterfaceRow {
    match counters {
        None => InterfaceRow::Uncounted,
        Some(InterfaceCounters { name, namespace, index }) => {
            InterfaceRow::NetDevice { name, namespace, index: index.filter(|_| pinned), swapped }
        }
    }
}
