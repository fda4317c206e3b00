//! The thread that queries netlink for the hedged route.

use std::sync::Mutex;
use std::time::Duration;

use super::socket::{NetlinkSocket, Query};
use crate::parse::link_stats;
use crate::parse::netdev::Counters;
use crate::source::Failure;
use crate::source::net::namespace;
use crate::source::worker::abandoned::Abandoned;
use crate::source::worker::{LOCK, Worker, try_lock};

/// The network namespace of the thread's socket (`namespace::of_this_thread`).
type Namespace = (u64, u64);
type LinkWorker = Worker<Request, Reply>;

/// Threads that RTNL still blocked when their source was dropped. The next source of that namespace takes one over, so
/// that plans and pollers that come and go while RTNL is held leave no more threads than are open at the same time.
static STUCK: Mutex<Vec<(Namespace, Abandoned<Request, Reply>)>> = Mutex::new(Vec::new());

pub(super) struct LinkThread {
    worker: LinkWorker,
    namespace: Namespace,
}

/// A `Query` that the thread can own.
#[derive(Default)]
pub(super) struct Request {
    all: bool,
    indices: Vec<u32>,
}

#[derive(Default)]
pub(super) struct Reply {
    pub(super) links: Vec<Link>,
    pub(super) failure: Option<Failure>,
    /// System calls of the query.
    pub(super) calls: usize,
}

/// The counters of one interface.
pub(super) struct Link {
    pub(super) ifindex: u32,
    pub(super) counters: Option<Counters>,
    pub(super) time: i64,
}

impl LinkThread {
    /// Queries the network namespace of the calling thread.
    pub(super) fn start() -> Result<LinkThread, Failure> {
        LinkThread::start_with(namespace::of_this_thread()?, || {
            let mut socket = NetlinkSocket::open()?;
            Worker::start("vmiostat-link", None, move |request: &Request, reply: &mut Reply| {
                reply.links.clear();
                let outcome = socket.query(request.query(), |ifindex, attributes, time| {
                    let counters = link_stats::counters(attributes).or_else(|| link_stats::large_counters(attributes));
                    reply.links.push(Link { ifindex, counters, time });
                });
                (reply.failure, reply.calls) = (outcome.err(), socket.calls());
            })
        })
    }

    fn start_with(
        namespace: Namespace,
        start: impl FnOnce() -> Result<LinkWorker, Failure>,
    ) -> Result<LinkThread, Failure> {
        let stuck = try_lock(&STUCK, LOCK).and_then(|stuck| {
            stuck.iter().filter(|(own, _)| *own == namespace).find_map(|(_, thread)| thread.take_over())
        });
        let worker = stuck.map_or_else(start, Ok)?;
        Ok(LinkThread { worker, namespace })
    }

    /// Queries; None if the reply misses the deadline, or at once while the thread is blocked.
    pub(super) fn query(&mut self, query: Query<'_>, deadline: Duration) -> Option<&Reply> {
        self.worker.call(deadline, |request| request.write(query))
    }

    /// The newest reply.
    pub(super) fn newest(&self) -> Option<&Reply> {
        self.worker.newest()
    }
}

impl Drop for LinkThread {
    fn drop(&mut self) {
        if let Some(mut stuck) = try_lock(&STUCK, LOCK) {
            stuck.retain(|(_, thread)| !thread.has_ended());
            stuck.push((self.namespace, self.worker.abandoned()));
        }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn plans_that_come_and_go_during_a_long_hold_of_rtnl_share_their_stuck_threads() {
        let (send, receive) = channel::<()>();
        let (receive, mut threads) = (Arc::new(Mutex::new(receive)), 0);
        let mut open = || {
            let rtnl = Arc::clone(&receive);
            let blocked = move |_: &Request, _: &mut Reply| {
                let _ = rtnl.lock().unwrap().recv();
            };
            LinkThread::start_with((1, 1), || {
                threads += 1;
                Worker::start("test", None, blocked)
            })
            .unwrap()
        };
        let deadline = Duration::from_millis(5);
        let mut plan = open();
        for _ in 0..50 {
            assert!(plan.query(Query::All, deadline).is_none());
            // The next plan is opened before this one is dropped.
            let next = open();
            plan = next;
        }
        drop(plan);
        assert_eq!(threads, 2);
        // A stuck thread of another namespace is of no use.
        let elsewhere = LinkThread::start_with((1, 2), || Err(Failure::Malformed("another thread is started")));
        assert!(elsewhere.is_err());
        drop(send);
    }
}
