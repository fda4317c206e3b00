//! RTM_GETSTATS in the poll itself: the cheapest route to the counters of interfaces, but every poll waits for RTNL
//! (see `socket.rs`).

use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::interfaces::{NetlinkInterfaces, find_missing};
use super::socket::{NetlinkSocket, Query};
use crate::error::Error;
use crate::fields::interface;
use crate::parse::{link_stats, netdev};
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::identity::generation::RowGeneration;
use crate::source::identity::interfaces::Interfaces;
use crate::source::identity::tracked_interfaces::TrackedInterfaces;
use crate::source::identity::verified_read::read_verified;
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source, cost};

/// Shown in place of a path.
pub(crate) const SHOWN: &str = "rtnetlink (RTM_GETSTATS)";

pub(crate) struct Rtnetlink {
    socket: NetlinkSocket,
    interfaces: NetlinkInterfaces,
    /// Read only when an interface is missing and some have changed, to see whether its name is back.
    file: LineFile<NetDevFormat>,
    tracked: TrackedInterfaces,
    identity: Interfaces,
    /// The number of interfaces in the namespace when it was opened.
    all: usize,
    /// System calls of the last poll.
    calls: usize,
}

impl Rtnetlink {
    /// Queries the network namespace of the calling thread, which has `all` interfaces.
    pub(crate) fn open(
        roots: &Arc<Roots>,
        path: &str,
        tracked: &TrackedInterfaces,
        all: usize,
    ) -> Result<Rtnetlink, Failure> {
        let (socket, identity, mut tracked) =
            (NetlinkSocket::open()?, Interfaces::at_once(roots, path)?, tracked.clone());
        let mut file = LineFile::open(roots, path, &tracked);
        file.identify(&mut tracked, &identity);
        let interfaces = NetlinkInterfaces::new(cost::one_dump_is_cheaper(tracked.len(), all));
        Ok(Rtnetlink { socket, interfaces, file, tracked, identity, all, calls: 0 })
    }
}

impl Source for Rtnetlink {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let Rtnetlink { socket, interfaces, file, tracked, identity, calls, .. } = self;
        *calls = 0;
        let outcome = read_verified(Some(identity), tracked, rows, calls, |rows, tracked, calls| {
            let mut position = 0;
            let (query, order) = interfaces.query(tracked);
            let mut outcome = socket.query(query, |index, attributes, time| {
                let device = order.device_of(position, index);
                position += 1;
                let Some(device) = device else { return };
                fill(tracked, rows, device, attributes, time);
            });
            *calls += socket.calls();
            if matches!(outcome, Err(Failure::Errno(Errno::INTR))) {
                // Changes have interrupted every dump. A single query cannot be interrupted.
                let missing = interfaces.missing(tracked);
                outcome = socket.query(Query::Some(&missing), |index, attributes, time| {
                    let Some(device) = interfaces.device_of(index) else { return };
                    fill(tracked, rows, device, attributes, time);
                });
                *calls += socket.calls();
            }
            let found = find_missing(file, tracked);
            outcome.and(found)
        });
        tracked.finish::<interface::Table>(rows, outcome);
    }

    fn reopening(&self) -> Option<Reopening> {
        self.file.reopening()
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        self.tracked.expect_news();
        self.file.reopened(opened)
    }

    fn catch_up(&mut self) {
        self.tracked.drain(&mut self.identity, &mut 0);
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.tracked.problem(row, Path::new(SHOWN))
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.tracked.each_generation(each);
    }

    fn explain(&self) -> Explanation {
        let (tracked, all) = (self.tracked.len(), self.all);
        let why = if self.interfaces.dumps() {
            format!("one dump of all {all} interfaces is cheaper than {tracked} queries")
        } else {
            format!("{tracked} queries are cheaper than a dump of all {all} interfaces")
        };
        Explanation { source: SHOWN.to_owned(), rows: self.tracked.rows(), system_calls: self.calls, why }
    }
}

fn fill(tracked: &mut TrackedInterfaces, rows: &mut Rows<'_>, device: usize, attributes: &[u8], time: i64) {
    let Some(counters) = link_stats::counters(attributes) else {
        return fill_large(tracked, rows, device, attributes, time);
    };
    let record = |swap_rx_tx| netdev::record(&counters, swap_rx_tx);
    tracked.fill::<interface::Table>(device, rows, time, Some(record));
}

#[cold]
fn fill_large(tracked: &mut TrackedInterfaces, rows: &mut Rows<'_>, device: usize, attributes: &[u8], time: i64) {
    let counters = link_stats::large_counters(attributes);
    let record = counters.as_ref().map(|counters| |swap_rx_tx| netdev::record(counters, swap_rx_tx));
    tracked.fill::<interface::Table>(device, rows, time, record);
}
