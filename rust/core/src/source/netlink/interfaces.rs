//! The tracked interfaces by number, which is how RTM_GETSTATS names them.

use std::collections::HashMap;

use super::socket::Query;
use crate::source::Failure;
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::tracked_interfaces::TrackedInterfaces;
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;

/// The numbers of the verified interfaces.
pub(crate) struct NetlinkInterfaces {
    /// For single queries.
    numbers: Vec<u32>,
    /// What they were taken from.
    version: u64,
    replies: ReplyOrder,
    /// Whether to query all interfaces by one dump.
    dump: bool,
}

impl NetlinkInterfaces {
    pub(crate) fn new(dump: bool) -> NetlinkInterfaces {
        NetlinkInterfaces { numbers: Vec::new(), version: 0, replies: ReplyOrder::default(), dump }
    }

    /// Takes the numbers of all verified interfaces: after a change any of them may have another one, or another's.
    #[cold]
    fn renumber(&mut self, tracked: &TrackedInterfaces) {
        self.version = tracked.version();
        let by_index = &mut self.replies.by_index;
        by_index.clear();
        by_index.extend(tracked.verified().filter_map(|(device, id)| match id {
            DeviceId::Interface { index, .. } => Some((index, device)),
            _ => None,
        }));
        self.numbers.clear();
        self.numbers.extend(by_index.keys());
        self.numbers.sort_unstable();
        self.replies.order.clear();
    }

    /// The query for all verified interfaces, and the order of its replies.
    pub(crate) fn query(&mut self, tracked: &TrackedInterfaces) -> (Query<'_>, &mut ReplyOrder) {
        if self.version != tracked.version() {
            self.renumber(tracked);
        }
        let query = if self.dump { Query::All } else { Query::Some(&self.numbers) };
        (query, &mut self.replies)
    }

    /// The numbers of those that this reading has not found yet.
    pub(crate) fn missing(&self, tracked: &TrackedInterfaces) -> Vec<u32> {
        let missing = |number: &u32| self.device_of(*number).is_some_and(|device| tracked.is_missing(device));
        self.numbers.iter().copied().filter(missing).collect()
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

/// Searches the file for the names of interfaces that the reading has not found, if any interface has changed since the
/// last time. It fails if the file cannot be read: they may exist, or not.
pub(crate) fn find_missing(file: &mut LineFile<NetDevFormat>, tracked: &mut TrackedInterfaces) -> Result<(), Failure> {
    if tracked.all_found() || !tracked.take_news() {
        return Ok(());
    }
    let outcome = file.find(|device| {
        tracked.appeared(device);
        true
    });
    outcome.inspect_err(|_| tracked.expect_news())
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
