//! Groups the rows of a plan by interface.

use std::collections::HashMap;

use super::tracked_devices::TrackedDevices;

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

/// Interfaces by name, each once, and their rows.
pub(crate) type TrackedInterfaces = TrackedDevices<Box<[u8]>, SwapRxTx>;

pub(crate) fn tracked(rows: &[Named<'_>]) -> TrackedInterfaces {
    let mut by_name: HashMap<&[u8], usize> = HashMap::new();
    let mut tracked = TrackedInterfaces::new();
    for Named { name, row, swap_rx_tx, index } in rows {
        let device = *by_name.entry(name).or_insert_with(|| tracked.push(Box::from(*name)));
        tracked.add_row(device, *row, *swap_rx_tx, index.map(u64::from));
    }
    tracked
}
