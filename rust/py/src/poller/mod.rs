//! The poller. It releases the interpreter while it reads from the kernel.

mod explanation;
mod plan;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use vmiostat_core::boot_time::boot_time_ns;
use vmiostat_core::error::Error;
use vmiostat_core::fields::{block, interface};
use vmiostat_core::fork_guard::ForkGuard;
use vmiostat_core::plan::{CarriedOver, InterfaceSource};
use vmiostat_core::poller::{Kind, Poller, Target};

pub(crate) use self::explanation::PyExplanation;
use self::explanation::kind_of;
use self::plan::{LabelledPlan, PyBlockRow, PyInterfaceRow, check_carried_over};
use crate::buffer::Memory;
use crate::error::CoreError;
use crate::roots::PyRoots;
use crate::sample::{BlockTable, InterfaceTable, Sample};
use crate::struct_size::StructSize;
use crate::table::labels::Labels;

/// The open handles of a plan, which one call reads. vmiostat.Poller is the public class.
#[pyclass(name = "Poller", module = "vmiostat._core", frozen)]
pub(crate) struct PyPoller {
    /// Held for a moment only: a call works on the plan that it finds, even if there is another one before it ends. A
    /// poll that finds its rows taken over begins again.
    planned: Mutex<Arc<Planned>>,
    /// Held while a new plan is opened.
    replanning: Mutex<()>,
    fork_guard: ForkGuard,
    pinned: bool,
    boot_time_ns: Option<i64>,
}

/// The handles of a plan, and the labels of its rows.
struct Planned {
    /// None if it is closed.
    poller: Option<Poller>,
    block: Arc<Labels>,
    interface: Arc<Labels>,
    /// The results of `poll_into`, by the tables that it reads: all polls of a plan return the same object.
    written: [PyOnceLock<Py<PyAny>>; 4],
}

impl PyPoller {
    fn planned(&self) -> PyResult<Arc<Planned>> {
        if !self.fork_guard.is_same_process() {
            return Err(CoreError::from(Error::Forked).into());
        }
        Ok(Arc::clone(&lock(&self.planned)))
    }

    /// Polls the newest plan, detached from Python.
    fn with_current<T: Send>(
        &self,
        py: Python<'_>,
        mut poll: impl FnMut(&Poller) -> Result<T, Error> + Send,
    ) -> PyResult<(Arc<Planned>, T)> {
        loop {
            let planned = self.planned()?;
            let poller = planned.poller()?;
            match py.detach(|| poll(poller)) {
                Err(Error::TakenOver) => {}
                polled => return Ok((Arc::clone(&planned), polled.map_err(CoreError::from)?)),
            }
        }
    }

