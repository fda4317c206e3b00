//! The size of a struct that a caller asks for: one that no memory has is as wrong as one that no version has.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::error::SizeError;

pub(crate) struct StructSize(pub(crate) usize);

impl FromPyObject<'_, '_> for StructSize {
    type Error = PyErr;

    fn extract(asked: Borrowed<'_, '_, PyAny>) -> PyResult<StructSize> {
        asked.extract().map(StructSize).map_err(|error| match error.is_instance_of::<PyOverflowError>(asked.py()) {
            true => SizeError::new_err(format!("no struct has a size of {} bytes", *asked)),
            false => error,
        })
    }
}
