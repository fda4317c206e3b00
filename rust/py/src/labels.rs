//! The names of a table's rows: what Python looks rows up by, and what no source knows.

use std::sync::Arc;

use arrow_data::ArrayData;
use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::arrow::words;

/// (domain, device) of each row. Any string is one: a name may hold bytes that are no UTF-8 (surrogate escapes).
pub(crate) struct Labels {
    pub(crate) domains: Py<PyTuple>,
    pub(crate) devices: Py<PyTuple>,
    rows: Py<PyDict>,
    count: usize,
    /// The names as Arrow columns, made when first asked for: all samples of a plan share them.
    columns: PyOnceLock<[ArrayData; 2]>,
}

impl Labels {
    pub(crate) fn new<'py>(
        py: Python<'py>,
        names: impl Iterator<Item = (Bound<'py, PyString>, Bound<'py, PyString>)>,
    ) -> PyResult<Arc<Labels>> {
        let (domains, devices): (Vec<_>, Vec<_>) = names.unzip();
        let rows = PyDict::new(py);
        for (row, (domain, device)) in domains.iter().zip(&devices).enumerate() {
            // Of two rows of one name the first is found, as libvirt does.
            if !rows.contains((domain, device))? {
                rows.set_item((domain, device), row)?;
            }
        }
        let count = domains.len();
        let (domains, devices) = (PyTuple::new(py, domains)?, PyTuple::new(py, devices)?);
        let (domains, devices, rows) = (domains.unbind(), devices.unbind(), rows.unbind());
        Ok(Arc::new(Labels { domains, devices, rows, count, columns: PyOnceLock::new() }))
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The domains' and the devices' names as Arrow dictionary columns.
    pub(crate) fn columns(&self, py: Python<'_>) -> PyResult<&[ArrayData; 2]> {
        self.columns
            .get_or_try_init(py, || Ok([words::names(self.domains.bind(py))?, words::names(self.devices.bind(py))?]))
    }

    /// The row of an index (negative: from the end) or of a (domain, device).
    pub(crate) fn row(&self, index: &Bound<'_, PyAny>) -> PyResult<usize> {
        if index.is_instance_of::<PyTuple>() {
            return match self.rows.bind(index.py()).get_item(index)? {
                Some(row) => row.extract(),
                None => Err(PyKeyError::new_err(index.clone().unbind())),
            };
        }
        let asked: isize = index.extract()?;
        let from_start = if asked < 0 { asked + self.count as isize } else { asked };
        usize::try_from(from_start)
            .ok()
            .filter(|row| *row < self.count)
            .ok_or_else(|| PyIndexError::new_err(format!("no row {asked}: there are {}", self.count)))
    }

    /// For each row, the row of the same name in the other table.
    pub(crate) fn rows_in(&self, py: Python<'_>, other: &Labels) -> PyResult<Vec<Option<usize>>> {
        let names = self.domains.bind(py).iter().zip(self.devices.bind(py).iter());
        names.map(|name| other.rows.bind(py).get_item(name)?.map(|row| row.extract()).transpose()).collect()
    }
}

/// Goes through the rows of any of our tables.
#[pyclass(module = "vmiostat._core", frozen)]
pub(crate) struct RowIterator {
    table: Py<PyAny>,
    next: std::sync::atomic::AtomicUsize,
}

impl RowIterator {
    pub(crate) fn over(table: Py<PyAny>) -> RowIterator {
        RowIterator { table, next: std::sync::atomic::AtomicUsize::new(0) }
    }
}

#[pymethods]
impl RowIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let row = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let table = self.table.bind(py);
        if row < table.len()? { table.get_item(row).map(Some) } else { Ok(None) }
    }
}
