//! What a poll read: two arrays of structs, and no Python object a row until one is asked for.

use std::ffi::{CStr, CString};
use std::sync::{Arc, LazyLock};

use arrow_schema::Schema;
use pyo3::prelude::*;
use vmiostat_core::fields::{block, interface};

use crate::arrow::counters_schema;
use crate::rates::{BlockRatesTable, InterfaceRatesTable, Rates};
use crate::stats::{BlockStats, InterfaceStats, struct_format};
use crate::table::table_class;

macro_rules! counters_table {
    ($class:ident of $row:ident, $rates:ident, $module:ident) => {
        table_class! {
            #[doc = concat!("All ", stringify!($module), " rows of a sample: one array of structs, without an object a row until one is asked for.")]
            ///
            /// `numpy.asarray(table)` is a structured array on the same memory; polars, pandas, pyarrow and duckdb take a copy.
            $class of $row
        }

        impl $class {
            const WORDS: usize = $module::WORDS;

            fn row(words: &[i64]) -> PyResult<$row> {
                Ok($row::of(bytemuck::cast_slice(words))?)
            }

            fn format() -> &'static CStr {
                static FORMAT: LazyLock<CString> =
                    LazyLock::new(|| struct_format($module::FIELDS.iter().map(|field| ('q', field.name))));
                &FORMAT
            }

            fn schema() -> &'static Schema {
                static SCHEMA: LazyLock<Schema> = LazyLock::new(counters_schema::<$module::Table>);
                &SCHEMA
            }

            fn rates(&self, py: Python<'_>, before: Option<&$class>, boot_time_ns: Option<i64>) -> PyResult<$rates> {
                let other = before.filter(|before| !Arc::ptr_eq(&before.labels, &self.labels));
                let rows = other.map(|other| self.labels.rows_in(py, &other.labels)).transpose()?;
                let earlier = |row: usize| {
                    let row = rows.as_ref().map_or(Some(row), |rows| rows[row])?;
                    Some(before?.words_of(row))
                };
                let boot_time_ns = boot_time_ns.filter(|_| before.is_none());
                Ok($rates::new(Arc::clone(&self.labels), &self.words, boot_time_ns, earlier)?)
            }
        }
    };
}

counters_table!(BlockTable of BlockStats, BlockRatesTable, block);
counters_table!(InterfaceTable of InterfaceStats, InterfaceRatesTable, interface);

/// What one poll read.
#[pyclass(module = "vmiostat._core", frozen)]
pub(crate) struct Sample {
    /// The block devices' rows.
    #[pyo3(get)]
    pub(crate) block: Py<BlockTable>,
    /// The interfaces' rows.
    #[pyo3(get)]
    pub(crate) interface: Py<InterfaceTable>,
    /// When the machine started, if that is known.
    pub(crate) boot_time_ns: Option<i64>,
}

#[pymethods]
impl Sample {
    /// Per second between `before` and this sample, row by row and by each row's own time.
    ///
    /// Rows are matched by domain and device. Without `before`: since the machine started; of a captured machine, whose time
    /// is not this one's, as far as its /proc/uptime tells. Both samples have to be one Poller's: each counts by itself how
    /// often a row's device was replaced.
    #[pyo3(signature = (before=None))]
    fn rates(&self, py: Python<'_>, before: Option<&Bound<'_, Sample>>) -> PyResult<Rates> {
        let before = before.map(|before| before.get());
        let block = self.block.get().rates(py, before.map(|before| before.block.get()), self.boot_time_ns)?;
        let interface =
            self.interface.get().rates(py, before.map(|before| before.interface.get()), self.boot_time_ns)?;
        Ok(Rates { block: Py::new(py, block)?, interface: Py::new(py, interface)? })
    }

    fn __repr__(&self) -> String {
        let (blocks, interfaces) = (self.block.get().labels.count(), self.interface.get().labels.count());
        format!("<Sample of {blocks} block devices and {interfaces} interfaces>")
    }
}
