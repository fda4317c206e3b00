//! The size of a struct that a caller requests. A number that is no size at all is a SizeError, too.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::error::SizeError;

#[derive(Clone, Copy)]
pub(crate) struct StructSize(pub(crate) usize);

impl FromPyObject<'_, '_> for StructSize {
    type Error = PyErr;

    fn extract(requested: Borrowed<'_, '_, PyAny>) -> PyResult<StructSize> {
        requested.extract().map(StructSize).map_err(|error| {
            match error.is_instance_of::<PyOverflowError>(requested.py()) {
                true => SizeError::new_err(format!("no struct has a size of {} bytes", *requested)),
                false => error,
            }
        })
    }
}
