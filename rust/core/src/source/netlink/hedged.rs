//! RTM_GETSTATS in a thread, and /proc/net/dev when it misses its deadline.
//!
//! The thread blocks while another task holds RTNL, but the poll waits only until the deadline. Then it reads
//! /proc/net/dev, which takes no lock, and sends no query until the thread is back: a driver that hangs in its firmware
//! for minutes costs one deadline, once.

use std::sync::Arc;
use std::time::Duration;

use super::getstats::SHOWN;
use super::interfaces::{NetlinkInterfaces, find_missing};
use super::link_thread::LinkThread;
use crate::error::Error;
use crate::fields::interface;
use crate::parse::netdev;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::identity::generation::RowGeneration;
use crate::source::identity::interfaces::Interfaces;
use crate::source::identity::tracked_interfaces::TrackedInterfaces;
use crate::source::identity::verified_read::read_verified;
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source, cost};

/// The shortest deadline. A wake-up and a query for 1,000 interfaces take the thread a third of this; on a machine
/// whose processors sleep between polls, one in a hundred takes nearly all of it.
const MIN_DEADLINE: Duration = Duration::from_millis(1);

/// The longest deadline, also where the file was slow when it was measured.
const MAX_DEADLINE: Duration = Duration::from_millis(10);
/// A dump may become so many times as long before the source is selected again.
const MAX_GROWTH: usize = 4;

pub(crate) struct Hedged {
    thread: LinkThread,
    interfaces: NetlinkInterfaces,
    file: LineFile<NetDevFormat>,
    tracked: TrackedInterfaces,
    identity: Interfaces,
    deadline: Duration,
    all: usize,
    /// System calls of the last poll.
    calls: usize,
    /// System calls of the first query.
    first_calls: Option<usize>,
}

impl Hedged {
    /// Queries the network namespace of the calling thread, which has `all` interfaces.
    pub(crate) fn open(
        roots: &Arc<Roots>,
        path: &str,
        tracked: &TrackedInterfaces,
        all: usize,
    ) -> Result<Hedged, Failure> {
        let (thread, identity, mut tracked) =
            (LinkThread::start()?, Interfaces::at_once(roots, path)?, tracked.clone());
        let mut file = LineFile::open(roots, path, &tracked);
        let deadline = deadline(file.time_to_read(tracked.len()));
        file.identify(&mut tracked, &identity);
        let interfaces = NetlinkInterfaces::new(cost::one_dump_is_cheaper(tracked.len(), all));
        Ok(Hedged { thread, interfaces, file, tracked, identity, deadline, all, calls: 0, first_calls: None })
    }
}

/// Half of the time that the file takes here. The thread needs a fifth of that, and a poll that misses the deadline and
/// then reads the file takes at most twice as long as the file alone.
fn deadline(time_of_file: Duration) -> Duration {
    (time_of_file / 2).clamp(MIN_DEADLINE, MAX_DEADLINE)
}

impl Source for Hedged {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let Hedged { thread, interfaces, file, tracked, identity, deadline, calls, first_calls, .. } = self;
        *calls = 0;
        let outcome = read_verified(Some(identity), tracked, rows, calls, |rows, tracked, calls| {
            let (query, order) = interfaces.query(tracked);
            let reply = thread.query(query, *deadline);
            // On an error, as after too many interrupted dumps, the file still has the counters.
            let Some(reply) = reply.filter(|reply| reply.failure.is_none()) else {
                let outcome = file.read(rows, tracked);
                *calls += file.calls();
                return outcome;
            };
            *calls += reply.calls;
            first_calls.get_or_insert(reply.calls);
            for (position, link) in reply.links.iter().enumerate() {
                let Some(device) = order.device_of(position, link.ifindex) else { continue };
                let record = link.counters.as_ref().map(|counters| |swap_rx_tx| netdev::record(counters, swap_rx_tx));
                tracked.fill::<interface::Table>(device, rows, link.time, record);
            }
            find_missing(file, tracked)
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

    fn has_outgrown(&self) -> bool {
        let calls = self.thread.newest().map_or(0, |reply| reply.calls);
        // A query for each interface takes more calls while others hold RTNL.
        self.interfaces.dumps() && self.first_calls.is_some_and(|first| calls > MAX_GROWTH * first)
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.tracked.problem(row, &self.file.shown)
    }

    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration)) {
        self.tracked.each_generation(each);
    }

