//! The errors of the core as classes of vmiostat.errors.

use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use vmiostat_core::error::Error;

use crate::kernel_text::KernelText;

import_exception!(vmiostat.errors, SizeError);
import_exception!(vmiostat.errors, SourceError);

/// An error that can cross into Python with `?`.
pub(crate) struct CoreError(Error);

impl From<Error> for CoreError {
    fn from(error: Error) -> CoreError {
        CoreError(error)
    }
}

impl From<CoreError> for PyErr {
    fn from(CoreError(error): CoreError) -> PyErr {
        let text = error.to_string();
        match error {
            // The arguments of OSError: errno, text, filename.
            Error::Read { path, errno } => {
                let why = std::io::Error::from(errno).to_string();
                let why = why.split(" (os error").next().unwrap_or(&why).to_owned();
                SourceError::new_err((errno.raw_os_error(), why, KernelText::new(path)))
            }
            Error::Memory { .. } => PyMemoryError::new_err(text),
            // A ValueError, like the use of a closed poller.
            Error::Forked | Error::TakenOver | Error::TwoPollers => PyValueError::new_err(text),
            Error::Malformed { .. } | Error::Unanswered { .. } => SourceError::new_err(text),
            Error::Size { .. } | Error::Buffer { .. } => SizeError::new_err(text),
        }
    }
}
