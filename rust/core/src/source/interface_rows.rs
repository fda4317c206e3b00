//! The rows of a plan that are read by an interface's name, gathered by interface.

use std::collections::HashMap;

use super::watched::Watched;

/// Whether the host's transmit side is the row's rx.
pub(super) type Swapped = bool;

/// A row of the plan that is read by its interface's name.
#[derive(Clone, Copy)]
pub(super) struct Named<'plan> {
    pub(super) name: &'plan [u8],
    pub(super) row: usize,
    pub(super) swapped: Swapped,
    /// The number of the only interface that it is about.
    pub(super) index: Option<u32>,
}

/// Interfaces to watch, each once, and the rows that each fills.
pub(super) struct InterfaceRows {
    /// By their number in `watched`.
    pub(super) names: Vec<Box<[u8]>>,
    pub(super) watched: Watched<Swapped>,
}

impl InterfaceRows {
    pub(super) fn new(rows: &[Named<'_>]) -> InterfaceRows {
        let mut by_name: HashMap<&[u8], usize> = HashMap::new();
        let (mut names, mut watched) = (Vec::new(), Watched::new());
        for Named { name, row, swapped, index } in rows {
            let device = *by_name.entry(name).or_insert_with(|| {
                names.push(Box::from(*name));
                watched.push()
            });
            watched.add_row(device, *row, *swapped, index.map(u64::from));
        }
        InterfaceRows { names, watched }
    }

    /// Which interface each name is.
    pub(super) fn by_name(&self) -> HashMap<Box<[u8]>, usize> {
        self.names.iter().cloned().enumerate().map(|(device, name)| (name, device)).collect()
    }
}
