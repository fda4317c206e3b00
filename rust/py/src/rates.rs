//! What happened between two samples: an array of structs of 64-bit floats a table, and their rows as Python objects.

use std::ffi::{CStr, CString};
use std::sync::{Arc, LazyLock};

use arrow_schema::Schema;
use pyo3::prelude::*;
use vmiostat_core::error::Error;
use vmiostat_core::fields::{Table, block, interface};
use vmiostat_core::rates::{between, fields, none, since_boot};
use vmiostat_core::state::State;

use crate::arrow::rates_schema;
use crate::error::CoreError;
use crate::labels::Labels;
use crate::stats::struct_format;
use crate::table::table_class;

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

        table_class! {
            #[doc = concat!("All ", stringify!($module), " rates between two samples: structs of 64-bit floats (NaN for no number), then interval and state.")]
            $table of $row
        }

        impl $table {
            /// A row is one word for each field (a float's bits), the interval's and the state's.
            const WORDS: usize = [$(stringify!($name)),+].len() + 2;

            /// The rates of a sample's `words`, each row against its `earlier` one, else from when the machine `started`.
            pub(crate) fn new<'words>(
                labels: Arc<Labels>,
                words: &[i64],
                boot_time_ns: Option<i64>,
                earlier: impl Fn(usize) -> Option<&'words [i64]>,
            ) -> Result<$table, CoreError> {
                let mut rates = Vec::new();
                let room = rates.try_reserve_exact(labels.count() * $table::WORDS);
                room.map_err(|_| Error::Memory { rows: labels.count() })?;
                let mut values = [0.0; $table::WORDS - 2];
                for (row, after) in words.chunks_exact($module::WORDS).enumerate() {
                    let after = record::<$module::Table>(after);
                    let outcome = match (earlier(row).map(record::<$module::Table>), boot_time_ns) {
                        (Some(before), _) => between::<$module::Table>(&before, &after, &mut values),
                        (None, Some(boot_time_ns)) => since_boot::<$module::Table>(&after, boot_time_ns, &mut values),
                        (None, None) => none(State::New, &mut values),
                    };
                    let floats = values.iter().chain([&outcome.interval]);
                    rates.extend(floats.map(|value| value.to_bits().cast_signed()));
                    rates.push(outcome.state as i64);
                }
                Ok($table::of(labels, rates))
            }

            fn row(words: &[i64]) -> PyResult<$row> {
                let mut words = words.iter().copied();
                let mut next = || words.next().map(|bits| f64::from_bits(bits.cast_unsigned())).and_then(number);
                Ok($row { $($name: next(),)+ interval: next(), state: word(words.next().unwrap_or(-1)) })
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
