//! RTM_GETSTATS in the poll itself: the cheapest route to the counters of interfaces, but every poll waits for RTNL
//! (see `socket.rs`).

use std::path::Path;

use rustix::io::Errno;

use super::interfaces::NetlinkInterfaces;
use super::socket::{NetlinkSocket, Query};
use crate::error::Error;
use crate::fields::interface;
use crate::parse::{link_stats, netdev};
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::generation::RowGeneration;
use crate::source::net::rows::{InterfaceRows, SwapRxTx};
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;
use crate::source::tracked_devices::TrackedDevices;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source, cost};

/// Shown in place of a path.
pub(crate) const SHOWN: &str = "rtnetlink (RTM_GETSTATS)";

pub(crate) struct Rtnetlink {
    socket: NetlinkSocket,
    interfaces: NetlinkInterfaces,
    /// Read only when an interface is missing and some have changed, to see whether its name is back.
    file: LineFile<NetDevFormat>,
    tracked: TrackedDevices<SwapRxTx>,
    /// The number of interfaces in the namespace when it was opened.
    all: usize,
}

impl Rtnetlink {
    /// Queries the network namespace of the calling thread, which has `all` interfaces.
    pub(crate) fn open(roots: &Roots, path: &str, rows: &InterfaceRows, all: usize) -> Result<Rtnetlink, Failure> {
        let socket = NetlinkSocket::open()?;
        let mut tracked = rows.tracked.clone();
        let dump = cost::one_dump_is_cheaper(rows.names.len(), all);
        let mut file = LineFile::open(roots, path, rows.by_name());
        let interfaces = NetlinkInterfaces::open(rows.names.clone(), dump, &mut file, &mut tracked)?;
        Ok(Rtnetlink { socket, interfaces, file, tracked, all })
    }
}

impl Source for Rtnetlink {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let Rtnetlink { socket, interfaces, file, tracked, .. } = self;
        tracked.begin();
        let mut position = 0;
        let (query, order) = interfaces.query();
        let mut outcome = socket.query(query, |index, attributes, time| {
            let device = order.device_of(position, index);
            position += 1;
            let Some(device) = device else { return };
            fill(tracked, rows, device, attributes, time);
        });
        if matches!(outcome, Err(Failure::Errno(Errno::INTR))) {
            // Changes have interrupted every dump. A single query cannot be interrupted.
            let missing = interfaces.missing(tracked);
            outcome = socket.query(Query::Some(&missing), |index, attributes, time| {
                let Some(device) = interfaces.device_of(index) else { return };
                fill(tracked, rows, device, attributes, time);
            });
        }
        if !tracked.all_found() {
            let found = interfaces.find_missing(file, tracked);
            tracked.finish::<interface::Table>(rows, outcome.and(found));
        }
    }

    fn reopening(&self) -> Option<Reopening> {
        self.file.reopening()
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Rtnetlink { interfaces, file, tracked, .. } = self;
        reopened(opened, interfaces, file, tracked)
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.tracked.problem(row, Path::new(SHOWN))
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration, Option<u64>)) {
        self.tracked.each_generation(each);
    }

    fn explain(&self) -> Explanation {
        let (tracked, all) = (self.tracked.len(), self.all);
        let why = if self.interfaces.dumps() {
            format!("one dump of all {all} interfaces is cheaper than {tracked} queries")
        } else {
            format!("{tracked} queries are cheaper than a dump of all {all} interfaces")
        };
        Explanation { source: SHOWN.to_owned(), rows: self.tracked.rows(), system_calls: self.socket.calls(), why }
    }
}

fn fill(tracked: &mut TrackedDevices<SwapRxTx>, rows: &mut Rows<'_>, device: usize, attributes: &[u8], time: i64) {
    let counters = link_stats::counters(attributes);
    let record = counters.as_ref().map(|counters| |swap_rx_tx| netdev::record(counters, swap_rx_tx));
    tracked.fill::<interface::Table>(device, rows, time, record);
}

/// Takes over the file, which could not be opened before, and looks up missing interfaces at once.
pub(crate) fn reopened(
    opened: Reopened,
    interfaces: &mut NetlinkInterfaces,
    file: &mut LineFile<NetDevFormat>,
    tracked: &mut TrackedDevices<SwapRxTx>,
) -> usize {
    let opened = file.reopened(opened);
    if opened > 0 {
        // If it cannot be read, the next poll says so.
        let _ = interfaces.find_missing(file, tracked);
    }
    opened
}
