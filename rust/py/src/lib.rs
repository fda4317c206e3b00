//! The Python module `vmiostat._core`: bindings only. All that reads counters is in `vmiostat-core`.

// pyo3's macro calls `__getbuffer__` without an unsafe block of its own.
#![allow(unsafe_op_in_unsafe_fn)]

mod arrow;
mod buffer;
mod error;
mod events;
mod fields;
mod kernel_text;
mod latest_stats;
mod poller;
mod rates;
mod roots;
mod sample;
mod stats;
mod struct_size;
mod table;
mod tuple_like;

use pyo3::prelude::*;

/// The Rust core of vmiostat.
#[pymodule(gil_used = false)]
mod _core {
    use super::*;

    #[pymodule_export]
    use events::{PyDeviceEvents, PyFolderEvents, PyLinkEvents};
    #[pymodule_export]
    use fields::PyField;
    #[pymodule_export]
    use latest_stats::PyLatestStats;
    #[pymodule_export]
    use poller::{PyExplanation, PyPoller};
    #[pymodule_export]
    use rates::{BlockRates, BlockRatesTable, InterfaceRates, InterfaceRatesTable, Rates};
    #[pymodule_export]
    use roots::PyRoots;
    #[pymodule_export]
    use sample::{BlockTable, InterfaceTable, Sample};
    #[pymodule_export]
    use stats::{BlockStats, InterfaceStats};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        fields::add_tables(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        if cfg!(debug_assertions) {
            warn_of_debug_build(module.py())?;
        }
        Ok(())
    }

    fn warn_of_debug_build(py: Python<'_>) -> PyResult<()> {
        PyErr::warn(
            py,
            &py.get_type::<pyo3::exceptions::PyRuntimeWarning>(),
            c"vmiostat._core was built without optimization, so its timings mean nothing: build it with --release",
            1,
        )
    }
}
