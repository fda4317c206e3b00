//! What every table is to Python: rows of 64-bit words under the labels of a plan, as a sequence that also finds a row by
//! its (domain, device), as a buffer, as Arrow.
//!
//! It has every method of `collections.abc.Sequence` and is not registered there: polars takes a Sequence for a list of
//! objects before it looks for Arrow.

pub(crate) mod labels;
pub(crate) mod row_iterator;
pub(crate) mod row_kind;

use pyo3::exceptions::{PyIndexError, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PySlice, PyString, PyTuple};
use vmiostat_core::fields::WORD;

/// The words of a slice's rows.
pub(crate) fn sliced(words: &[i64], width: usize, slice: &Bound<'_, PySlice>) -> PyResult<Vec<i64>> {
    let chosen = slice.indices((words.len() / width) as isize)?;
    let rows = (0..chosen.slicelength).map(|at| (chosen.start + at as isize * chosen.step) as usize);
    Ok(rows.flat_map(|row| &words[row * width..(row + 1) * width]).copied().collect())
}

/// So many words of bytes that a table was pickled as.
pub(crate) fn words(data: &[u8], count: usize) -> PyResult<Vec<i64>> {
    if data.len() != count * WORD {
        return Err(PyValueError::new_err(format!(
            "{} bytes are not the {count} words of this table's rows",
            data.len()
        )));
    }
    let mut words = vec![0; count];
    bytemuck::cast_slice_mut(&mut words).copy_from_slice(data);
    Ok(words)
}

/// Whether this is a row's (domain, device), and no row: a row equals the tuple of its numbers.
pub(crate) fn is_name(item: &Bound<'_, PyAny>) -> bool {
    item.cast::<PyTuple>()
        .is_ok_and(|item| item.len() == 2 && item.iter().all(|part| part.is_instance_of::<PyString>()))
}

/// The row, or `default` where the error says that there is none.
pub(crate) fn or_default<'py>(
    row: PyResult<Bound<'py, PyAny>>,
    default: Option<Bound<'py, PyAny>>,
    py: Python<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    row.or_else(|error| match error.is_instance_of::<PyKeyError>(py) || error.is_instance_of::<PyIndexError>(py) {
        true => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        false => Err(error),
    })
}

pub(crate) fn not_found(item: &Bound<'_, PyAny>) -> PyErr {
    match item.repr() {
        Ok(repr) => PyValueError::new_err(format!("{repr} is not in this table")),
        Err(error) => error,
    }
}

