//! What a table's rows are called: what Python looks rows up by, and what no source knows.

use std::sync::Arc;

use arrow_data::ArrayData;
use arrow_schema::DataType;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PySlice, PyString, PyTuple};

use crate::arrow::capsule::failed;
use crate::arrow::dictionary;
use crate::table::row_kind::RowKind;

/// Domain, device and kind of each row. Any string is a name: it may hold bytes that are no UTF-8 (surrogate escapes).
pub(crate) struct Labels {
    pub(crate) domains: Py<PyTuple>,
    pub(crate) devices: Py<PyTuple>,
    pub(crate) kinds: Py<PyTuple>,
    /// (domain, device) to the row; made when a row is looked up.
    rows: PyOnceLock<Py<PyDict>>,
    /// The labels as Arrow columns; made when they are asked for.
    columns: PyOnceLock<[ArrayData; 3]>,
}

pub(crate) type Name<'py> = Bound<'py, PyString>;

impl Labels {
    pub(crate) fn new<'py>(py: Python<'py>, rows: &[(Name<'py>, Name<'py>, RowKind)]) -> PyResult<Arc<Labels>> {
        let words = RowKind::ALL.map(|kind| PyString::intern(py, kind.word()));
        let domains = PyTuple::new(py, rows.iter().map(|(domain, ..)| domain))?;
        let devices = PyTuple::new(py, rows.iter().map(|(_, device, _)| device))?;
        let kinds = PyTuple::new(py, rows.iter().map(|(.., kind)| &words[*kind as usize]))?;
        Ok(Labels::of(domains, devices, kinds))
    }

    fn of(domains: Bound<'_, PyTuple>, devices: Bound<'_, PyTuple>, kinds: Bound<'_, PyTuple>) -> Arc<Labels> {
        let (domains, devices, kinds) = (domains.unbind(), devices.unbind(), kinds.unbind());
        Arc::new(Labels { domains, devices, kinds, rows: PyOnceLock::new(), columns: PyOnceLock::new() })
    }

    /// Of a table that was pickled.
    pub(crate) fn unpickled(
        domains: Bound<'_, PyTuple>,
        devices: Bound<'_, PyTuple>,
        kinds: Bound<'_, PyTuple>,
    ) -> PyResult<Arc<Labels>> {
        if domains.len() != devices.len() || domains.len() != kinds.len() {
            return Err(PyValueError::new_err("a table has a domain, a device and a kind for each row"));
        }
        for name in domains.iter().chain(devices.iter()) {
            name.cast::<PyString>()?;
        }
        for kind in &kinds {
            RowKind::from_word(kind.extract()?)?;
        }
        Ok(Labels::of(domains, devices, kinds))
    }

    /// Of a slice of the rows.
    pub(crate) fn sliced(&self, slice: &Bound<'_, PySlice>) -> PyResult<Arc<Labels>> {
        let part =
            |labels: &Py<PyTuple>| Ok::<_, PyErr>(labels.bind(slice.py()).as_any().get_item(slice)?.cast_into()?);
        Ok(Labels::of(part(&self.domains)?, part(&self.devices)?, part(&self.kinds)?))
    }

    pub(crate) fn count(&self, py: Python<'_>) -> usize {
        self.domains.bind(py).len()
    }

    pub(crate) fn equal(&self, py: Python<'_>, other: &Labels) -> PyResult<bool> {
        let equal = |one: &Py<PyTuple>, other: &Py<PyTuple>| one.bind(py).eq(other.bind(py));
        Ok(equal(&self.domains, &other.domains)?
            && equal(&self.devices, &other.devices)?
            && equal(&self.kinds, &other.kinds)?)
    }

    /// (domain, device) of a row.
    pub(crate) fn name<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, [self.domains.bind(py).get_item(row)?, self.devices.bind(py).get_item(row)?])
    }

    /// The row of a (domain, device): of two rows of one name the first, as libvirt does.
    pub(crate) fn named(&self, name: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let py = name.py();
        let rows = self.rows.get_or_try_init(py, || {
            let rows = PyDict::new(py);
            for row in (0..self.count(py)).rev() {
                rows.set_item(self.name(py, row)?, row)?;
            }
            Ok::<_, PyErr>(rows.unbind())
        })?;
        rows.bind(py).get_item(name)?.map(|row| row.extract()).transpose()
    }

    /// The row of an index (negative: from the end) or of a (domain, device).
    pub(crate) fn row(&self, index: &Bound<'_, PyAny>) -> PyResult<usize> {
        if index.is_instance_of::<PyTuple>() {
            return self.named(index)?.ok_or_else(|| PyKeyError::new_err(index.clone().unbind()));
        }
        let (asked, count): (isize, _) = (index.extract()?, self.count(index.py()));
        let from_start = if asked < 0 { asked + count as isize } else { asked };
        usize::try_from(from_start)
            .ok()
            .filter(|row| *row < count)
            .ok_or_else(|| PyIndexError::new_err(format!("no row {asked}: there are {count}")))
    }

    /// Domain, device and kind as Arrow dictionary columns: all samples of a plan share them.
    pub(crate) fn columns(&self, py: Python<'_>) -> PyResult<&[ArrayData; 3]> {
        self.columns.get_or_try_init(py, || {
            let keys = self.kinds.bind(py).iter().map(|kind| Ok(RowKind::from_word(kind.extract()?)? as i8));
            let keys: Vec<i8> = keys.collect::<PyResult<_>>()?;
            let words = dictionary::texts(RowKind::ALL.map(RowKind::word));
            let kinds = words.and_then(|words| dictionary::by_key(&dictionary::data_type(DataType::Int8), keys, words));
            let [domains, devices] = [&self.domains, &self.devices].map(|names| dictionary::names(names.bind(py)));
            Ok([domains?, devices?, kinds.map_err(failed)?])
        })
    }
}
