//! The field table and the words for states, as Python sees them.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use vmiostat_core::fields::{Field, block, interface};
use vmiostat_core::state::State;

/// One row of the field table.
#[pyclass(name = "Field", module = "vmiostat._core", frozen)]
pub(crate) struct PyField(&'static Field);

#[pymethods]
impl PyField {
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    #[getter]
    fn offset(&self) -> usize {
        self.0.offset
    }

    #[getter]
    fn version(&self) -> u8 {
        self.0.version
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind.word()
    }

    #[getter]
    fn unit(&self) -> &'static str {
        self.0.unit.word()
    }

    #[getter]
    fn heading(&self) -> Option<&'static str> {
        self.0.column.map(|column| column.heading)
    }

    #[getter]
    fn scale(&self) -> Option<f64> {
        self.0.column.map(|column| column.scale)
    }

    #[getter]
    fn help(&self) -> &'static str {
        self.0.help
    }

    fn __repr__(&self) -> String {
        let Field { name, offset, version, kind, unit, .. } = self.0;
        format!(
            "Field(name='{name}', offset={offset}, version={version}, kind='{}', unit='{}')",
            kind.word(),
            unit.word()
        )
    }
}

pub(crate) fn add_tables(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let table = |fields: &'static [Field]| PyTuple::new(py, fields.iter().map(PyField).collect::<Vec<_>>());
    module.add("BLOCK_FIELDS", table(block::FIELDS)?)?;
    module.add("INTERFACE_FIELDS", table(interface::FIELDS)?)?;
    module.add("STATES", PyTuple::new(py, State::ALL.map(State::word))?)?;
    module.add("STATE_HELP", PyTuple::new(py, State::ALL.map(State::help))?)
}
