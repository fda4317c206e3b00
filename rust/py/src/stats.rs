//! BlockStats and InterfaceStats: one row's struct, which compares and unpacks like the tuple of its fields.

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyTuple, PyType};
use vmiostat_core::error::Error;
use vmiostat_core::fields::{Table, WORD, block, interface};
use vmiostat_core::state::State;

use crate::buffer::{Exported, Memory, export};
use crate::error::CoreError;
use crate::struct_size::StructSize;
use crate::tuple_like::{as_dict, compared, reversed};

/// A field's value in Python: a number, or the word of a state.
#[derive(IntoPyObject)]
enum Value {
    Number(i64),
    Word(&'static str),
}

/// A struct of `size` bytes; what follows them in the record is unused.
struct Struct<T: Table> {
    record: T::Record,
    size: usize,
    shape: [isize; 1],
}

impl<T: Table> Struct<T> {
    fn new(bytes: &[u8]) -> Result<Struct<T>, CoreError> {
        let size = bytes.len();
        if size > T::SIZE {
            return Err(Error::Size { requested: size, limit: T::SIZE }.into());
        }
        let mut record = T::UNKNOWN;
        bytemuck::cast_slice_mut(record.as_mut())[..size].copy_from_slice(bytes);
        Ok(Struct { record, size, shape: [size as isize] })
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(self.record.as_ref())[..self.size]
    }

    /// The whole fields.
    fn words(&self) -> &[i64] {
        &self.record.as_ref()[..self.size / WORD]
    }

    fn value(&self, word: usize) -> PyResult<Value> {
        let Some(number) = self.words().get(word).copied() else {
            let field = &T::FIELDS[word];
            return Err(PyAttributeError::new_err(format!(
                "'{}' stands in bytes {} to {} of the struct, and this one was cut to {} bytes",
                field.name,
                field.offset,
                field.offset + WORD,
                self.size
            )));
        };
        match State::from_word(number).filter(|_| word == T::STATE) {
            Some(state) => Ok(Value::Word(state.word())),
            None => Ok(Value::Number(number)),
        }
    }

    fn tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.words())
    }

    fn repr(&self, class: &str) -> String {
        let shown = |(word, number): (usize, &i64)| match self.value(word) {
            Ok(Value::Word(state)) => format!("{}='{state}'", T::FIELDS[word].name),
            _ => format!("{}={number}", T::FIELDS[word].name),
        };
        let fields: Vec<String> = self.words().iter().enumerate().map(shown).collect();
        format!("{class}({})", fields.join(", "))
    }
}

/// The doc of an attribute. The field table describes the number in the struct.
macro_rules! attribute_help {
    (state, $help:literal) => {
        "A word of STATES; in the tuple, the bytes and the arrays it is that word's number."
    };
    ($name:ident, $help:literal) => {
        $help
    };
}

