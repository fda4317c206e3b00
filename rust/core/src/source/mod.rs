//! The kernel's counter files, one module each: handles that are opened once, then only read.

mod block_stat;
pub(crate) mod choice;
mod diskstats;
mod kept_open;
mod line_table;
mod lines;
mod netdev;
mod row;
mod uncounted;
mod watched;
mod xen_vbd;

use std::path::PathBuf;

use rustix::io::Errno;

use crate::error::Error;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::state::State;

/// Some rows of one table, and the handles that they are read from.
pub(crate) trait Source: Send {
    /// Writes each of its rows, whatever the kernel says: a row that has no numbers says why in its state.
    fn read(&mut self, rows: &mut Rows<'_>);

    /// Opens what could not be opened before, or has gone bad; how many handles that gave.
    fn reopen(&mut self, roots: &Roots) -> usize;

    /// What lies behind the state of a row, if the row is of this source and has such a problem.
    fn problem(&self, row: usize) -> Option<Error>;
}

/// Why a source, or one handle of it, has no numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Errno(Errno),
    Malformed(&'static str),
}

impl Failure {
    /// The state of the rows that it costs.
    fn state(self) -> State {
        match self {
            // sysfs answers ENODEV once the device behind an open file is removed, also when one of the same name is back.
            Failure::Errno(Errno::NOENT | Errno::NODEV | Errno::NXIO) => State::Gone,
            Failure::Errno(_) | Failure::Malformed(_) => State::Unreadable,
        }
    }

    fn error(self, path: PathBuf) -> Error {
        match self {
            Failure::Errno(errno) => Error::Read { path, errno },
            Failure::Malformed(what) => Error::Malformed { path, what },
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
            Error::Size { .. } | Error::Buffer { .. } => Failure::Malformed("not a file"),
        }
    }
}
