//! One disk's newest counters from its VMM: a client of qemu_stats writes them, a poll reads them without waiting.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use vmiostat_core::fields::{Kind, Table, block};
use vmiostat_core::latest_stats::LatestStats;

/// One disk's newest counters from its VMM. `client` names the connection in messages: "QMP /run/vm.qmp".
#[pyclass(name = "LatestStats", module = "vmiostat._core", frozen)]
pub(crate) struct PyLatestStats(pub(crate) Arc<LatestStats>);

#[pymethods]
impl PyLatestStats {
    #[new]
    fn new(client: String) -> PyLatestStats {
        PyLatestStats(Arc::new(LatestStats::new(client)))
    }

    /// The client that queries the VMM, and its address: "QMP /run/vm.qmp".
    #[getter]
    fn client(&self) -> &str {
        self.0.client()
    }

    /// Stores the newest counters.
    ///
    /// Parameters
    /// ----------
    /// time_ns : int
    ///     When the VMM counted them, on the monotonic clock.
    /// fresh_ns : int
    ///     How long they are fresh; then they are stale.
    /// **counters : int
    ///     Counters and gauges of BlockStats by name; those left out are -1.
    ///
    /// Raises
    /// ------
    /// TypeError
    ///     BlockStats has no counter or gauge of this name.
    #[pyo3(signature = (time_ns, fresh_ns, **counters))]
    fn put(&self, time_ns: i64, fresh_ns: i64, counters: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let mut record = block::UNKNOWN;
        for (name, number) in counters.into_iter().flatten() {
            let name: String = name.extract()?;
            let field = block::Table::FIELDS.iter().find(|field| field.name == name && field.kind != Kind::Row);
            let field = field.ok_or_else(|| PyTypeError::new_err(format!("a block device has no counter {name:?}")))?;
            record[field.word()] = number.extract()?;
        }
        self.0.put(&record, time_ns, time_ns.saturating_add(fresh_ns));
        Ok(())
    }

    /// Records why a query failed. The last counters stay; they turn stale in their time, or now if `expired`.
    #[pyo3(signature = (why, *, expired=false))]
    fn failed(&self, why: String, expired: bool) {
        self.0.failed(why, expired);
    }

    /// Records why the VMM may not be queried: the row is `unsupported` until counters come after all.
    fn refused(&self, why: String) {
        self.0.refused(why);
    }

    /// Discards the counters: another run of the VMM is queried from now on, and it counts from 0.
    fn restarted(&self) {
        self.0.restarted();
    }

    /// Why the newest query has no answer.
    #[getter]
    fn problem(&self) -> Option<String> {
        self.0.problem()
    }

    fn __repr__(&self) -> String {
        format!("<LatestStats of {}>", self.0.client())
    }
}
