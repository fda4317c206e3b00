//! The thread that queries a network card for its virtual functions.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::socket::NetlinkSocket;
use crate::clock::monotonic_ns;
use crate::parse::netdev::Counters;
use crate::parse::vf_stats::{self, Function};
use crate::roots::Roots;
use crate::source::Failure;
use crate::source::net::namespace;
use crate::source::worker::{Repeat, Worker};

/// A poll requests the next query. The repetition keeps replies fresh for polls every ten seconds, and the pause leaves
/// RTNL to others.
pub(super) const REPEAT: Repeat = Repeat { interval: Duration::from_secs(1), for_at_most: Duration::from_secs(60) };

const NOT_COUNTED: Failure = Failure::Malformed("the kernel does not count virtual functions (Linux 4.2 and later do)");

/// A physical function: the network namespace and the name of its interface.
pub(crate) type Card = (Option<PathBuf>, OsString);
pub(super) type CardWorker = Worker<(), Reply>;
/// A card's thread, or why there is none.
pub(super) type CardThread = Result<Arc<Mutex<CardWorker>>, Failure>;

/// A card's reply.
#[derive(Default)]
pub(super) struct Reply {
    /// When it came: the card was queried after the wait for RTNL.
    pub(super) time: i64,
    /// The number of the physical function's interface.
    pub(super) index: u32,
    pub(super) functions: Vec<Function>,
    pub(super) failure: Option<Failure>,
    /// System calls of the query.
    pub(super) calls: usize,
}

impl Reply {
    /// A function's counters; ENODEV if the card or the function does not exist.
    pub(super) fn function(&self, number: u32) -> Result<&Counters, Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let found = self.functions.iter().find(|(own, _)| *own == number).ok_or(Failure::Errno(Errno::NODEV))?;
        found.1.as_ref().ok_or(NOT_COUNTED)
    }
}

/// The newest reply is consistent even after a panic.
pub(super) fn lock(worker: &Mutex<CardWorker>) -> MutexGuard<'_, CardWorker> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread of a card, with a socket in the card's network namespace, and its first query.
pub(super) fn start(roots: &Roots, (namespace, device): &Card) -> CardThread {
    if !roots.has_this_network() {
        return Err(namespace::CAPTURED);
    }
    let mut socket = match namespace {
        None => NetlinkSocket::open()?,
        Some(namespace) => namespace::within(roots, namespace, NetlinkSocket::open)??,
    };
    let device = device.clone();
    let mut worker = CardWorker::start("vmiostat-card", Some(REPEAT), move |(), reply: &mut Reply| {
        reply.functions.clear();
        let outcome = socket.query_link(device.as_bytes(), |index, attributes, time| {
            (reply.index, reply.time) = (index, time);
            reply.functions.extend(vf_stats::functions(attributes));
        });
        if outcome.is_err() {
            reply.time = monotonic_ns();
        }
        (reply.failure, reply.calls) = (outcome.err(), socket.calls());
    })?;
    worker.refresh();
    Ok(Arc::new(Mutex::new(worker)))
}
