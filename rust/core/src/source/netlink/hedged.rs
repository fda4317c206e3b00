//! RTM_GETSTATS in a thread, and /proc/net/dev when it misses its deadline.
//!
//! The thread blocks while another task holds RTNL, but the poll waits only until the deadline. Then it reads
//! /proc/net/dev, which takes no lock, and sends no query until the thread is back: a driver that hangs in its firmware
//! for minutes costs one deadline, once.

use std::time::Duration;

use super::getstats::{self, SHOWN, find_missing};
use super::interfaces::NetlinkInterfaces;
use super::socket::{NetlinkSocket, Query};
use crate::error::Error;
use crate::fields::interface;
use crate::parse::link_stats;
use crate::parse::netdev::{self, Counters};
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::generation::RowGeneration;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::rows::{InterfaceRows, SwapRxTx};
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;
use crate::source::tracked_devices::TrackedDevices;
use crate::source::worker::Worker;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source, cost};

/// The shortest deadline. A wake-up and a query for 1,000 interfaces take the thread a third of this; on a machine
/// whose processors sleep between polls, one in a hundred takes nearly all of it.
const MIN_DEADLINE: Duration = Duration::from_millis(1);

/// A dump may become so many times as long before the source is selected again.
const MAX_GROWTH: usize = 4;

pub(crate) struct Hedged {
    worker: Worker<Request, Reply>,
    index: InterfaceIndex,
    interfaces: NetlinkInterfaces,
    file: LineFile<NetDevFormat>,
    tracked: TrackedDevices<SwapRxTx>,
    deadline: Duration,
    all: usize,
    /// System calls of the first query.
    first_calls: Option<usize>,
}

/// A `Query` that the thread can own.
#[derive(Default)]
struct Request {
    all: bool,
    indices: Vec<u32>,
}

#[derive(Default)]
struct Reply {
    links: Vec<Link>,
    failure: Option<Failure>,
    /// System calls of the query.
    calls: usize,
}

/// The counters of one interface.
struct Link {
    ifindex: u32,
    counters: Option<Counters>,
    time: i64,
}

impl Hedged {
    /// Queries the network namespace of the calling thread, which has `all` interfaces.
    pub(crate) fn open(roots: &Roots, path: &str, rows: &InterfaceRows, all: usize) -> Result<Hedged, Failure> {
        let index = InterfaceIndex::open()?;
        let mut socket = NetlinkSocket::open()?;
        let worker = Worker::start("vmiostat-link", None, move |request: &Request, reply: &mut Reply| {
            reply.links.clear();
            let outcome = socket.query(request.query(), |ifindex, attributes, time| {
                reply.links.push(Link { ifindex, counters: link_stats::counters(attributes), time });
            });
            (reply.failure, reply.calls) = (outcome.err(), socket.calls());
        })?;
        let mut file = LineFile::open(roots, path, rows.by_name());
        // Half of the time that the file takes here. The thread needs a fifth of that, and a poll that misses the
        // deadline and then reads the file takes at most twice as long as the file alone.
        let deadline = MIN_DEADLINE.max(file.time_to_read(rows.names.len()) / 2);
        let mut tracked = rows.tracked.clone();
        let mut interfaces =
            NetlinkInterfaces::new(rows.names.clone(), cost::one_dump_is_cheaper(rows.names.len(), all));
        let _ = file.find(|device| {
            interfaces.look_up(&index, &mut tracked, device);
            true
        });
        Ok(Hedged { worker, index, interfaces, file, tracked, deadline, all, first_calls: None })
    }
}

impl Request {
    fn write(&mut self, query: Query<'_>) {
        self.all = matches!(query, Query::All);
        self.indices.clear();
        if let Query::Some(indices) = query {
            self.indices.extend_from_slice(indices);
        }
    }

    fn query(&self) -> Query<'_> {
        if self.all { Query::All } else { Query::Some(&self.indices) }
    }
}

impl Source for Hedged {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let Hedged { worker, index, interfaces, file, tracked, deadline, first_calls, .. } = self;
        tracked.begin();
        let (query, order) = interfaces.query();
        let reply = worker.call(*deadline, |request| request.write(query));
        // On an error, as after too many interrupted dumps, the file still has the counters.
        let outcome = if let Some(reply) = reply.filter(|reply| reply.failure.is_none()) {
            first_calls.get_or_insert(reply.calls);
            for (position, link) in reply.links.iter().enumerate() {
                let Some(device) = order.device_of(position, link.ifindex) else { continue };
                let record = link.counters.as_ref().map(|counters| |swap_rx_tx| netdev::record(counters, swap_rx_tx));
                tracked.fill::<interface::Table>(device, rows, link.time, record);
            }
            if tracked.all_found() { Ok(()) } else { find_missing(interfaces, index, file, tracked) }
        } else {
            let outcome = file.read(rows, tracked);
            // The file has names only. Their numbers are looked up, which takes no lock either.
            file.read_until_sure(rows, tracked, outcome, |tracked, device| interfaces.check(index, tracked, device))
        };
        tracked.finish::<interface::Table>(rows, outcome);
    }

    fn reopening(&self) -> Option<Reopening> {
        self.file.reopening()
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Hedged { index, interfaces, file, tracked, .. } = self;
        getstats::reopened(opened, interfaces, index, file, tracked)
    }

    fn has_outgrown(&self) -> bool {
        let calls = self.worker.newest().map_or(0, |reply| reply.calls);
        self.first_calls.is_some_and(|first| calls > MAX_GROWTH * first)
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.tracked.problem(row, &self.file.shown)
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration, Option<u64>)) {
        self.tracked.each_generation(each);
    }

    fn explain(&self) -> Explanation {
        let (tracked, all) = (self.tracked.len(), self.all);
        Explanation {
            source: format!("{SHOWN}, by a thread; else {}", self.file.shown.display()),
            rows: self.tracked.rows(),
            system_calls: self.worker.newest().map_or(0, |reply| reply.calls),
            why: format!(
                "{tracked} of {all} interfaces: netlink is the cheapest route, in a thread, so that RTNL cannot block a \
                 poll; after {:?} the poll reads the file instead. The thread's system calls are counted, waking it and \
                 waiting for it are not",
                self.deadline
            ),
        }
    }
}
