//! Names and paths of the kernel as Python's text: UTF-8 whatever the locale, and a lone surrogate for any other byte.
//!
//! PyO3's own conversions of `PathBuf` and `OsString` take the encoding of the locale. In one that is not UTF-8 two
//! interfaces could get one name, and the path of a disk could be an exception.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

#[derive(Clone, Default)]
pub(crate) struct KernelText(OsString);

impl KernelText {
    pub(crate) fn new(text: impl Into<OsString>) -> KernelText {
        KernelText(text.into())
    }

    pub(crate) fn into_inner(self) -> OsString {
        self.0
    }
}

impl AsRef<Path> for KernelText {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromPyObject<'_, '_> for KernelText {
    type Error = PyErr;

    /// From a str or a path-like object. No file has the name of a surrogate that stands for no byte.
    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<KernelText> {
        let py = given.py();
        let text = match given.cast::<PyString>() {
            Ok(text) => text.to_owned(),
            Err(_) => py.import(intern!(py, "os"))?.call_method1(intern!(py, "fspath"), (given,))?.cast_into()?,
        };
        if let Ok(utf8) = text.to_str() {
            return Ok(KernelText(utf8.into()));
        }
        let encode = |errors| text.call_method1(intern!(py, "encode"), ("utf-8", errors));
        let bytes = match encode("surrogateescape") {
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => encode("surrogatepass")?,
            other => other?,
        };
        Ok(KernelText(OsString::from_vec(bytes.extract()?)))
    }
}

impl<'py> IntoPyObject<'py> for KernelText {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        match self.0.to_str() {
            Some(text) => Ok(PyString::new(py, text)),
            None => decoded(py, &self.0),
        }
    }
}

fn decoded<'py>(py: Python<'py>, text: &OsStr) -> PyResult<Bound<'py, PyString>> {
    let bytes = PyBytes::new(py, text.as_bytes());
    Ok(bytes.call_method1(intern!(py, "decode"), ("utf-8", "surrogateescape"))?.cast_into()?)
}
