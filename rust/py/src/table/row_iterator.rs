//! Goes through the rows of any of our tables, from either end.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

#[pyclass(module = "vmiostat._core", frozen)]
pub(crate) struct RowIterator {
    table: Py<PyAny>,
    rows: usize,
    reversed: bool,
    passed: AtomicUsize,
}

impl RowIterator {
    pub(crate) fn over(table: &Bound<'_, PyAny>, reversed: bool) -> PyResult<RowIterator> {
        let (rows, table) = (table.len()?, table.clone().unbind());
        Ok(RowIterator { table, rows, reversed, passed: AtomicUsize::new(0) })
    }
}

#[pymethods]
impl RowIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let passed = self.passed.fetch_add(1, Ordering::Relaxed);
        if passed >= self.rows {
            return Ok(None);
        }
        let row = if self.reversed { self.rows - 1 - passed } else { passed };
        self.table.bind(py).get_item(row).map(Some)
    }

    /// What list() makes room for.
    fn __length_hint__(&self) -> usize {
        self.rows.saturating_sub(self.passed.load(Ordering::Relaxed))
    }
}
