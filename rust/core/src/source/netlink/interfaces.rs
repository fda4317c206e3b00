//! The tracked interfaces by number, which is how RTM_GETSTATS identifies them.

use std::collections::HashMap;

use rustix::io::Errno;

use super::socket::Query;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::rows::SwapRxTx;
use crate::source::tracked_devices::TrackedDevices;

/// The current number of each tracked interface. A number belongs to one interface only, so that a NIC that was
/// recreated under its name is recognized as another one, even between two polls.
pub(crate) struct NetlinkInterfaces {
    names: Vec<Box<[u8]>>,
    /// By interface; None for a missing one.
    indices: Vec<Option<u32>>,
    /// The numbers of those that exist, for single queries.
    present: Vec<u32>,
    replies: ReplyOrder,
    /// Whether a number has changed since the last query.
    changed: bool,
    /// Whether to query all interfaces by one dump.
    dump: bool,
}

impl NetlinkInterfaces {
    pub(crate) fn new(names: Vec<Box<[u8]>>, dump: bool) -> NetlinkInterfaces {
        let (indices, present) = (vec![None; names.len()], Vec::new());
        NetlinkInterfaces { names, indices, present, replies: ReplyOrder::default(), changed: false, dump }
    }

    /// Looks up the number of an existing interface; a new number means a new interface.
    pub(crate) fn look_up(&mut self, index: &InterfaceIndex, tracked: &mut TrackedDevices<SwapRxTx>, device: usize) {
        let now = index.of(&self.names[device]);
        self.identify(tracked, device, now);
    }

    /// Checks an existing interface; returns whether it is still the same, as `TrackedDevices::identify`.
    pub(crate) fn check(
        &mut self,
        index: &InterfaceIndex,
        tracked: &mut TrackedDevices<SwapRxTx>,
        device: usize,
    ) -> bool {
        let known = tracked.id(device).and_then(|known| u32::try_from(known).ok());
        let now = index.still(&self.names[device], known);
        self.identify(tracked, device, now)
    }

    fn identify(
        &mut self,
        tracked: &mut TrackedDevices<SwapRxTx>,
        device: usize,
        index: Result<Option<u32>, Errno>,
    ) -> bool {
        let same = tracked.identify(device, index.map(|index| index.map(u64::from)));
        let Some(index) = index.ok().filter(|index| *index != self.indices[device]) else { return same };
        if let Some(old) = self.indices[device] {
            self.replies.by_index.remove(&old);
        }
        if let Some(index) = index {
            self.replies.by_index.insert(index, device);
        }
        self.indices[device] = index;
        self.changed = true;
        same
    }

    /// The query for all existing tracked interfaces, and the order of its replies.
    pub(crate) fn query(&mut self) -> (Query<'_>, &mut ReplyOrder) {
        if std::mem::take(&mut self.changed) {
            self.present.clear();
            self.present.extend(self.indices.iter().flatten());
            self.replies.order.clear();
        }
        let query = if self.dump { Query::All } else { Query::Some(&self.present) };
        (query, &mut self.replies)
    }

    /// The numbers of those that this poll has not found yet.
    pub(crate) fn missing(&self, tracked: &TrackedDevices<SwapRxTx>) -> Vec<u32> {
        let devices = self.indices.iter().enumerate().filter(|(device, _)| tracked.is_missing(*device));
        devices.filter_map(|(_, index)| *index).collect()
    }

    /// The tracked interface of this number.
    pub(crate) fn device_of(&self, index: u32) -> Option<usize> {
        self.replies.by_index.get(&index).copied()
    }

    /// Whether one dump queries all interfaces.
    pub(crate) fn dumps(&self) -> bool {
        self.dump
    }
}

/// Maps replies to tracked interfaces.
#[derive(Default)]
pub(crate) struct ReplyOrder {
    by_index: HashMap<u32, usize>,
    /// The replies of the last query: their order only changes when an interface appears or disappears.
    order: Vec<(u32, Option<usize>)>,
}

impl ReplyOrder {
    /// The interface of the reply at `position`, if it is tracked.
    #[inline]
    pub(crate) fn device_of(&mut self, position: usize, index: u32) -> Option<usize> {
        match self.order.get(position) {
            Some((remembered, device)) if *remembered == index => *device,
            _ => {
                let device = self.by_index.get(&index).copied();
                self.order.truncate(position);
                self.order.push((index, device));
                device
            }
        }
    }
}
