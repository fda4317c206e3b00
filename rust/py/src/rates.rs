//! The rates between two samples: an array of structs of 64-bit floats for each table, and its rows in Python.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, LazyLock};

use arrow_schema::Schema;
use pyo3::IntoPyObjectExt;
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyTuple};
use vmiostat_core::error::Error;
use vmiostat_core::fields::{Field, Kind, Table, block, interface};
use vmiostat_core::rates::{between, fields, lost, since_boot, unpaired};
use vmiostat_core::state::State;

use crate::arrow::rates_schema;
use crate::error::CoreError;
use crate::stats::struct_format;
use crate::table::labels::Labels;
use crate::table::{self, table_class};
use crate::tuple_like::{as_dict, compared, reversed};

/// The rates between two samples.
#[pyclass(module = "vmiostat._core", frozen)]
pub(crate) struct Rates {
    /// The rates of the block table, in the order of the later sample.
    #[pyo3(get)]
    pub(crate) block: Py<BlockRatesTable>,
    /// The rates of the interface table, in the order of the later sample.
    #[pyo3(get)]
    pub(crate) interface: Py<InterfaceRatesTable>,
}

#[pymethods]
impl Rates {
    fn __eq__(&self, py: Python<'_>, other: &Rates) -> PyResult<bool> {
        Ok(self.block.bind(py).eq(&other.block)? && self.interface.bind(py).eq(&other.interface)?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (blocks, interfaces) = (self.block.bind(py).len()?, self.interface.bind(py).len()?);
        Ok(format!("<Rates of {blocks} block devices and {interfaces} interfaces>"))
    }

    #[staticmethod]
    fn _from_parts(block: Py<BlockRatesTable>, interface: Py<InterfaceRatesTable>) -> Rates {
        Rates { block, interface }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let parts = (&slf.get().block, &slf.get().interface).into_pyobject(slf.py())?;
        Ok((slf.get_type().getattr("_from_parts")?, parts))
    }
}

/// What the rates of a row are made from.
pub(crate) enum Earlier<'words> {
    /// Its words in the earlier sample, and what its counters had fallen from there.
    Row(&'words [i64], Option<&'words [i64]>),
    /// The boot time, when every counter was 0.
    Boot(i64),
    /// Nothing: the earlier sample does not have the row; if it was `replaced`, it has another one of the same name.
    None { replaced: bool },
}

/// What the counters of some rows have fallen from, by row id.
pub(crate) type Lost = HashMap<i64, Box<[i64]>>;

/// A rate, or None where there is none.
fn number(bits: i64) -> Option<f64> {
    Some(f64::from_bits(bits.cast_unsigned())).filter(|value| !value.is_nan())
}

fn word(state: i64) -> &'static str {
    State::from_word(state).unwrap_or(State::Unreadable).word()
}

/// The index of a field among the rates, which leave out the fields that describe the row.
const fn place(fields: &[Field], word: usize) -> usize {
    let (mut at, mut place) = (0, 0);
    while at < word {
        place += !matches!(fields[at].kind, Kind::Row) as usize;
        at += 1;
    }
    place
}

/// The record in a row's words.
fn record<T: Table>(words: &[i64]) -> T::Record {
    let mut record = T::UNKNOWN;
    record.as_mut().copy_from_slice(words);
    record
}