/// Makes a table's class. `impl $class` beside it says what its words are: `WORDS` a row; `row`, the Python object of one;
/// `format`, the struct in PEP 3118's words; `schema`, the Arrow columns.
macro_rules! table_class {
    ($(#[$doc:meta])+ $class:ident of $row:ident) => {
        $(#[$doc])+
        #[pyclass(module = "vmiostat._core", frozen)]
        pub(crate) struct $class {
            labels: std::sync::Arc<crate::table::labels::Labels>,
            words: Vec<i64>,
            shape: [isize; 1],
        }

        impl $class {
            /// A row for each of the labels.
            pub(crate) fn of(labels: std::sync::Arc<crate::table::labels::Labels>, words: Vec<i64>) -> $class {
                let shape = [(words.len() / $class::WORDS) as isize];
                $class { labels, words, shape }
            }

            fn words_of(&self, row: usize) -> &[i64] {
                &self.words[row * $class::WORDS..(row + 1) * $class::WORDS]
            }

            fn object<'py>(&self, py: Python<'py>, row: usize) -> PyResult<Bound<'py, PyAny>> {
                Ok(Bound::new(py, $class::row(self.words_of(row))?)?.into_any())
            }

            fn is_at(&self, row: usize, item: &Bound<'_, PyAny>) -> PyResult<bool> {
                if crate::table::is_name(item) {
                    return self.labels.name(item.py(), row)?.eq(item);
                }
                self.object(item.py(), row)?.eq(item)
            }

            fn arrow(&self, py: Python<'_>) -> PyResult<crate::arrow::Rows<'_>> {
                let labels = self.labels.columns(py)?;
                Ok(crate::arrow::Rows { schema: $class::schema(), labels, words: &self.words })
            }
        }

        #[pymethods]
        impl $class {
            /// The name of the domain of each row.
            #[getter]
            fn domains(&self, py: Python<'_>) -> Py<pyo3::types::PyTuple> {
                self.labels.domains.clone_ref(py)
            }

            /// The name of the device of each row, within its domain.
            #[getter]
            fn devices(&self, py: Python<'_>) -> Py<pyo3::types::PyTuple> {
                self.labels.devices.clone_ref(py)
            }

            /// The kind of each row: "disk", "interface" or "total". A total is all that a domain reads and writes, and so
            /// counts the I/O of its disks once more.
            #[getter]
            fn kinds(&self, py: Python<'_>) -> Py<pyo3::types::PyTuple> {
                self.labels.kinds.clone_ref(py)
            }

            fn __len__(&self) -> usize {
                self.words.len() / $class::WORDS
            }

            fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                if let Ok(slice) = index.cast::<pyo3::types::PySlice>() {
                    let words = crate::table::sliced(&self.words, $class::WORDS, slice)?;
                    return Ok(Bound::new(index.py(), $class::of(self.labels.sliced(slice)?, words))?.into_any());
                }
                self.object(index.py(), self.labels.row(index)?)
            }

            fn __contains__(&self, item: &Bound<'_, PyAny>) -> PyResult<bool> {
                if crate::table::is_name(item) {
                    return Ok(self.labels.named(item)?.is_some());
                }
                for row in 0..self.__len__() {
                    if self.is_at(row, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }

            fn __iter__(slf: &Bound<'_, Self>) -> PyResult<crate::table::row_iterator::RowIterator> {
                crate::table::row_iterator::RowIterator::over(slf.as_any(), false)
            }

            fn __reversed__(slf: &Bound<'_, Self>) -> PyResult<crate::table::row_iterator::RowIterator> {
                crate::table::row_iterator::RowIterator::over(slf.as_any(), true)
            }

            /// The index of the first row with this (domain, device), or equal to this row.
            ///
            /// Raises
            /// ------
            /// ValueError
            ///     There is no such row between `start` and `stop`.
            #[pyo3(signature = (item, start=0, stop=isize::MAX, /))]
            fn index(&self, item: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
                let range = pyo3::types::PySlice::new(item.py(), start, stop, 1).indices(self.__len__() as isize)?;
                for row in range.start as usize..range.start as usize + range.slicelength {
                    if self.is_at(row, item)? {
                        return Ok(row);
                    }
                }
                Err(crate::table::not_found(item))
            }

            /// The number of rows with this (domain, device), or equal to this row.
            #[pyo3(signature = (item, /))]
            fn count(&self, item: &Bound<'_, PyAny>) -> PyResult<usize> {
                let at = |row| self.is_at(row, item).map(usize::from);
                (0..self.__len__()).map(at).sum()
            }

            /// The row with this (domain, device) or index, or `default` if there is none.
            #[pyo3(signature = (key, default=None, /))]
            fn get<'py>(
                &self,
                key: &Bound<'py, PyAny>,
                default: Option<Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                crate::table::or_default(self.__getitem__(key), default, key.py())
            }

            /// The (domain, device) of each row. If two rows have the same, `table[name]` is the first of them.
            fn keys<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, pyo3::types::PyTuple>>> {
                (0..self.__len__()).map(|row| self.labels.name(py, row)).collect()
            }

            /// The rows, as a list.
            fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
                (0..self.__len__()).map(|row| self.object(py, row)).collect()
            }

            /// The ((domain, device), row) of each row.
            #[allow(clippy::type_complexity)]
            fn items<'py>(
                &self,
                py: Python<'py>,
            ) -> PyResult<Vec<(Bound<'py, pyo3::types::PyTuple>, Bound<'py, PyAny>)>> {
                (0..self.__len__()).map(|row| Ok((self.labels.name(py, row)?, self.object(py, row)?))).collect()
            }

            fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                let Ok(other) = other.cast::<$class>() else { return Ok(py.NotImplemented()) };
                let equal = self.words == other.get().words && self.labels.equal(py, &other.get().labels)?;
                Ok(pyo3::types::PyBool::new(py, equal).to_owned().into_any().unbind())
            }

            fn __repr__(&self) -> String {
                format!("<{} of {} rows>", stringify!($class), self.__len__())
            }

            /// A table of these labels and of the bytes that its buffer had.
            #[staticmethod]
            fn _from_parts(
                domains: Bound<'_, pyo3::types::PyTuple>,
                devices: Bound<'_, pyo3::types::PyTuple>,
                kinds: Bound<'_, pyo3::types::PyTuple>,
                data: &[u8],
            ) -> PyResult<$class> {
                let rows = domains.len();
                let labels = crate::table::labels::Labels::unpickled(domains, devices, kinds)?;
                Ok($class::of(labels, crate::table::words(data, rows * $class::WORDS)?))
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, pyo3::types::PyTuple>)> {
                let (py, own) = (slf.py(), slf.get());
                let data = pyo3::types::PyBytes::new(py, bytemuck::cast_slice(&own.words));
                let parts = (own.domains(py), own.devices(py), own.kinds(py), data);
                Ok((slf.get_type().getattr("_from_parts")?, parts.into_pyobject(py)?))
            }

            /// The schema of the Arrow columns: an `arrow_schema` capsule.
            fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyCapsule>> {
                crate::arrow::capsule::schema(py, $class::schema())
            }

            /// An Arrow record batch, which is a copy: an `arrow_schema` and an `arrow_array` capsule. The consumer casts to
            /// a requested schema by itself, as the protocol allows.
            #[pyo3(signature = (requested_schema=None))]
            fn __arrow_c_array__<'py>(
                &self,
                py: Python<'py>,
                requested_schema: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<(Bound<'py, pyo3::types::PyCapsule>, Bound<'py, pyo3::types::PyCapsule>)> {
                let _ = requested_schema;
                Ok((self.__arrow_c_schema__(py)?, self.arrow(py)?.array(py)?))
            }

            /// A stream of one Arrow record batch: an `arrow_array_stream` capsule.
            #[pyo3(signature = (requested_schema=None))]
            fn __arrow_c_stream__<'py>(
                &self,
                py: Python<'py>,
                requested_schema: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, pyo3::types::PyCapsule>> {
                let _ = requested_schema;
                self.arrow(py)?.stream(py)
            }

            #[allow(unsafe_code)]
            unsafe fn __getbuffer__(
                slf: &Bound<'_, Self>,
                view: *mut pyo3::ffi::Py_buffer,
                flags: std::ffi::c_int,
            ) -> PyResult<()> {
                static STRIDES: [isize; 1] = [($class::WORDS * vmiostat_core::fields::WORD) as isize];
                let own = slf.get();
                let bytes = bytemuck::cast_slice(&own.words);
                let format = $class::format();
                let exported = crate::buffer::Exported { bytes, format, shape: &own.shape, strides: &STRIDES };
                // SAFETY: Python's own view; the memory is this frozen object's.
                unsafe { crate::buffer::export(slf, &exported, view, flags) }
            }
        }
    };
}

pub(crate) use table_class;
