//! Python's buffer protocol (PEP 3118): our arrays on their memory, and a caller's memory to write into.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use pyo3::PyClass;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Read-only memory that a frozen object owns, and what it is an array of.
pub(crate) struct Exported<'object> {
    pub(crate) bytes: &'object [u8],
    /// In the struct module's words, with PEP 3118's `T{...}` for structs.
    pub(crate) format: &'static CStr,
    /// How many items, and bytes an item. In the object itself: a view keeps pointers to them.
    pub(crate) shape: &'object [isize; 1],
    pub(crate) strides: &'object [isize; 1],
}

/// Fills a view of the owner's memory.
///
/// # Safety
/// `view` is the one that Python gave to `__getbuffer__`; `exported` borrows from `owner`, which is frozen.
pub(crate) unsafe fn export<T: PyClass>(
    owner: &Bound<'_, T>,
    exported: &Exported<'_>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("no view to fill"));
    }
    if flags & ffi::PyBUF_WRITABLE != 0 {
        // SAFETY: view is not null; a failed export leaves no object in it.
        unsafe { (*view).obj = ptr::null_mut() };
        return Err(PyBufferError::new_err("counters that were read are not to be written"));
    }
    let wants = |flag: c_int| flags & flag == flag;
    let pointer_if = |wanted: bool, pointer: *mut isize| if wanted { pointer } else { ptr::null_mut() };
    // SAFETY: the pointers lead into the owner, which the view keeps alive and which, being frozen, never moves or changes.
    unsafe {
        (*view).buf = exported.bytes.as_ptr().cast_mut().cast::<c_void>();
        (*view).len = exported.bytes.len() as isize;
        (*view).readonly = 1;
        (*view).itemsize = exported.strides[0];
        (*view).format = if wants(ffi::PyBUF_FORMAT) { exported.format.as_ptr().cast_mut() } else { ptr::null_mut() };
        (*view).ndim = 1;
        (*view).shape = pointer_if(wants(ffi::PyBUF_ND), exported.shape.as_ptr().cast_mut());
        (*view).strides = pointer_if(wants(ffi::PyBUF_STRIDES), exported.strides.as_ptr().cast_mut());
        (*view).suboffsets = ptr::null_mut();
        (*view).internal = ptr::null_mut();
        (*view).obj = owner.clone().into_any().into_ptr();
    }
    Ok(())
}

/// Memory of the caller's, held for as long as this lives. On the stack, so that taking it allocates nothing.
pub(crate) struct Memory(ffi::Py_buffer);

// SAFETY: the view is only a pointer and a length; it is released by whoever holds the interpreter (see `drop`).
unsafe impl Send for Memory {}

impl Memory {
    /// The bytes of an object that can be read.
    pub(crate) fn readable(object: &Bound<'_, PyAny>) -> PyResult<Memory> {
        Memory::take(object, ffi::PyBUF_SIMPLE)
    }

    /// The bytes of an object that can be written: a bytearray, a numpy array, an mmap.
    pub(crate) fn writable(object: &Bound<'_, PyAny>) -> PyResult<Memory> {
        Memory::take(object, ffi::PyBUF_WRITABLE)
    }

    fn take(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Memory> {
        let mut view = ffi::Py_buffer::new();
        // SAFETY: the view is ours, and is released exactly once, in `drop`, if this succeeds.
        match unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut view, flags) } {
            0 => Ok(Memory(view)),
            _ => Err(PyErr::fetch(object.py())),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a simple view is `len` contiguous bytes that its object keeps where they are.
        unsafe { std::slice::from_raw_parts(self.0.buf.cast::<u8>(), self.0.len as usize) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.0.readonly != 0 {
            return &mut [];
        }
        // SAFETY: as above, and the object said that its bytes may be written. Whoever shares them across threads sees
        // them change, as with any buffer (readinto, recv_into).
        unsafe { std::slice::from_raw_parts_mut(self.0.buf.cast::<u8>(), self.0.len as usize) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: taken in `take`, and every Memory lives within one call from Python, attached when it ends.
        unsafe { ffi::PyBuffer_Release(&raw mut self.0) }
    }
}