macro_rules! stats_class {
    ($class:ident $module:ident, $($name:ident $version:literal $kind:ident $unit:ident $column:expr, $help:literal;)+) => {
        #[doc = concat!("The counters of one ", stringify!($module), " row: a struct that compares and unpacks like the tuple of its fields.")]
        ///
        /// A field is -1 where its source does not count it. A field that `size` cuts off raises AttributeError.
        ///
        /// Examples
        /// --------
        /// >>> import struct
        #[doc = concat!(">>> from vmiostat import ", stringify!($class))]
        #[doc = concat!(">>> stats = ", stringify!($class), ".from_bytes(struct.pack(\"3q\", 4, 2048, -1))")]
        /// >>> len(stats), stats[1], tuple(stats) == stats, stats.size
        /// (3, 2048, True, 24)
        #[pyclass(module = "vmiostat._core", frozen)]
        pub(crate) struct $class(Struct<$module::Table>);

        impl $class {
            /// A row of a table that was read.
            pub(crate) fn of(bytes: &[u8]) -> Result<$class, CoreError> {
                Struct::new(bytes).map($class)
            }
        }

        #[pymethods]
        impl $class {
            /// Bytes of the newest struct.
            #[classattr]
            const SIZE: usize = $module::SIZE;
            /// Bytes of version 1, libvirt's struct.
            #[classattr]
            const V1_SIZE: usize = $module::V1_SIZE;

            /// A struct from its first bytes, as `poll_into` wrote them.
            ///
            /// Parameters
            /// ----------
            /// data : bytes-like
            ///     0 to `SIZE` bytes.
            ///
            /// Raises
            /// ------
            /// SizeError
            ///     There are more bytes than the newest struct has.
            #[classmethod]
            fn from_bytes(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<$class> {
                Ok($class::of(Memory::readable(data)?.bytes())?)
            }

            $(#[doc = attribute_help!($name, $help)]
            #[getter]
            fn $name(&self) -> PyResult<Value> {
                self.0.value($module::$name)
            })+

            /// The names of the newest struct's fields, in their order.
            #[classattr]
            fn _fields(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, $module::FIELDS.iter().map(|field| field.name))
            }

            /// The whole fields by name, ready for JSON; `state` is its word.
            fn _asdict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let whole = $module::FIELDS.iter().take(self.0.words().len());
                let values: Vec<_> = whole.map(|field| Ok((field.name, self.0.value(field.word())?))).collect::<PyResult<_>>()?;
                as_dict(py, values.into_iter())
            }

            /// The bytes of this struct.
            #[getter]
            fn size(&self) -> usize {
                self.0.size
            }

            /// The first bytes of this struct: what a client has that was compiled for an older version.
            ///
            /// Parameters
            /// ----------
            /// size : int
            ///     0 to `SIZE`, also one that cuts a field. A struct with fewer bytes is returned whole.
            ///
            /// Raises
            /// ------
            /// SizeError
            ///     No version of the struct has such a size.
            fn cut(&self, size: StructSize) -> Result<$class, CoreError> {
                let StructSize(size) = size;
                if size > $module::SIZE {
                    return Err(Error::Size { requested: size, limit: $module::SIZE }.into());
                }
                $class::of(&self.0.bytes()[..self.0.size.min(size)])
            }

            /// The fields of libvirt's struct: the tuple that libvirt-python returns.
            #[getter]
            fn v1(&self) -> Result<$class, CoreError> {
                self.cut(StructSize($module::V1_SIZE))
            }

            /// The same counters with the names and units of psutil; see vmiostat.psutil_compat.
            fn as_psutil<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                slf.py().import("vmiostat.psutil_compat")?.call_method1("as_psutil", (slf,))
            }

            fn __len__(&self) -> usize {
                self.0.words().len()
            }

            fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
                self.0.tuple(py)?.try_iter()
            }

            fn __reversed__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
                reversed(&self.0.tuple(py)?)
            }

            fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                self.0.tuple(index.py())?.as_any().get_item(index)
            }

            fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
                let py = other.py();
                let tuple = other.cast::<$class>().ok().map(|other| other.get().0.tuple(py)).transpose()?;
                compared(&self.0.tuple(py)?, tuple, other, op)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
                self.0.tuple(py)?.hash()
            }

            fn __repr__(&self) -> String {
                self.0.repr(stringify!($class))
            }

            fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
                PyBytes::new(py, self.0.bytes())
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
                let bytes = slf.get().__bytes__(slf.py());
                Ok((slf.get_type().getattr("from_bytes")?, (bytes,)))
            }

            #[allow(unsafe_code)]
            unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: std::ffi::c_int) -> PyResult<()> {
                let own = &slf.get().0;
                let bytes = Exported { bytes: own.bytes(), format: c"B", shape: &own.shape, strides: &[1] };
                // SAFETY: Python's own view; the bytes are this frozen object's.
                unsafe { export(slf, &bytes, view, flags) }
            }
        }
    };
}

macro_rules! block_stats_class {
    ($($rows:tt)*) => { stats_class! { BlockStats block, $($rows)* } };
}

macro_rules! interface_stats_class {
    ($($rows:tt)*) => { stats_class! { InterfaceStats interface, $($rows)* } };
}

vmiostat_core::block_fields!(block_stats_class);
vmiostat_core::interface_fields!(interface_stats_class);

/// The format of a table's structs in PEP 3118's words, from which numpy makes a dtype with names.
pub(crate) fn struct_format(words: impl Iterator<Item = (char, &'static str)>) -> std::ffi::CString {
    let members: String = words.map(|(kind, name)| format!("{kind}:{name}:")).collect();
    // `=`: numpy parses standard sizes in half the time that it takes for native ones, which may be padded.
    std::ffi::CString::new(format!("T{{={members}}}")).unwrap_or_default()
}
