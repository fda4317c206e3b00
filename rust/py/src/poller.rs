//! The frequent call: the interpreter is released while the kernel is read.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use vmiostat_core::Explanation;
use vmiostat_core::boot_time::boot_time_ns;
use vmiostat_core::error::Error;
use vmiostat_core::fields::{block, interface};
use vmiostat_core::fork_guard::ForkGuard;
use vmiostat_core::plan::{
    BlockRow, CarriedOver, CgroupIo, CgroupVersion, InterfaceRow, InterfaceSource, Plan, Tapdisk, XenVbd, XenVbdKind,
};
use vmiostat_core::poller::{Kind, Poller, Target};

use crate::buffer::Memory;
use crate::error::CoreError;
use crate::labels::Labels;
use crate::latest_stats::PyLatestStats;
use crate::roots::PyRoots;
use crate::sample::{BlockTable, InterfaceTable, Sample};
use crate::struct_size::StructSize;

/// vmiostat.counter_sources.BlockCounters, by their attributes.
#[derive(FromPyObject)]
enum BlockCounters {
    Device { major: u32, minor: u32, diskseq: Option<u64> },
    XenVbd { kind: String, domid: u32, devid: u32 },
    // Before ProcessIo: the first that has all its attributes is taken.
    Tapdisk { pid: u32, domid: u32, devid: u32 },
    CgroupIo { cgroup: PathBuf, version: u8 },
    ProcessIo { pid: u32 },
    VmmReported { latest: Py<PyLatestStats> },
}

/// vmiostat.counter_sources.InterfaceCounters, likewise.
#[derive(FromPyObject)]
enum InterfaceCounters {
    VirtualFunction { device: OsString, number: u32, namespace: Option<PathBuf> },
    NetDevice { name: OsString, namespace: Option<PathBuf>, index: Option<u32> },
}

type Name<'py> = Bound<'py, PyString>;

/// A row of a table: its domain's and its device's name, and where its counters are; of an interface also whether rx and tx
/// are swapped.
type BlockRows<'py> = Vec<(Name<'py>, Name<'py>, Option<Bound<'py, PyAny>>)>;
type InterfaceRows<'py> = Vec<(Name<'py>, Name<'py>, Option<Bound<'py, PyAny>>, bool)>;

/// Holds the handles of a plan's rows open, and reads them all in one call. Safe to poll from several threads.
///
/// They are of the process that opened them: in a fork of it every call but `close` raises ValueError.
#[pyclass(name = "Poller", module = "vmiostat._core", frozen, subclass)]
pub(crate) struct PyPoller {
    /// Held for a moment alone. A call works on the plan that it finds, also when there is another one before it ends.
    planned: Mutex<Arc<Planned>>,
    /// One at a time makes a new plan of the one that there is.
    replanning: Mutex<()>,
    fork_guard: ForkGuard,
    pinned: bool,
    boot_time_ns: Option<i64>,
}

/// A plan's handles, and the names of its rows.
struct Planned {
    /// None once it is closed.
    poller: Option<Poller>,
    block: Arc<Labels>,
    interface: Arc<Labels>,
}

impl PyPoller {
    fn planned(&self) -> PyResult<Arc<Planned>> {
        if !self.fork_guard.is_same_process() {
            return Err(CoreError::from(Error::Forked).into());
        }
        Ok(Arc::clone(&lock(&self.planned)))
    }

    /// What the plan is, in a fork, too: there a thread that is not in it may hold the lock for ever, and then there is none.
    fn plan_left<T>(&self, work: impl FnOnce(&mut Arc<Planned>) -> T) -> Option<T> {
        if self.fork_guard.is_same_process() {
            return Some(work(&mut lock(&self.planned)));
        }
        match self.planned.try_lock() {
            Ok(mut planned) => Some(work(&mut planned)),
            Err(_) => None,
        }
    }
}

impl Planned {
    fn poller(&self) -> PyResult<&Poller> {
        let poller = self.poller.as_ref().ok_or_else(|| PyValueError::new_err("this Poller is closed"))?;
        Ok(poller.check_process().map_err(CoreError::from)?)
    }
}

