//! Arrow's C data interface, in the capsules in which Python hands it to another library.
//!
//! A capsule owns its struct until a consumer moves it out, which clears `release`. The last owner calls `release`, in
//! any thread; nothing in the struct belongs to Python.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::mem;
use std::ptr;

use arrow_data::ArrayData;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, Schema};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rustix::io::Errno;

pub(crate) fn schema<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowSchema::try_from(schema).map_err(failed)?, c"arrow_schema")
}

pub(crate) fn array<'py>(py: Python<'py>, array: &ArrayData) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArray::new(array), c"arrow_array")
}

/// A stream of one array.
pub(crate) fn stream<'py>(
    py: Python<'py>,
    schema: &'static Schema,
    array: &ArrayData,
) -> PyResult<Bound<'py, PyCapsule>> {
    let private_data = Box::into_raw(Box::new(Left { schema, array: FFI_ArrowArray::new(array) }));
    let stream = ArrowArrayStream { get_schema, get_next, get_last_error, release: Some(release), private_data };
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

pub(crate) fn failed(error: ArrowError) -> PyErr {
    match error {
        ArrowError::MemoryError(why) => PyMemoryError::new_err(why),
        error => PyValueError::new_err(error.to_string()),
    }
}

/// `struct ArrowArrayStream` of Arrow's C stream interface.
#[repr(C)]
struct ArrowArrayStream {
    get_schema: unsafe extern "C" fn(*mut ArrowArrayStream, *mut FFI_ArrowSchema) -> c_int,
    get_next: unsafe extern "C" fn(*mut ArrowArrayStream, *mut FFI_ArrowArray) -> c_int,
    get_last_error: unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char,
    release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    private_data: *mut Left,
}

/// What a stream has left.
struct Left {
    schema: &'static Schema,
    /// Released once it was handed out, which also means the end of the stream.
    array: FFI_ArrowArray,
}

// SAFETY: the stream owns `private_data`, and what it points to can be sent.
unsafe impl Send for ArrowArrayStream {}

impl Drop for ArrowArrayStream {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: it was neither released nor moved out.
            unsafe { release(self) }
        }
    }
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut FFI_ArrowSchema) -> c_int {
    // SAFETY: the caller passes a stream that is not released, and memory for a schema, which may be uninitialized.
    unsafe {
        match FFI_ArrowSchema::try_from((*(*stream).private_data).schema) {
            Ok(schema) => out.write(schema),
            Err(_) => return Errno::INVAL.raw_os_error(),
        }
    }
    0
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut FFI_ArrowArray) -> c_int {
    // SAFETY: as above; a stream is not used by two threads at once.
    unsafe { out.write(mem::replace(&mut (*(*stream).private_data).array, FFI_ArrowArray::empty())) }
    0
}

/// The error number says it all.
unsafe extern "C" fn get_last_error(_stream: *mut ArrowArrayStream) -> *const c_char {
    ptr::null()
}

unsafe extern "C" fn release(stream: *mut ArrowArrayStream) {
    // SAFETY: called once, on a stream that is not released, which owns the box that `stream` made.
    unsafe {
        drop(Box::from_raw((*stream).private_data));
        (*stream).release = None;
    }
}
