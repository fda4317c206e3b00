//! The rows of a plan that are read by an interface's name, gathered by interface.

use std::collections::HashMap;

use crate::source::tracked_devices::Watched;

/// Whether the host's transmit side is the row's rx.
pub(crate) type Swapped = bool;

/// A row of the plan that is read by its interface's name.
#[derive(Clone, Copy)]
pub(crate) struct Named<'plan> {
    pub(crate) name: &'plan [u8],
    pub(crate) row: usize,
    pub(crate) swapped: Swapped,
    /// The number of the only interface that it is about.
    pub(crate) index: Option<u32>,
}

/// Interfaces to watch, each once, and the rows that each fills.
pub(crate) struct InterfaceRows {
    /// By their number in `watched`.
    pub(crate) names: Vec<Box<[u8]>>,
    pub(crate) watched: Watched<Swapped>,
}

impl InterfaceRows {
    pub(crate) fn new(rows: &[Named<'_>]) -> InterfaceRows {
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
    pub(crate) fn by_name(&self) -> HashMap<Box<[u8]>, usize> {
        self.names.iter().cloned().enumerate().map(|(device, name)| (name, device)).collect()
    }
}