macro_rules! rates_classes {
    ($table:ident $row:ident $module:ident [$($name:ident $help:literal)+]) => {
        #[doc = concat!("The rates of one ", stringify!($module), " row: counters per second, gauges as they are.")]
        ///
        /// A field is None where there is no number, and `state` says why. It compares and unpacks like the tuple of
        /// its fields.
        #[pyclass(module = "vmiostat._core", frozen)]
        pub(crate) struct $row([i64; $table::WORDS]);

        impl $row {
            const NAMES: [&'static str; $table::WORDS] = [$(stringify!($name),)+ "interval", "state"];
            /// The words after those of the fields.
            const INTERVAL: usize = $table::WORDS - 2;
            const STATE: usize = $table::WORDS - 1;

            fn tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
                let numbers = self.0[..$row::STATE].iter().map(|bits| number(*bits).into_bound_py_any(py));
                let values = numbers.chain([word(self.0[$row::STATE]).into_bound_py_any(py)]);
                PyTuple::new(py, values.collect::<PyResult<Vec<_>>>()?)
            }
        }

        #[pymethods]
        impl $row {
            /// The names of its fields, in their order.
            #[classattr]
            fn _fields(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, $row::NAMES)
            }

            $(#[doc = $help]
            #[getter]
            fn $name(&self) -> Option<f64> {
                number(self.0[const { place($module::FIELDS, $module::$name) }])
            })+

            /// Seconds between the two reads of this row; None where no rate could be made.
            #[getter]
            fn interval(&self) -> Option<f64> {
                number(self.0[$row::INTERVAL])
            }

            /// `ok`, or why there is no number: a word of STATES.
            #[getter]
            fn state(&self) -> &'static str {
                word(self.0[$row::STATE])
            }

            /// The fields by name, ready for JSON.
            fn _asdict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                as_dict(py, $row::NAMES.into_iter().zip(self.tuple(py)?))
            }

            fn __len__(&self) -> usize {
                $table::WORDS
            }

            fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
                self.tuple(py)?.try_iter()
            }

            fn __reversed__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
                reversed(&self.tuple(py)?)
            }

            fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                self.tuple(index.py())?.as_any().get_item(index)
            }

            fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
                let py = other.py();
                let tuple = other.cast::<$row>().ok().map(|other| other.get().tuple(py)).transpose()?;
                compared(&self.tuple(py)?, tuple, other, op)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
                self.tuple(py)?.hash()
            }

            fn __repr__(&self) -> String {
                let shown = |bits: i64| number(bits).map_or("None".to_owned(), |value| format!("{value:?}"));
                let numbers = $row::NAMES.iter().zip(&self.0[..$row::STATE]);
                let fields: Vec<String> = numbers.map(|(name, bits)| format!("{name}={}", shown(*bits))).collect();
                format!("{}({}, state='{}')", stringify!($row), fields.join(", "), self.state())
            }

            #[staticmethod]
            fn _from_parts(data: &[u8]) -> PyResult<$row> {
                $table::row(&table::words(data, $table::WORDS)?)
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
                let data = PyBytes::new(slf.py(), bytemuck::cast_slice(&slf.get().0));
                Ok((slf.get_type().getattr("_from_parts")?, (data,)))
            }
        }

        table_class! {
            #[doc = concat!("The ", stringify!($module), " rates between two samples.")]
            ///
            /// In memory a row is a struct of 64-bit floats, NaN where there is no number, and an integer for the state.
            $table of $row
        }

        impl $table {
            /// The words of a row: each field and the interval (bits of a float), and the state.
            const WORDS: usize = [$(stringify!($name)),+].len() + 2;

            /// The rates of the rows in `words`, and what rows' counters have fallen from. `earlier` gets the index and
            /// the id of a row.
            pub(crate) fn new<'words>(
                labels: Arc<Labels>,
                words: &[i64],
                mut earlier: impl FnMut(usize, i64) -> PyResult<Earlier<'words>>,
            ) -> PyResult<($table, Lost)> {
                let (mut rates, mut fallen) = (Vec::new(), Lost::new());
                let rows = words.len() / $module::WORDS;
                let room = rates.try_reserve_exact(rows * $table::WORDS);
                room.map_err(|_| CoreError::from(Error::Memory { rows }))?;
                let mut values = [0.0; $table::WORDS - 2];
                for (row, after) in words.chunks_exact($module::WORDS).enumerate() {
                    let after = record::<$module::Table>(after);
                    let outcome = match earlier(row, after[$module::row_id])? {
                        Earlier::Row(before, from) => {
                            let before = record::<$module::Table>(before);
                            let from = from.map(record::<$module::Table>);
                            if let Some(from) = lost::<$module::Table>(from.as_ref(), &before, &after) {
                                fallen.insert(after[$module::row_id], from.into());
                            }
                            between::<$module::Table>(from.as_ref(), &before, &after, &mut values)
                        }
                        Earlier::Boot(boot_time_ns) => since_boot::<$module::Table>(&after, boot_time_ns, &mut values),
                        Earlier::None { replaced } => unpaired::<$module::Table>(&after, replaced, &mut values),
                    };
                    let floats = values.iter().chain([&outcome.interval]);
                    rates.extend(floats.map(|value| value.to_bits().cast_signed()));
                    rates.push(outcome.state as i64);
                }
                Ok(($table::of(labels, rates), fallen))
            }

            fn row(words: &[i64]) -> PyResult<$row> {
                let mut row = $row([0; $table::WORDS]);
                row.0.copy_from_slice(words);
                Ok(row)
            }

            fn format() -> &'static CStr {
                static FORMAT: LazyLock<CString> = LazyLock::new(|| {
                    let rates = fields::<$module::Table>().map(|field| ('d', field.name));
                    struct_format(rates.chain([('d', "interval"), ('q', "state")]))
                });
                &FORMAT
            }

            fn schema() -> &'static Schema {
                static SCHEMA: LazyLock<Schema> = LazyLock::new(rates_schema::<$module::Table>);
                &SCHEMA
            }
        }
    };
}

/// Leaves out the fields that describe the row: they have no rate.
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
