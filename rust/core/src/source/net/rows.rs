//! Groups the rows of a plan by interface.

use std::collections::HashMap;

use crate::source::tracked_devices::TrackedDevices;

/// Whether rx and tx change places.
pub(crate) type SwapRxTx = bool;

/// A row of the plan whose interface is known by name.
#[derive(Clone, Copy)]
pub(crate) struct Named<'plan> {
    pub(crate) name: &'plan [u8],
    pub(crate) row: usize,
    pub(crate) swap_rx_tx: SwapRxTx,
    /// The number of the only interface that the row shows.
    pub(crate) index: Option<u32>,
}

/// The interfaces, each once, and their rows.
pub(crate) struct InterfaceRows {
    /// By their index in `tracked`.
    pub(crate) names: Vec<Box<[u8]>>,
    pub(crate) tracked: TrackedDevices<SwapRxTx>,
}

impl InterfaceRows {
    pub(crate) fn new(rows: &[Named<'_>]) -> InterfaceRows {
        let mut by_name: HashMap<&[u8], usize> = HashMap::new();
        let (mut names, mut tracked) = (Vec::new(), TrackedDevices::new());
        for Named { name, row, swap_rx_tx, index } in rows {
            let device = *by_name.entry(name).or_insert_with(|| {
                names.push(Box::from(*name));
                tracked.push()
            });
            tracked.add_row(device, *row, *swap_rx_tx, index.map(u64::from));
        }
        InterfaceRows { names, tracked }
    }

    /// The index of each interface by its name.
    pub(crate) fn by_name(&self) -> HashMap<Box<[u8]>, usize> {
        self.names.iter().cloned().enumerate().map(|(device, name)| (name, device)).collect()
    }
}