/// What these locks guard is whole at any time, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl PyPoller {
    #[new]
    #[pyo3(signature = (roots, block, interface, *, interface_source="auto", pinned=false))]
    fn new(
        py: Python<'_>,
        roots: &Bound<'_, PyRoots>,
        block: BlockRows<'_>,
        interface: InterfaceRows<'_>,
        interface_source: &str,
        pinned: bool,
    ) -> PyResult<PyPoller> {
        let requested = source_of(interface_source)?;
        let (plan, block, interface) = plan_of(py, block, interface, pinned)?;
        let roots = Arc::clone(&roots.get().0);
        let (boot_time_ns, poller) = py.detach(|| (boot_time_ns(&roots), Some(Poller::open(roots, &plan, requested))));
        let planned = Mutex::new(Arc::new(Planned { poller, block, interface }));
        Ok(PyPoller { planned, replanning: Mutex::new(()), fork_guard: ForkGuard::new(), pinned, boot_time_ns })
    }

    /// Another plan, of whose rows some are this one's: `kept_block[row]` is the number that the row had, None for a new one.
    ///
    /// Kept rows keep their open files and their generation; a new row's generation is above every one before. A poll in
    /// another thread sees the one plan or the other, and does not wait while files are opened.
    fn replan(
        &self,
        py: Python<'_>,
        block: BlockRows<'_>,
        interface: InterfaceRows<'_>,
        kept_block: Vec<Option<usize>>,
        kept_interface: Vec<Option<usize>>,
    ) -> PyResult<()> {
        let (plan, block, interface) = plan_of(py, block, interface, self.pinned)?;
        let carried_over = CarriedOver { block: kept_block, interface: kept_interface };
        // The old plan ends here, where Python's objects may be let go of.
        let _old = py.detach(|| {
            // A fork may have left the lock behind, held by nobody.
            self.planned()?.poller()?;
            let _alone = lock(&self.replanning);
            let old = self.planned()?;
            let poller = old.poller()?;
            check_kept(&carried_over.block, plan.block.len(), poller.rows(Kind::Block))?;
            check_kept(&carried_over.interface, plan.interface.len(), poller.rows(Kind::Interface))?;
            let replanned = poller.replan(&plan, &carried_over, |poller| {
                let mut planned = lock(&self.planned);
                // It may have been closed meanwhile, and stays so.
                if Arc::ptr_eq(&planned, &old) {
                    *planned = Arc::new(Planned { poller: Some(poller), block, interface });
                }
            });
            replanned.map_err(CoreError::from)?;
            Ok::<_, PyErr>(old)
        })?;
        Ok(())
    }

    /// Every row, read now. A bad row costs itself alone: its state tells.
    fn poll(&self, py: Python<'_>) -> PyResult<Sample> {
        let planned = self.planned()?;
        let poller = planned.poller()?;
        let read = py.detach(|| poller.poll()).map_err(CoreError::from)?;
        Ok(Sample {
            block: Py::new(py, BlockTable::of(Arc::clone(&planned.block), read.block))?,
            interface: Py::new(py, InterfaceTable::of(Arc::clone(&planned.interface), read.interface))?,
            boot_time_ns: self.boot_time_ns,
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
        block_size: Option<StructSize>,
        interface_size: Option<StructSize>,
    ) -> PyResult<()> {
        let planned = self.planned()?;
        let poller = planned.poller()?;
        let mut block = block.map(Memory::writable).transpose()?;
        let mut interface = interface.map(Memory::writable).transpose()?;
        let block = block.as_mut().map(|memory| target(memory, block_size, block::SIZE));
        let interface = interface.as_mut().map(|memory| target(memory, interface_size, interface::SIZE));
        py.detach(|| poller.poll_into(block, interface)).map_err(CoreError::from)?;
        Ok(())
    }

    /// Rows of the block table.
    #[getter]
    fn block_rows(&self) -> usize {
        self.plan_left(|planned| planned.block.count()).unwrap_or(0)
    }

    /// Rows of the interface table.
    #[getter]
    fn interface_rows(&self) -> usize {
        self.plan_left(|planned| planned.interface.count()).unwrap_or(0)
    }

    /// The error behind a row's state `gone` or `unreadable`, a SourceError; None where there is none.
    ///
    /// Of a row that is asked for beside the poll, also why it is `stale` or `unsupported`. None as well for a row that is not
    /// there: a poller that follows may have fewer by now than the sample had.
    fn problem(&self, py: Python<'_>, kind: &str, row: usize) -> PyResult<Option<Py<PyAny>>> {
        let kind = match kind {
            "block" => Kind::Block,
            "interface" => Kind::Interface,
            other => return Err(PyValueError::new_err(format!("kind is 'block' or 'interface', not '{other}'"))),
        };
        let planned = self.planned()?;
        let poller = planned.poller()?;
        let problem = py.detach(|| poller.problem(kind, row));
        Ok(problem.map(|error| PyErr::from(CoreError::from(error)).into_value(py).into_any()))
    }

    /// Opens handles that could not be opened before or were lost, and returns how many it opened. Too costly for every poll.
    fn reopen(&self, py: Python<'_>) -> PyResult<usize> {
        let planned = self.planned()?;
        let poller = planned.poller()?;
        Ok(py.detach(|| poller.reopen()).map_err(CoreError::from)?)
    }

    /// What a poll does, source by source: polls once, and tells.
    fn explain(&self, py: Python<'_>) -> PyResult<Vec<PyExplanation>> {
        let planned = self.planned()?;
        let poller = planned.poller()?;
        let explained = py.detach(|| poller.explain()).map_err(CoreError::from)?;
        Ok(explained.into_iter().map(PyExplanation::from).collect())
    }

    /// Closes the handles, after the polls that are under way.
    fn close(&self) {
        // The handles are let go of when nobody holds the lock any more.
        drop(self.plan_left(|planned| {
            let (block, interface) = (Arc::clone(&planned.block), Arc::clone(&planned.interface));
            std::mem::replace(planned, Arc::new(Planned { poller: None, block, interface }))
        }));
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.plan_left(|planned| planned.poller.is_none()).unwrap_or(true)
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
        format!("<Poller of {} block devices and {} interfaces{closed}>", self.block_rows(), self.interface_rows())
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

fn target(memory: &mut Memory, asked: Option<StructSize>, newest: usize) -> Target<'_> {
    Target { bytes: memory.bytes_mut(), size: asked.map_or(newest, |StructSize(size)| size) }
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

/// The rows of a plan, and the names of them.
fn plan_of(
    py: Python<'_>,
    block: BlockRows<'_>,
    interface: InterfaceRows<'_>,
    pinned: bool,
) -> PyResult<(Plan, Arc<Labels>, Arc<Labels>)> {
    let block_labels = Labels::new(py, block.iter().map(|(domain, device, _)| (domain.clone(), device.clone())))?;
    let names = interface.iter().map(|(domain, device, ..)| (domain.clone(), device.clone()));
    let interface_labels = Labels::new(py, names)?;
    let block = block
        .into_iter()
        .map(|(.., counters)| block_row(counters_of(counters, "BlockCounters")?, pinned))
        .collect::<PyResult<_>>()?;
    let interface = interface
        .into_iter()
        .map(|(.., counters, swap_rx_tx)| {
            Ok(interface_row(counters_of(counters, "InterfaceCounters")?, swap_rx_tx, pinned))
        })
        .collect::<PyResult<_>>()?;
    Ok((Plan { block, interface }, block_labels, interface_labels))
}

/// Where a row's counters are, of which vmiostat.counter_sources has this `union` of classes.
fn counters_of<'py, T: FromPyObjectOwned<'py>>(
    counters: Option<Bound<'py, PyAny>>,
    union: &str,
) -> PyResult<Option<T>> {
    let counters = counters.as_ref();
    let read = |counters: &Bound<'py, PyAny>| counters.extract().map_err(|_| not_counters(counters, union));
    counters.map(read).transpose()
}

fn not_counters(counters: &Bound<'_, PyAny>, union: &str) -> PyErr {
    match counters.repr() {
        Ok(repr) => {
            PyTypeError::new_err(format!("a row's counters are one of vmiostat.counter_sources.{union}, not {repr}"))
        }
        Err(error) => error,
    }
}

/// One old row or none for each new one.
fn check_kept(kept: &[Option<usize>], rows: usize, old_rows: usize) -> PyResult<()> {
    if kept.len() != rows {
        return Err(PyValueError::new_err(format!("{rows} rows, but what is kept is told of {}", kept.len())));
    }
    match kept.iter().flatten().find(|old| **old >= old_rows) {
        Some(old) => Err(PyValueError::new_err(format!("no row {old} to be kept: there are {old_rows}"))),
        None => Ok(()),
    }
}

/// Not pinned, a row is whichever device has the name or number.
fn block_row(counters: Option<BlockCounters>, pinned: bool) -> PyResult<BlockRow> {
    Ok(match counters {
        None => BlockRow::Unsupported,
        Some(BlockCounters::Device { major, minor, diskseq }) => {
            BlockRow::Device { number: (major, minor), diskseq: diskseq.filter(|_| pinned) }
        }
        Some(BlockCounters::Tapdisk { pid, domid, devid }) => BlockRow::Tapdisk(Tapdisk { pid, domid, devid }),
        Some(BlockCounters::VmmReported { latest }) => BlockRow::VmmReported(Arc::clone(&latest.get().0)),
        Some(BlockCounters::XenVbd { kind, domid, devid }) => {
            let kind = match kind.as_str() {
                "vbd" => XenVbdKind::Vbd,
                "tap" => XenVbdKind::Tap,
                _ => return Err(PyValueError::new_err(format!("a Xen backend is 'vbd' or 'tap', not '{kind}'"))),
            };
            BlockRow::XenVbd(XenVbd { kind, domid, devid })
        }
        Some(BlockCounters::CgroupIo { cgroup, version }) => {
            let version = match version {
                1 => CgroupVersion::V1,
                2 => CgroupVersion::V2,
                _ => return Err(PyValueError::new_err(format!("a cgroup's version is 1 or 2, not {version}"))),
            };
            BlockRow::CgroupIo(CgroupIo { folder: cgroup, version })
        }
        Some(BlockCounters::ProcessIo { pid }) => BlockRow::ProcessIo(pid),
    })
}

fn interface_row(counters: Option<InterfaceCounters>, swap_rx_tx: bool, pinned: bool) -> InterfaceRow {
    match counters {
        None => InterfaceRow::Unsupported,
        Some(InterfaceCounters::NetDevice { name, namespace, index }) => {
            InterfaceRow::NetDevice { name, namespace, index: index.filter(|_| pinned), swap_rx_tx }
        }
        Some(InterfaceCounters::VirtualFunction { device, number, namespace }) => {
            InterfaceRow::VirtualFunction { device, number, namespace, swap_rx_tx }
        }
    }
}
