//! What every table is to Python: rows of 64-bit words under the names of a plan, as a sequence, as a buffer, as Arrow.

/// Makes a table's class. `impl $class` beside it says what its words are: `WORDS` a row; `row`, the Python object of one;
/// `format`, the struct in PEP 3118's words; `schema`, the Arrow columns.
macro_rules! table_class {
    ($(#[$doc:meta])+ $class:ident of $row:ident) => {
        $(#[$doc])+
        #[pyclass(module = "vmiostat._core", frozen)]
        pub(crate) struct $class {
            labels: std::sync::Arc<crate::labels::Labels>,
            words: Vec<i64>,
            shape: [isize; 1],
        }

        impl $class {
            pub(crate) fn of(labels: std::sync::Arc<crate::labels::Labels>, words: Vec<i64>) -> $class {
                let shape = [labels.count() as isize];
                $class { labels, words, shape }
            }

            fn words_of(&self, row: usize) -> &[i64] {
                &self.words[row * $class::WORDS..(row + 1) * $class::WORDS]
            }

            fn arrow(&self, py: Python<'_>) -> PyResult<crate::arrow::Rows<'_>> {
                let names = self.labels.columns(py)?;
                Ok(crate::arrow::Rows { schema: $class::schema(), names, words: &self.words })
            }
        }

        #[pymethods]
        impl $class {
            /// The domain's name, row by row.
            #[getter]
            fn domains(&self, py: Python<'_>) -> Py<pyo3::types::PyTuple> {
                self.labels.domains.clone_ref(py)
            }

            /// The device's name within its domain, row by row.
            #[getter]
            fn devices(&self, py: Python<'_>) -> Py<pyo3::types::PyTuple> {
                self.labels.devices.clone_ref(py)
            }

            fn __len__(&self) -> usize {
                self.labels.count()
            }

            fn __getitem__(&self, row: &Bound<'_, PyAny>) -> PyResult<$row> {
                $class::row(self.words_of(self.labels.row(row)?))
            }

            fn __iter__(slf: Bound<'_, Self>) -> crate::labels::RowIterator {
                crate::labels::RowIterator::over(slf.into_any().unbind())
            }

            fn __repr__(&self) -> String {
                format!("<{} of {} rows>", stringify!($class), self.labels.count())
            }

            /// The schema of this table's Arrow columns: an `arrow_schema` capsule.
            fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyCapsule>> {
                crate::arrow::capsule::schema(py, $class::schema())
            }

            /// This table as an Arrow record batch: an `arrow_schema` and an `arrow_array` capsule.
            #[pyo3(signature = (requested_schema=None))]
            fn __arrow_c_array__<'py>(
                &self,
                py: Python<'py>,
                requested_schema: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<(Bound<'py, pyo3::types::PyCapsule>, Bound<'py, pyo3::types::PyCapsule>)> {
                let _ = requested_schema; // a wish, which a producer may leave to the consumer's own casts
                Ok((self.__arrow_c_schema__(py)?, self.arrow(py)?.array(py)?))
            }

            /// This table as a stream of one Arrow record batch: an `arrow_array_stream` capsule.
            #[pyo3(signature = (requested_schema=None))]
            fn __arrow_c_stream__<'py>(
                &self,
                py: Python<'py>,
                requested_schema: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, pyo3::types::PyCapsule>> {
                let _ = requested_schema; // likewise
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
