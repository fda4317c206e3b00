//! What a poll read: two arrays of structs, and no Python object a row until one is asked for.

use std::ffi::{CString, c_int};
use std::sync::{Arc, LazyLock};

use arrow_schema::Schema;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use vmiostat_core::fields::{WORD, block, interface};

use crate::arrow::{Rows, counters_schema};
use crate::arrow_capsule;
use crate::buffer::{Exported, export};
use crate::labels::{Labels, RowIterator};
use crate::rates::{BlockRatesTable, InterfaceRatesTable, Rates};
use crate::stats::{BlockStats, InterfaceStats, struct_format};

macro_rules! table_class {
    ($class:ident, $row:ident, $rates:ident, $module:ident) => {
        #[doc = concat!("All ", stringify!($module), " rows of a sample: one array of structs, without an object a row until one is asked for.")]
        ///
        /// `numpy.asarray(table)` is a structured array on the same memory; polars, pandas, pyarrow and duckdb take a copy.
        #[pyclass(module = "vmiostat._core", frozen)]
        pub(crate) struct $class {
            labels: Arc<Labels>,
            words: Vec<i64>,
            shape: [isize; 1],
        }

        impl $class {
            pub(crate) fn new(labels: Arc<Labels>, words: Vec<i64>) -> $class {
                let shape = [labels.count() as isize];
                $class { labels, words, shape }
            }

            fn arrow(&self) -> Rows<'_> {
                static SCHEMA: LazyLock<Schema> = LazyLock::new(counters_schema::<$module::Table>);
                Rows { schema: &SCHEMA, labels: &self.labels, words: &self.words }
            }

            fn record(&self, row: usize) -> &[i64] {
                &self.words[row * $module::WORDS..(row + 1) * $module::WORDS]
            }

            fn rates(&self, py: Python<'_>, before: Option<&$class>) -> PyResult<$rates> {
                let rows = before.map(|before| self.labels.rows_in(py, &before.labels)).transpose()?;
                let (words, labels) = (&self.words, Arc::clone(&self.labels));
                let earlier = |row: usize| before.zip(rows.as_ref()?[row]).map(|(before, row)| before.record(row));
                Ok($rates::new(labels, words, before.is_none(), earlier))
            }
        }

        #[pymethods]
        impl $class {
            /// The domain's name, row by row.
            #[getter]
            fn domains(&self, py: Python<'_>) -> Py<PyTuple> {
                self.labels.domains.clone_ref(py)
            }

            /// The device's name within its domain, row by row.
            #[getter]
            fn devices(&self, py: Python<'_>) -> Py<PyTuple> {
                self.labels.devices.clone_ref(py)
            }

            fn __len__(&self) -> usize {
                self.labels.count()
            }

            fn __getitem__(&self, row: &Bound<'_, PyAny>) -> PyResult<$row> {
                let row = self.labels.row(row)?;
                Ok($row::of(bytemuck::cast_slice(self.record(row)))?)
            }

            fn __iter__(slf: Bound<'_, Self>) -> RowIterator {
                RowIterator::over(slf.into_any().unbind())
            }

            fn __repr__(&self) -> String {
                format!("<{} of {} rows>", stringify!($class), self.labels.count())
            }

            /// The schema of this table's Arrow columns: an `arrow_schema` capsule.
            fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
                arrow_capsule::schema(py, self.arrow().schema)
            }

            /// This table as an Arrow record batch: an `arrow_schema` and an `arrow_array` capsule.
            #[pyo3(signature = (requested_schema=None))]
            fn __arrow_c_array__<'py>(
                &self,
                py: Python<'py>,
                requested_schema: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
                let _ = requested_schema; // a wish, which a producer may leave to the consumer's own casts
                Ok((self.__arrow_c_schema__(py)?, self.arrow().array(py)?))
            }

            /// This table as a stream of one Arrow record batch: an `arrow_array_stream` capsule.
            #[pyo3(signature = (requested_schema=None))]
            fn __arrow_c_stream__<'py>(
                &self,
                py: Python<'py>,
                requested_schema: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, PyCapsule>> {
                let _ = requested_schema; // likewise
                self.arrow().stream(py)
            }

            #[allow(unsafe_code)]
            unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
                static FORMAT: LazyLock<CString> =
                    LazyLock::new(|| struct_format($module::FIELDS.iter().map(|field| ('q', field.name))));
                static STRIDES: [isize; 1] = [($module::WORDS * WORD) as isize];
                let own = slf.get();
                let bytes = bytemuck::cast_slice(&own.words);
                let exported = Exported { bytes, format: &FORMAT, shape: &own.shape, strides: &STRIDES };
                // SAFETY: Python's own view; the memory is this frozen object's.
                unsafe { export(slf, &exported, view, flags) }
            }
        }
    };
}

table_class!(BlockTable, BlockStats, BlockRatesTable, block);
table_class!(InterfaceTable, InterfaceStats, InterfaceRatesTable, interface);

/// What one poll read.
#[pyclass(module = "vmiostat._core", frozen)]
pub(crate) struct Sample {
    /// The block devices' rows.
    #[pyo3(get)]
    pub(crate) block: Py<BlockTable>,
    /// The interfaces' rows.
    #[pyo3(get)]
    pub(crate) interface: Py<InterfaceTable>,
}

#[pymethods]
impl Sample {
    /// Per second between `before` and this sample, row by row and by each row's own time.
    ///
    /// Rows are matched by domain and device. Without `before`: since the machine started.
    #[pyo3(signature = (before=None))]
    fn rates(&self, py: Python<'_>, before: Option<&Bound<'_, Sample>>) -> PyResult<Rates> {
        let before = before.map(|before| before.get());
        let block = self.block.get().rates(py, before.map(|before| before.block.get()))?;
        let interface = self.interface.get().rates(py, before.map(|before| before.interface.get()))?;
        Ok(Rates { block: Py::new(py, block)?, interface: Py::new(py, interface)? })
    }

    fn __repr__(&self) -> String {
        let (blocks, interfaces) = (self.block.get().labels.count(), self.interface.get().labels.count());
        format!("<Sample of {blocks} block devices and {interfaces} interfaces>")
    }
}
