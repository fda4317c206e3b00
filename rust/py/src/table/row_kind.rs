//! What a table's row is about.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A total counts a domain's disks once more: sums over devices leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowKind {
    Disk,
    Interface,
    Total,
}

impl RowKind {
    pub(crate) const ALL: [RowKind; 3] = [RowKind::Disk, RowKind::Interface, RowKind::Total];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            RowKind::Disk => "disk",
            RowKind::Interface => "interface",
            RowKind::Total => "total",
        }
    }

    pub(crate) fn from_word(word: &str) -> PyResult<RowKind> {
        RowKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
            PyValueError::new_err(format!("a row's kind is 'disk', 'interface' or 'total', not '{word}'"))
        })
    }
}
