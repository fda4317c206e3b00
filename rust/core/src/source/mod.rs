//! The kernel's counter files, one module each: handles that are opened once, then only read.

mod block_sizes;
mod cost;
mod device_files;
mod diskseq;
pub(crate) mod generation;
pub(crate) mod net;
mod netlink;
pub(crate) mod selection;
mod table_file;
mod tracked_devices;
mod unsupported;
mod vmm_reported;

use std::any::Any;
use std::collections::HashMap;
use std::path::PathBuf;

use rustix::io::Errno;

use generation::Occupant;

use crate::error::Error;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::state::State;

/// Some rows of one table, and the handles that they are read from.
pub(crate) trait Source: Send {
    /// Writes each of its rows, whatever the kernel says: a row that has no numbers says why in its state.
    fn read(&mut self, rows: &mut Rows<'_>);

    /// What opens anew what could not be opened before, or has gone bad. It is done while polls go on.
    fn reopening(&self) -> Option<Reopening> {
        None
    }

    /// Puts in place what that opened; how many handles it was.
    fn reopened(&mut self, _opened: Reopened) -> usize {
        0
    }

    /// What lies behind the state of a row, if the row is of this source and has such a problem.
    fn problem(&self, row: usize) -> Option<Error>;

    /// What the last poll did.
    fn explain(&self) -> Explanation;

    /// Which device stands in each of its rows, and that device's own number where it is known.
    fn each_occupant(&mut self, each: &mut dyn FnMut(usize, &mut Occupant, Option<u64>));

    /// Each row's open handle, where it has one that another plan's source can read, too.
    fn each_handle(&self, _each: &mut dyn FnMut(usize, OpenHandle)) {}
}

/// Opens files, and may take its time.
pub(crate) type Reopening = Box<dyn FnOnce(&Roots) -> Reopened + Send>;

/// What was opened; the source whose `reopening` it was knows what it is.
pub(crate) type Reopened = Box<dyn Any + Send>;

/// A handle that is open already. What it is, and of which device, is known to the source that takes it.
pub(crate) type OpenHandle = Box<dyn Any + Send>;

/// Handles that are open already, by the row that they are for.
pub(crate) type OpenHandles = HashMap<usize, OpenHandle>;

/// What a source does in a poll, and why it and no other reads these rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is read.
    pub source: String,
    /// Rows that it fills.
    pub rows: usize,
    /// System calls that it took in the last poll.
    pub system_calls: usize,
    /// Why it was chosen; a sentence.
    pub why: String,
}

/// Why a source, or one handle of it, has no numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Errno(Errno),
    Malformed(&'static str),
    /// There is a device, and it is not the one that the row is about.
    Another,
}

const ANOTHER: &str = "another device has its place now";

impl Failure {
    /// The state of the rows that it costs.
    fn state(self) -> State {
        match self {
            // sysfs answers ENODEV once the device behind an open file is removed, also when one of the same name is back.
            // procfs answers ESRCH once the process has.
            Failure::Errno(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::SRCH) | Failure::Another => State::Gone,
            Failure::Errno(_) | Failure::Malformed(_) => State::Unreadable,
        }
    }

    fn error(self, path: PathBuf) -> Error {
        match self {
            Failure::Errno(errno) => Error::Read { path, errno },
            Failure::Malformed(what) => Error::Malformed { path, what },
            Failure::Another => Error::Malformed { path, what: ANOTHER },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Errno(errno) => std::io::Error::from(*errno).fmt(formatter),
            Failure::Malformed(what) => what.fmt(formatter),
            Failure::Another => ANOTHER.fmt(formatter),
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Errno(errno)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Read { errno, .. } => Failure::Errno(errno),
            Error::Malformed { what, .. } => Failure::Malformed(what),
            Error::Forked
            | Error::Memory { .. }
            | Error::Unanswered { .. }
            | Error::Size { .. }
            | Error::Buffer { .. } => Failure::Malformed("not a file"),
        }
    }
}
