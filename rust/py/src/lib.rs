//! The Python module `vmiostat._core`. Bindings only: what is read and how stands in `vmiostat-core`.

mod error;
mod fields;
mod roots;

use pyo3::prelude::*;

/// The Rust core of vmiostat.
#[pymodule(gil_used = false)]
mod _core {
    use super::*;

    #[pymodule_export]
    use fields::PyField;
    #[pymodule_export]
    use roots::PyRoots;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        fields::add_tables(module)?;
        if cfg!(debug_assertions) {
            warn_of_debug_build(module.py())?;
        }
        Ok(())
    }

    fn warn_of_debug_build(py: Python<'_>) -> PyResult<()> {
        PyErr::warn(
            py,
            &py.get_type::<pyo3::exceptions::PyRuntimeWarning>(),
            c"vmiostat._core was built without optimisation: its timings mean nothing (build it with --release)",
            1,
        )
    }
}