    fn explain(&self) -> Explanation {
        let (tracked, all) = (self.tracked.len(), self.all);
        Explanation {
            source: format!("{SHOWN}, by a thread; else {}", self.file.shown.display()),
            rows: self.tracked.rows(),
            system_calls: self.calls,
            why: format!(
                "{tracked} of {all} interfaces: netlink is the cheapest route, in a thread, so that RTNL cannot block a \
                 poll; after {:?} the poll reads the file instead. The thread's system calls are counted, waking it and \
                 waiting for it are not",
                self.deadline
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use super::super::getstats::Rtnetlink;
    use super::*;
    use crate::fields::Table;
    use crate::source::identity::tracked_interfaces::{Named, tracked};
    use crate::source::net::made_namespace::{in_network_namespace, ip_batch};
    use crate::source::net::namespace::THREAD_NET_DEV;
    use crate::source::table_file::netdev::NetDev;
    use crate::state::State;

    fn states(source: &mut dyn Source) -> Vec<State> {
        let mut words = vec![0; 2 * interface::WORDS];
        let memory = bytemuck::cast_slice_mut(&mut words);
        source.read(&mut Rows::new(memory, 2, interface::SIZE, interface::Table::SIZE).unwrap());
        let (records, _) = words.as_chunks::<{ interface::WORDS }>();
        records.iter().map(|record| State::from_word(record[interface::state]).unwrap()).collect()
    }

    /// Reads of files by this thread so far, this one included. The kernel does not count recv().
    fn reads_of_files() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        text.lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok()).unwrap()
    }

    #[test]
    fn a_missing_interface_is_searched_only_after_a_change() {
        in_network_namespace(|| {
            let roots = Arc::new(Roots::machine().unwrap());
            let named = |name, row| Named { name, row, swap_rx_tx: false, index: None };
            let rows = tracked(&[named(b"lo", 0), named(b"late", 1)]);
            let mut hedged = Hedged::open(&roots, THREAD_NET_DEV, &rows, 2).unwrap();
            hedged.deadline = Duration::from_secs(10);
            let mut netlink = Rtnetlink::open(&roots, THREAD_NET_DEV, &rows, 2).unwrap();
            for source in [&mut hedged as &mut dyn Source, &mut netlink] {
                // The first poll hears of earlier changes after its reading, and the second one searches.
                (0..2).for_each(|_| assert_eq!(states(source), [State::Ok, State::Gone]));
                let before = reads_of_files();
                let idle = reads_of_files() - before;
                (0..100).for_each(|_| assert_eq!(states(source), [State::Ok, State::Gone]));
                assert_eq!(reads_of_files(), before + 2 * idle);
                for _ in 0..3 {
                    ip_batch("link add late type veth peer name other\n");
                    states(source);
                    assert_eq!(states(source), [State::Ok, State::Ok]);
                    ip_batch("link del late\n");
                    assert_eq!(states(source), [State::Ok, State::Gone]);
                }
            }
        });
    }

    #[test]
    fn a_name_that_is_no_utf_8() {
        in_network_namespace(|| {
            let name = b"tap\xff\xfe";
            let mut ip = Command::new("ip");
            ip.args(["link", "add", "name"]).arg(OsStr::from_bytes(name)).args(["type", "veth"]);
            assert!(ip.status().unwrap().success());
            let roots = Arc::new(Roots::machine().unwrap());
            let named = |name, row| Named { name, row, swap_rx_tx: false, index: None };
            let rows = tracked(&[named(b"lo", 0), named(name, 1)]);
            let mut file = NetDev::open(&roots, THREAD_NET_DEV, None, rows.clone(), String::new());
            let mut netlink = Rtnetlink::open(&roots, THREAD_NET_DEV, &rows, 2).unwrap();
            for source in [&mut file as &mut dyn Source, &mut netlink] {
                assert_eq!(states(source), [State::Ok, State::Ok]);
            }
        });
    }

    #[test]
    fn the_deadline_follows_the_file_within_limits() {
        let ms = Duration::from_millis;
        assert_eq!(deadline(ms(0)), MIN_DEADLINE);
        assert_eq!(deadline(ms(9)), ms(9) / 2);
        assert_eq!(deadline(ms(86)), MAX_DEADLINE);
        assert_eq!(deadline(ms(3_600_000)), MAX_DEADLINE);
    }
}