    /// The plan, also in a fork. None if a thread that does not exist in the fork holds the lock there.
    fn plan_if_free<T>(&self, work: impl FnOnce(&mut Arc<Planned>) -> T) -> Option<T> {
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
    fn new(poller: Option<Poller>, block: Arc<Labels>, interface: Arc<Labels>) -> Arc<Planned> {
        Arc::new(Planned { poller, block, interface, written: [const { PyOnceLock::new() }; 4] })
    }

    /// The result of a poll of these tables.
    fn written(&self, py: Python<'_>, block: bool, interface: bool) -> PyResult<Py<PyAny>> {
        let written = self.written[usize::from(block) + 2 * usize::from(interface)].get_or_try_init(py, || {
            let rows = |read: bool, labels: &Labels| if read { labels.count(py) } else { 0 };
            let parts = (rows(block, &self.block), rows(interface, &self.interface), self.poller()?.plan().number);
            Ok::<_, PyErr>(py.import("vmiostat.polling.written")?.getattr("Written")?.call1(parts)?.unbind())
        })?;
        Ok(written.clone_ref(py))
    }

    fn poller(&self) -> PyResult<&Poller> {
        let poller = self.poller.as_ref().ok_or_else(|| PyValueError::new_err("this Poller is closed"))?;
        Ok(poller.check_process().map_err(CoreError::from)?)
    }
}

/// The data behind these locks is consistent at any time, so a panic in another thread does no harm.
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
        block: Vec<PyBlockRow<'_>>,
        interface: Vec<PyInterfaceRow<'_>>,
        interface_source: &str,
        pinned: bool,
    ) -> PyResult<PyPoller> {
        let requested = requested_source(interface_source)?;
        let LabelledPlan { plan, block, interface } = LabelledPlan::new(py, block, interface, pinned)?;
        let roots = Arc::clone(&roots.get().0);
        let (boot_time_ns, poller) = py.detach(|| (boot_time_ns(&roots), Poller::open(roots, &plan, requested)));
        let planned = Mutex::new(Planned::new(Some(poller), block, interface));
        Ok(PyPoller { planned, replanning: Mutex::new(()), fork_guard: ForkGuard::new(), pinned, boot_time_ns })
    }

    /// Switches to another plan. `carried_over_block[row]` is the old index of the row, or None for a new row.
    fn replan(
        &self,
        py: Python<'_>,
        block: Vec<PyBlockRow<'_>>,
        interface: Vec<PyInterfaceRow<'_>>,
        carried_over_block: Vec<Option<usize>>,
        carried_over_interface: Vec<Option<usize>>,
    ) -> PyResult<()> {
        let LabelledPlan { plan, block, interface } = LabelledPlan::new(py, block, interface, self.pinned)?;
        let carried_over = CarriedOver { block: carried_over_block, interface: carried_over_interface };
        // Dropped while attached to Python: the old plan holds Python objects.
        let _old = py.detach(|| {
            // First: in a fork the lock may be held by a thread that does not exist there.
            self.planned()?.poller()?;
            let _alone = lock(&self.replanning);
            let old = self.planned()?;
            let poller = old.poller()?;
            check_carried_over(&carried_over.block, plan.block.len(), poller.rows(Kind::Block))?;
            check_carried_over(&carried_over.interface, plan.interface.len(), poller.rows(Kind::Interface))?;
            let replanned = poller.replan(&plan, &carried_over, |poller| {
                let mut planned = lock(&self.planned);
                // A poller that was closed meanwhile stays closed.
                if Arc::ptr_eq(&planned, &old) {
                    *planned = Planned::new(Some(poller), block, interface);
                }
            });
            replanned.map_err(CoreError::from)?;
            Ok::<_, PyErr>(old)
        })?;
        Ok(())
    }

    /// Reads every row.
    fn poll(&self, py: Python<'_>) -> PyResult<Sample> {
        let (planned, read) = self.with_current(py, Poller::poll)?;
        Ok(Sample::new(
            Py::new(py, BlockTable::of(Arc::clone(&planned.block), read.block))?,
            Py::new(py, InterfaceTable::of(Arc::clone(&planned.interface), read.interface))?,
            read.plan,
            self.boot_time_ns,
        ))
    }

    /// Reads every row into the caller's memory.
    #[pyo3(signature = (*, block=None, interface=None, block_size=None, interface_size=None))]
    fn poll_into(
        &self,
        py: Python<'_>,
        block: Option<&Bound<'_, PyAny>>,
        interface: Option<&Bound<'_, PyAny>>,
        block_size: Option<StructSize>,
        interface_size: Option<StructSize>,
    ) -> PyResult<Py<PyAny>> {
        let mut block = block.map(Memory::writable).transpose()?;
        let mut interface = interface.map(Memory::writable).transpose()?;
        if block.as_ref().zip(interface.as_ref()).is_some_and(|(block, interface)| block.overlaps(interface)) {
            return Err(PyValueError::new_err("block and interface overlap: each table needs memory of its own"));
        }
        let (has_block, has_interface) = (block.is_some(), interface.is_some());
        let (planned, ()) = self.with_current(py, |poller| {
            let block = block.as_mut().map(|memory| target(memory, block_size, block::SIZE));
            let interface = interface.as_mut().map(|memory| target(memory, interface_size, interface::SIZE));
            poller.poll_into(block, interface)
        })?;
        planned.written(py, has_block, has_interface)
    }

    /// The number of rows in the block table.
    #[getter]
    fn block_rows(&self, py: Python<'_>) -> usize {
        self.plan_if_free(|planned| planned.block.count(py)).unwrap_or(0)
    }

    /// The number of rows in the interface table.
    #[getter]
    fn interface_rows(&self, py: Python<'_>) -> usize {
        self.plan_if_free(|planned| planned.interface.count(py)).unwrap_or(0)
    }

    /// The error behind the state of a row, or None. Also None for a row that the plan does not have, and where
    /// the plan is not the one of this number.
    #[pyo3(signature = (kind, row, plan=None))]
    fn problem(&self, py: Python<'_>, kind: &str, row: usize, plan: Option<i64>) -> PyResult<Option<Py<PyAny>>> {
        let kind = kind_of(kind)?;
        let planned = self.planned()?;
        let poller = planned.poller()?;
        if plan.is_some_and(|plan| plan != poller.plan().number) {
            return Ok(None);
        }
        let problem = py.detach(|| poller.problem(kind, row));
        Ok(problem.map(|error| PyErr::from(CoreError::from(error)).into_value(py).into_any()))
    }

    /// Opens handles that could not be opened or were lost, and returns how many. Too costly for every poll.
    fn reopen(&self, py: Python<'_>) -> PyResult<usize> {
        let planned = self.planned()?;
        let poller = planned.poller()?;
        Ok(py.detach(|| poller.reopen()).map_err(CoreError::from)?)
    }

    /// Whether other devices have made polls much longer since: `replan` may find cheaper sources.
    fn has_outgrown(&self, py: Python<'_>) -> PyResult<bool> {
        let planned = self.planned()?;
        let poller = planned.poller()?;
        Ok(py.detach(|| poller.has_outgrown()).map_err(CoreError::from)?)
    }

    /// Polls once, and says what each source read.
    fn explain(&self, py: Python<'_>) -> PyResult<Vec<PyExplanation>> {
        let (_, explained) = self.with_current(py, Poller::explain)?;
        Ok(explained.into_iter().map(PyExplanation::from).collect())
    }

    /// Closes the handles as soon as the polls that run now have ended.
    fn close(&self) {
        // Dropped after the lock is released.
        drop(self.plan_if_free(|planned| {
            let (block, interface) = (Arc::clone(&planned.block), Arc::clone(&planned.interface));
            std::mem::replace(planned, Planned::new(None, block, interface))
        }));
    }

    /// Whether it is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.plan_if_free(|planned| planned.poller.is_none()).unwrap_or(true)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let closed = if self.closed() { ", closed" } else { "" };
        format!("<Poller of {} block devices and {} interfaces{closed}>", self.block_rows(py), self.interface_rows(py))
    }
}

fn target(memory: &mut Memory, requested: Option<StructSize>, newest: usize) -> Target<'_> {
    Target { bytes: memory.bytes_mut(), size: requested.map_or(newest, |StructSize(size)| size) }
}

fn requested_source(name: &str) -> PyResult<InterfaceSource> {
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
