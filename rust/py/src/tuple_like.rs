//! What lets a row compare and unpack like the tuple of its fields.

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyTuple};

/// A row's `own` tuple compared with another row's, which is in `row`, or with `other` if that is a tuple.
pub(crate) fn compared<'py>(
    own: &Bound<'py, PyTuple>,
    row: Option<Bound<'py, PyTuple>>,
    other: &Bound<'py, PyAny>,
    op: CompareOp,
) -> PyResult<Bound<'py, PyAny>> {
    match row {
        Some(row) => own.rich_compare(row, op),
        None if other.is_instance_of::<PyTuple>() => own.rich_compare(other, op),
        None => Ok(other.py().NotImplemented().into_bound(other.py())),
    }
}

/// The values from the last to the first.
pub(crate) fn reversed<'py>(own: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyIterator>> {
    let values = own.to_list();
    values.reverse()?;
    values.try_iter()
}

/// The values by their names.
pub(crate) fn as_dict<'py>(
    py: Python<'py>,
    values: impl Iterator<Item = (&'static str, impl IntoPyObject<'py>)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in values {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}
