//! The tracked interfaces by number, which is how RTM_GETSTATS identifies them.

use std::collections::HashMap;

use rustix::io::Errno;

use super::socket::Query;
use crate::source::Failure;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::rows::SwapRxTx;
use crate::source::table_file::change_socket::ChangeSocket;
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;
use crate::source::tracked_devices::TrackedDevices;

/// The current number of each tracked interface. A number belongs to one interface only, so that a NIC that was
/// recreated under its name is recognized as another one, even between two polls.
pub(crate) struct NetlinkInterfaces {
    names: Vec<Box<[u8]>>,
    index: InterfaceIndex,
    /// Says when a missing interface may have appeared.
    changes: Option<ChangeSocket>,
    /// Whether missing interfaces have been looked up since the last change.
    is_known: bool,
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
    /// Looks up those of the calling thread's namespace that the file lists.
    pub(crate) fn open(
        names: Vec<Box<[u8]>>,
        dump: bool,
        file: &mut LineFile<NetDevFormat>,
        tracked: &mut TrackedDevices<SwapRxTx>,
    ) -> Result<NetlinkInterfaces, Errno> {
        let mut interfaces = NetlinkInterfaces {
            index: InterfaceIndex::open()?,
            changes: ChangeSocket::of_interfaces().ok(),
            is_known: false,
            indices: vec![None; names.len()],
            present: Vec::new(),
            replies: ReplyOrder::default(),
            changed: false,
            dump,
            names,
        };
        tracked.begin();
        // If the file cannot be read now, the first poll says so.
        let _ = interfaces.find_missing(file, tracked);
        Ok(interfaces)
    }

    /// Looks up interfaces that the poll has not found, if any have changed since the last time, so that the next poll
    /// finds one that was recreated under its name. It fails if the file cannot be read: they may exist, or not.
    #[cold]
    pub(crate) fn find_missing(
        &mut self,
        file: &mut LineFile<NetDevFormat>,
        tracked: &mut TrackedDevices<SwapRxTx>,
    ) -> Result<(), Failure> {
        // A change during the search is seen by the next poll.
        let changed = self.changes.as_mut().is_none_or(|changes| changes.any(&mut 0));
        if self.is_known && !changed {
            return Ok(());
        }
        self.is_known = false;
        let mut all_known = true;
        file.find(|device| {
            if tracked.is_missing(device) {
                all_known &= self.look_up(tracked, device);
            }
            true
        })?;
        self.is_known = all_known;
        Ok(())
    }

    /// Looks up the number of an existing interface; a new number means a new interface. Returns whether it is known.
    fn look_up(&mut self, tracked: &mut TrackedDevices<SwapRxTx>, device: usize) -> bool {
        let now = self.index.of(&self.names[device]);
        self.identify(tracked, device, now);
        now.is_ok()
    }

    /// Checks an existing interface; returns whether it is still the same, as `TrackedDevices::identify`.
    pub(crate) fn check(&mut self, tracked: &mut TrackedDevices<SwapRxTx>, device: usize) -> bool {
        let known = tracked.id(device).and_then(|known| u32::try_from(known).ok());
        let now = self.index.still(&self.names[device], known);
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
