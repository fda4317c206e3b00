//! What a poll does, source by source.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use vmiostat_core::Explanation;
use vmiostat_core::poller::Kind;

/// What one source reads in a poll, and why it was chosen.
#[pyclass(name = "Explanation", module = "vmiostat._core", frozen, get_all)]
#[derive(PartialEq)]
pub(crate) struct PyExplanation {
    /// The table that it fills: "block" or "interface".
    kind: &'static str,
    /// What is read.
    source: String,
    /// The number of rows that it fills.
    rows: usize,
    /// The number of system calls in a poll.
    system_calls: usize,
    /// Why it was chosen.
    why: String,
}

impl From<(Kind, Explanation)> for PyExplanation {
    fn from((kind, explanation): (Kind, Explanation)) -> PyExplanation {
        let Explanation { source, rows, system_calls, why } = explanation;
        PyExplanation { kind: word(kind), source, rows, system_calls, why }
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Block => "block",
        Kind::Interface => "interface",
    }
}

/// Which of the two tables a word names.
pub(super) fn kind_of(word: &str) -> PyResult<Kind> {
    match word {
        "block" => Ok(Kind::Block),
        "interface" => Ok(Kind::Interface),
        other => Err(PyValueError::new_err(format!("kind is 'block' or 'interface', not '{other}'"))),
    }
}

#[pymethods]
impl PyExplanation {
    fn __repr__(&self) -> String {
        let PyExplanation { kind, source, rows, system_calls, why } = self;
        format!("Explanation({kind}: {rows} rows from {source} by {system_calls} system calls; {why})")
    }

    fn __eq__(&self, other: &PyExplanation) -> bool {
        self == other
    }

    #[staticmethod]
    fn _from_parts(
        kind: &str,
        source: String,
        rows: usize,
        system_calls: usize,
        why: String,
    ) -> PyResult<PyExplanation> {
        Ok(PyExplanation { kind: word(kind_of(kind)?), source, rows, system_calls, why })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let PyExplanation { kind, source, rows, system_calls, why } = slf.get();
        Ok((slf.get_type().getattr("_from_parts")?, (kind, source, rows, system_calls, why).into_pyobject(slf.py())?))
    }
}
