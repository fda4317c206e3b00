//! What happened between two samples: an array of structs of 64-bit floats a table, and their rows as Python objects.

use std::ffi::{CString, c_int};
use std::sync::{Arc, LazyLock};

use arrow_schema::Schema;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use vmiostat_core::fields::{Table, WORD, block, interface};
use vmiostat_core::rates::{between, fields, none, since_boot};
use vmiostat_core::state::State;

use crate::arrow::{Rows, rates_schema};
use crate::arrow_capsule;
use crate::buffer::{Exported, export};
use crate::labels::{Labels, RowIterator};
use crate::stats::struct_format;

/// What happened between two samples.
#[pyclass(module = "vmiostat._core", frozen)]
pub(crate) struct Rates {
    /// The block devices' rows.
    #[pyo3(get)]
    pub(crate) block: Py<BlockRatesTable>,
    /// The interfaces' rows.
    #[pyo3(get)]
    pub(crate) interface: Py<InterfaceRatesTable>,
}

fn number(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

fn word(state: i64) -> &'static str {
    State::from_word(state).unwrap_or(State::Unreadable).word()
}

/// The record in a row's words.
fn record<T: Table>(words: &[i64]) -> T::Record {
    let mut record = T::UNKNOWN;
    record.as_mut().copy_from_slice(words);
    record
}

macro_rules! rates_classes {
    ($table:ident $row:ident $module:ident [$($name:ident $help:literal)+]) => {
        #[doc = concat!("One ", stringify!($module), " row's rates: counters a second, gauges as they are; None where there is no number, and `state` says why.")]
        #[pyclass(module = "vmiostat._core", frozen, get_all)]
        pub(crate) struct $row {
            $(#[doc = $help]
            $name: Option<f64>,)+
            /// Seconds between the two reads of this row.
            interval: Option<f64>,
            /// Ok, or why there is no number: a word of STATES.
            state: &'static str,
        }

        #[pymethods]
        impl $row {
            fn __repr__(&self) -> String {
                let shown = |value: Option<f64>| value.map_or("None".to_owned(), |value| format!("{value:.6}"));
                let mut text = String::from(stringify!($row)) + "(";
                $(text += &format!("{}={}, ", stringify!($name), shown(self.$name));)+
                format!("{text}interval={}, state='{}')", shown(self.interval), self.state)
            }
        }

        #[doc = concat!("All ", stringify!($module), " rates between two samples: structs of 64-bit floats (NaN for no number), then interval and state.")]
        #[pyclass(module = "vmiostat._core", frozen)]
        pub(crate) struct $table {
            labels: Arc<Labels>,
            /// A row is one word for each field, the interval's and the state's.
            words: Vec<u64>,
            shape: [isize; 1],
        }

        impl $table {
            const WORDS: usize = [$(stringify!($name)),+].len() + 2;

            /// The rates of a sample's `words`, each row against its `earlier` one.
            pub(crate) fn new<'words>(
                labels: Arc<Labels>,
                words: &[i64],
                since_start: bool,
                earlier: impl Fn(usize) -> Option<&'words [i64]>,
            ) -> $table {
                let mut rates = Vec::with_capacity(labels.count() * $table::WORDS);
                let mut values = [0.0; $table::WORDS - 2];
                for (row, after) in words.chunks_exact($module::WORDS).enumerate() {
                    let after = record::<$module::Table>(after);
                    let outcome = match earlier(row).map(record::<$module::Table>) {
                        Some(before) => between::<$module::Table>(&before, &after, &mut values),
                        None if since_start => since_boot::<$module::Table>(&after, &mut values),
                        None => none(State::New, &mut values),
                    };
                    rates.extend(values.iter().map(|value| value.to_bits()));
                    rates.extend([outcome.interval.to_bits(), outcome.state as u64]);
                }
                let shape = [labels.count() as isize];
                $table { labels, words: rates, shape }
            }

            fn arrow(&self) -> Rows<'_> {
                static SCHEMA: LazyLock<Schema> = LazyLock::new(rates_schema::<$module::Table>);
                Rows { schema: &SCHEMA, labels: &self.labels, words: bytemuck::cast_slice(&self.words) }
            }
        }

        #[pymethods]
        impl $table {
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
                let mut words = self.words[row * $table::WORDS..].iter();
                let mut next = || number(f64::from_bits(words.next().copied().unwrap_or(f64::NAN.to_bits())));
                Ok($row {
                    $($name: next(),)+
                    interval: next(),
                    state: word(words.next().map_or(-1, |state| state.cast_signed())),
                })
            }

            fn __iter__(slf: Bound<'_, Self>) -> RowIterator {
                RowIterator::over(slf.into_any().unbind())
            }

            fn __repr__(&self) -> String {
                format!("<{} of {} rows>", stringify!($table), self.labels.count())
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
                static FORMAT: LazyLock<CString> = LazyLock::new(|| {
                    let rates = fields::<$module::Table>().map(|field| ('d', field.name));
                    struct_format(rates.chain([('d', "interval"), ('q', "state")]))
                });
                static STRIDES: [isize; 1] = [($table::WORDS * WORD) as isize];
                let own = slf.get();
                let bytes = bytemuck::cast_slice(&own.words);
                let exported = Exported { bytes, format: &FORMAT, shape: &own.shape, strides: &STRIDES };
                // SAFETY: Python's own view; the memory is this frozen object's.
                unsafe { export(slf, &exported, view, flags) }
            }
        }
    };
}

/// Takes what a row says of itself out of the field table: it has no rate.
macro_rules! rates_of {
    ($head:tt [$($kept:tt)*] $name:ident $version:literal Row $unit:ident $column:expr, $help:literal; $($rest:tt)*) => {
        rates_of! { $head [$($kept)*] $($rest)* }
    };
    ($head:tt [$($kept:tt)*] $name:ident $version:literal $kind:ident $unit:ident $column:expr, $help:literal; $($rest:tt)*) => {
        rates_of! { $head [$($kept)* $name $help] $($rest)* }
    };
    (($table:ident $row:ident $module:ident) [$($kept:tt)*]) => {
        rates_classes! { $table $row $module [$($kept)*] }
    };
}

macro_rules! block_rates {
    ($($rows:tt)*) => { rates_of! { (BlockRatesTable BlockRates block) [] $($rows)* } };
}

macro_rules! interface_rates {
    ($($rows:tt)*) => { rates_of! { (InterfaceRatesTable InterfaceRates interface) [] $($rows)* } };
}

vmiostat_core::block_fields!(block_rates);
vmiostat_core::interface_fields!(interface_rates);
