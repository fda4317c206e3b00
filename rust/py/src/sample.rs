//! A sample: two arrays of structs. A row becomes a Python object when it is used.

use std::ffi::{CStr, CString};
use std::sync::{Arc, LazyLock, OnceLock};

use arrow_schema::Schema;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use vmiostat_core::earlier_rows::EarlierRows;
use vmiostat_core::fields::{block, interface};
use vmiostat_core::plan_id::PlanId;

use crate::arrow::counters_schema;
use crate::error::CoreError;
use crate::rates::{BlockRatesTable, Earlier, InterfaceRatesTable, Lost, Rates};
use crate::stats::{BlockStats, InterfaceStats, struct_format};
use crate::table::table_class;

macro_rules! counters_table {
    ($class:ident of $row:ident, $rates:ident, $module:ident) => {
        table_class! {
            #[doc = concat!("The ", stringify!($module), " rows of a sample: a sequence of rows that also finds one by its (domain, device).")]
            ///
            /// In memory it is one array of structs; a row becomes an object when it is used. numpy shares that memory;
            /// polars, pandas, pyarrow and duckdb take a copy (docs/arrays.md).
            ///
            /// Examples
            /// --------
            /// >>> from vmiostat import Host
            /// >>> with Host("fixtures/xen-4.17-real/instant-1").poller() as poller:
            #[doc = concat!("...     table = poller.poll().", stringify!($module))]
            /// >>> name = table.domains[0], table.devices[0]
            /// >>> table[0] == table[name] == table.get(name), name in table, len(table[1:3])
            /// (True, True, 2)
            /// >>> table.get(("web1", "none")) is None, dict(table)[name] == table[0]
            /// (True, True)
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

            fn rates_since_boot(&self, boot_time_ns: Option<i64>) -> PyResult<$rates> {
                let rates = $rates::new(Arc::clone(&self.labels), &self.words, |_, _| {
                    Ok(boot_time_ns.map_or(Earlier::None { replaced: false }, Earlier::Boot))
                });
                Ok(rates?.0)
            }

            /// `lost` is what counters have fallen from in `before`.
            fn rates(&self, py: Python<'_>, before: &$class, lost: Option<&Lost>) -> PyResult<($rates, Lost)> {
                let mut rows = EarlierRows::of::<$module::Table>(&before.words);
                $rates::new(Arc::clone(&self.labels), &self.words, |row, row_id| {
                    match rows.find(row_id).map_err(CoreError::from)? {
                        Some(words) => Ok(Earlier::Row(words, lost.and_then(|lost| lost.get(&row_id)).map(|lost| &**lost))),
                        // The name decides no more than the state of a row without a rate.
                        None => {
                            let name = self.labels.name(py, row)?;
                            Ok(Earlier::None { replaced: before.labels.named(&name)?.is_some() })
                        }
                    }
                })
            }
        }
    };
}

counters_table!(BlockTable of BlockStats, BlockRatesTable, block);
counters_table!(InterfaceTable of InterfaceStats, InterfaceRatesTable, interface);

/// The rows that one poll read.
#[pyclass(module = "vmiostat._core", frozen)]
pub(crate) struct Sample {
    /// The rows of block devices.
    #[pyo3(get)]
    pub(crate) block: Py<BlockTable>,
    /// The rows of interfaces.
    #[pyo3(get)]
    pub(crate) interface: Py<InterfaceTable>,
    pub(crate) plan: PlanId,
    /// When the machine booted, if that is known.
    pub(crate) boot_time_ns: Option<i64>,
    /// What the counters of block devices and of interfaces have fallen from, once rates were made of this sample and an
    /// earlier one.
    lost: OnceLock<(Lost, Lost)>,
}

impl Sample {
    pub(crate) fn new(
        block: Py<BlockTable>,
        interface: Py<InterfaceTable>,
        plan: PlanId,
        boot_time_ns: Option<i64>,
    ) -> Sample {
        Sample { block, interface, plan, boot_time_ns, lost: OnceLock::new() }
    }
}

#[pymethods]
impl Sample {
    /// The number of the plan that was read: 1 for the first plan of the poller, and higher after each change.
    #[getter]
    fn plan(&self) -> i64 {
        self.plan.number
    }

    /// The rates between an earlier sample and this one, each by the time of its own row.
    ///
    /// Rows are paired by `row_id`, wherever a change of the plan has moved them. A row that `before` lacks has no
    /// rate: its state is `replaced` if `before` has another row of the same name, and otherwise `new`. A counter that
    /// wrapped at 32 bits, or fell while the device's others grew, has none, and the row's others have theirs. One
    /// sample of counters that are too low makes no spike, if `before` was itself given the sample before it.
    ///
    /// Parameters
    /// ----------
    /// before : Sample, optional
    ///     An earlier sample of the same Poller. By default the rates are since boot; those of a captured machine
    ///     need its /proc/uptime.
    ///
    /// Returns
    /// -------
    /// Rates
    ///     A row for each row of this sample.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     The samples are of two pollers.
    ///
    /// Examples
    /// --------
    /// >>> from vmiostat import Host
    /// >>> with Host().poller() as poller:
    /// ...     before = poller.poll()
    /// ...     rates = poller.poll().rates(before)
    /// >>> all(rate.interval > 0 for rate in rates.interface if rate.state == "ok")
    /// True
    #[pyo3(signature = (before=None))]
    fn rates(&self, py: Python<'_>, before: Option<&Bound<'_, Sample>>) -> PyResult<Rates> {
        let (block, interface) = (self.block.get(), self.interface.get());
        let (block, interface) = match before.map(Bound::get) {
            None => (block.rates_since_boot(self.boot_time_ns)?, interface.rates_since_boot(self.boot_time_ns)?),
            Some(before) => {
                self.plan.same_poller(before.plan).map_err(CoreError::from)?;
                let (blocks, interfaces) = before.lost.get().map(|(block, interface)| (block, interface)).unzip();
                let (block, of_blocks) = block.rates(py, before.block.get(), blocks)?;
                let (interface, of_interfaces) = interface.rates(py, before.interface.get(), interfaces)?;
                // Rates against several samples: what the first of them shows is kept.
                self.lost.get_or_init(|| (of_blocks, of_interfaces));
                (block, interface)
            }
        };
        Ok(Rates { block: Py::new(py, block)?, interface: Py::new(py, interface)? })
    }

    fn __eq__(&self, py: Python<'_>, other: &Sample) -> PyResult<bool> {
        Ok(self.plan == other.plan
            && self.block.bind(py).eq(&other.block)?
            && self.interface.bind(py).eq(&other.interface)?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (blocks, interfaces) = (self.block.bind(py).len()?, self.interface.bind(py).len()?);
        Ok(format!("<Sample of {blocks} block devices and {interfaces} interfaces>"))
    }

    #[staticmethod]
    fn _from_parts(
        block: Py<BlockTable>,
        interface: Py<InterfaceTable>,
        poller: u128,
        plan: i64,
        boot_time_ns: Option<i64>,
    ) -> Sample {
        Sample::new(block, interface, PlanId { poller, number: plan }, boot_time_ns)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, own) = (slf.py(), slf.get());
        let parts = (&own.block, &own.interface, own.plan.poller, own.plan.number, own.boot_time_ns);
        Ok((slf.get_type().getattr("_from_parts")?, parts.into_pyobject(py)?))
    }
}
