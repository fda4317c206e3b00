//! Python's buffer protocol (PEP 3118): tables export their memory, and polls write into memory of the caller.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use pyo3::PyClass;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// The memory of a frozen object as an array, read-only.
pub(crate) struct Exported<'object> {
    pub(crate) bytes: &'object [u8],
    /// The type of an item, as the struct module writes it, with PEP 3118's `T{...}` for structs.
    pub(crate) format: &'static CStr,
    /// The number of items, and the bytes of one. Both are in the object, since a view keeps pointers to them.
    pub(crate) shape: &'object [isize; 1],
    pub(crate) strides: &'object [isize; 1],
}

/// Fills a view of the memory of `owner`.
///
/// # Safety
/// `view` is the argument of `__getbuffer__`; `exported` borrows from `owner`, which is frozen.
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
        return Err(PyBufferError::new_err("these counters are read-only"));
    }
    let wants = |flag: c_int| flags & flag == flag;
    let pointer_if = |wanted: bool, pointer: *mut isize| if wanted { pointer } else { ptr::null_mut() };
    // SAFETY: the pointers lead into the owner, which the view keeps alive, and which is frozen: it never changes.
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

/// Memory of the caller, held until this is dropped. The view is on the stack, so that nothing is allocated.
pub(crate) struct Memory(ffi::Py_buffer);

// SAFETY: the view is only a pointer and a length; it is released in a thread that is attached to Python (see `drop`).
unsafe impl Send for Memory {}

impl Memory {
    /// The bytes of a readable object.
    pub(crate) fn readable(object: &Bound<'_, PyAny>) -> PyResult<Memory> {
        Memory::take(object, ffi::PyBUF_SIMPLE)
    }

    /// The bytes of a writable object: a bytearray, a numpy array, an mmap.
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

    /// Whether a byte belongs to both.
    pub(crate) fn overlaps(&self, other: &Memory) -> bool {
        let range = |view: &ffi::Py_buffer| view.buf.addr()..view.buf.addr() + view.len as usize;
        let (own, other) = (range(&self.0), range(&other.0));
        own.start.max(other.start) < own.end.min(other.end)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // An empty object may have no memory, and no slice may have a null pointer.
        if self.0.buf.is_null() {
            return &[];
        }
        // SAFETY: a simple view is `len` contiguous bytes, which its object does not move while it is exported.
        unsafe { std::slice::from_raw_parts(self.0.buf.cast::<u8>(), self.0.len as usize) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.0.readonly != 0 || self.0.buf.is_null() {
            return &mut [];
        }
        // SAFETY: as above, and the object has declared its bytes writable. Another thread that reads them sees them
        // change, as with readinto or recv_into.
        unsafe { std::slice::from_raw_parts_mut(self.0.buf.cast::<u8>(), self.0.len as usize) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the view is from `take`. A Memory lives within one call from Python, which is attached when it ends.
        unsafe { ffi::PyBuffer_Release(&raw mut self.0) }
    }
}
