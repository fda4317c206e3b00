//! The field table and the words for states, as Python sees them.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use vmiostat_core::fields::{Field, WORD, block, interface};
use vmiostat_core::state::State;

/// One field of BlockStats or InterfaceStats: a row of the field table, which is docs/abi.md.
///
/// Examples
/// --------
/// >>> from vmiostat import BLOCK_FIELDS
/// >>> field = BLOCK_FIELDS[1]
/// >>> field.name, field.offset, field.size, field.kind, field.unit
/// ('rd_bytes', 8, 8, 'counter', 'bytes')
#[pyclass(name = "Field", module = "vmiostat._core", frozen)]
pub(crate) struct PyField(&'static Field);

#[pymethods]
impl PyField {
    /// Its name in C, in Python, in arrays, JSON and CSV: "rd_bytes".
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    /// Bytes before it in the struct.
    #[getter]
    fn offset(&self) -> usize {
        self.0.offset
    }

    /// Its size in bytes.
    #[getter]
    fn size(&self) -> usize {
        WORD
    }

    /// Its type as the struct module and numpy write it: "q", a signed 64-bit integer.
    #[getter]
    fn format(&self) -> &'static str {
        "q"
    }

    /// The version of the struct that added it.
    #[getter]
    fn version(&self) -> u8 {
        self.0.version
    }

    /// A "counter" only grows, a "gauge" goes up and down; a "row" field describes the row and not the device.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind.word()
    }

    /// One of "bytes", "requests", "packets", "events", "ns" and "number".
    #[getter]
    fn unit(&self) -> &'static str {
        self.0.unit.word()
    }

    /// Its heading in the table of the command, "rkB/s"; None without a column there.
    #[getter]
    fn heading(&self) -> Option<&'static str> {
        self.0.column.map(|column| column.heading)
    }

    /// What its rate is multiplied by below that heading.
    #[getter]
    fn scale(&self) -> Option<f64> {
        self.0.column.map(|column| column.scale)
    }

    /// What it counts, in a few words.
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
