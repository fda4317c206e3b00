//! Where an asker hands over what a VMM answered; a poller whose plan has it reads it.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use vmiostat_core::fields::{Kind, Table, block};
use vmiostat_core::latest_stats::Report;

/// One disk's newest answer. `asker` says in messages who is asked, and where.
#[pyclass(name = "Report", module = "vmiostat._core", frozen)]
pub(crate) struct PyReport(pub(crate) Arc<Report>);

#[pymethods]
impl PyReport {
    #[new]
    fn new(asker: String) -> PyReport {
        PyReport(Arc::new(Report::new(asker)))
    }

    #[getter]
    fn asker(&self) -> &str {
        self.0.asker()
    }

    /// Hands an answer over: the counters at `time_ns` by their names in the field table, -1 for those that are left out.
    ///
    /// It is fresh for `fresh_ns` from then on. Raises TypeError for a name that is no counter or gauge of a block device.
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

    /// Says why there is no newer answer. The last one stays, and turns stale when its time has passed, or now if it `expired`.
    #[pyo3(signature = (why, *, expired=false))]
    fn failed(&self, why: String, expired: bool) {
        self.0.failed(why, expired);
    }

    /// Says that nothing may be asked: the row is `unsupported` from now on.
    fn refused(&self, why: String) {
        self.0.refused(why);
    }

    /// Says that another run of the VMM is asked from now on, whose counters start anew.
    fn restarted(&self) {
        self.0.restarted();
    }

    /// Why the newest question has no answer.
    #[getter]
    fn problem(&self) -> Option<String> {
        self.0.problem()
    }

    fn __repr__(&self) -> String {
        format!("<Report of {}>", self.0.asker())
    }
}
