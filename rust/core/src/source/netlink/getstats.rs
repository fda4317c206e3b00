//! RTM_GETSTATS, asked by the poll itself: the cheapest way to an interface's counters, and one that is held up by whoever
//! holds RTNL (see `socket.rs`).

use std::path::Path;

use rustix::io::Errno;

use super::interfaces::NetlinkInterfaces;
use super::socket::{NetlinkSocket, Question};
use crate::error::Error;
use crate::fields::interface;
use crate::parse::{link_stats, netdev};
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::generation::Occupant;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::rows::{InterfaceRows, Swapped};
use crate::source::table_file::line_table::LineFile;
use crate::source::table_file::netdev::NetDevFormat;
use crate::source::tracked_devices::Watched;
use crate::source::{Explanation, Failure, Reopened, Reopening, Source, cost};

/// What stands where another source's file is named.
pub(crate) const SHOWN: &str = "rtnetlink (RTM_GETSTATS)";

pub(crate) struct Rtnetlink {
    socket: NetlinkSocket,
    index: InterfaceIndex,
    interfaces: NetlinkInterfaces,
    /// Read only while an interface is missing: whether one of its name is back.
    file: LineFile<NetDevFormat>,
    watched: Watched<Swapped>,
    /// Interfaces of the namespace when it was opened.
    all: usize,
}

impl Rtnetlink {
    /// Asks in the network namespace of the calling thread, which has `all` interfaces.
    pub(crate) fn open(roots: &Roots, path: &str, rows: &InterfaceRows, all: usize) -> Result<Rtnetlink, Failure> {
        let (socket, index) = (NetlinkSocket::open()?, InterfaceIndex::open()?);
        let mut watched = rows.watched.clone();
        let dump = cost::one_dump_is_cheaper(rows.names.len(), all);
        let mut interfaces = NetlinkInterfaces::new(rows.names.clone(), dump);
        let mut file = LineFile::open(roots, path, rows.by_name());
        let _ = file.find(|device| {
            interfaces.look_up(&index, &mut watched, device);
            true
        });
        Ok(Rtnetlink { socket, index, interfaces, file, watched, all })
    }
}

impl Source for Rtnetlink {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let Rtnetlink { socket, index, interfaces, file, watched, .. } = self;
        watched.begin();
        let mut position = 0;
        let (question, order) = interfaces.ask();
        let mut outcome = socket.ask(question, |index, attributes, time| {
            let device = order.device_of(position, index);
            position += 1;
            let Some(device) = device else { return };
            fill(watched, rows, device, attributes, time);
        });
        if matches!(outcome, Err(Failure::Errno(Errno::INTR))) {
            // Changes have interrupted each dump. No answer to a question about one interface can be.
            let missing = interfaces.missing(watched);
            outcome = socket.ask(Question::Some(&missing), |index, attributes, time| {
                let Some(device) = interfaces.device_of(index) else { return };
                fill(watched, rows, device, attributes, time);
            });
        }
        if !watched.all_found() {
            let followed = follow(interfaces, index, file, watched);
            watched.finish::<interface::Table>(rows, outcome.and(followed));
        }
    }

    fn reopening(&self) -> Option<Reopening> {
        self.file.reopening()
    }

    fn reopened(&mut self, opened: Reopened) -> usize {
        let Rtnetlink { index, interfaces, file, watched, .. } = self;
        reopened(opened, interfaces, index, file, watched)
    }

    fn problem(&self, row: usize) -> Option<Error> {
        self.watched.problem(row, Path::new(SHOWN))
    }

    fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {
        self.watched.each_occupant(each);
    }

    fn explain(&self) -> Explanation {
        let (watched, all) = (self.watched.len(), self.all);
        let why = if self.interfaces.dumps() {
            format!("one dump of all {all} interfaces is cheaper than {watched} questions")
        } else {
            format!("{watched} questions are cheaper than a dump of all {all} interfaces")
        };
        Explanation { source: SHOWN.to_owned(), rows: self.watched.rows(), system_calls: self.socket.calls(), why }
    }
}

fn fill(watched: &mut Watched<Swapped>, rows: &mut Rows<'_>, device: usize, attributes: &[u8], time: i64) {
    let counters = link_stats::counters(attributes);
    let record = counters.as_ref().map(|counters| |swapped| netdev::record(counters, swapped));
    watched.fill::<interface::Table>(device, rows, time, record);
}

/// Takes the file, which could not be opened before, and looks at once for what it tells of.
pub(crate) fn reopened(
    opened: Reopened,
    interfaces: &mut NetlinkInterfaces,
    index: &InterfaceIndex,
    file: &mut LineFile<NetDevFormat>,
    watched: &mut Watched<Swapped>,
) -> usize {
    let opened = file.reopened(opened);
    if opened > 0 {
        // That it cannot be read is what the next poll will tell.
        let _ = follow(interfaces, index, file, watched);
    }
    opened
}

/// Looks for interfaces that a poll has not found: one that was made anew under its name is found by the next poll. Where
/// the file cannot be read it is not known whether they are there.
#[cold]
pub(crate) fn follow(
    interfaces: &mut NetlinkInterfaces,
    index: &InterfaceIndex,
    file: &mut LineFile<NetDevFormat>,
    watched: &mut Watched<Swapped>,
) -> Result<(), Failure> {
    file.find(|device| {
        if watched.is_missing(device) {
            interfaces.look_up(index, watched, device);
        }
        true
    })
}
