//! Sources of counters: each keeps its handles open and fills some rows of a table.

mod block_sizes;
mod cost;
mod device_files;
pub(crate) mod identity;
#[cfg(test)]
mod identity_model;
pub(crate) mod net;
mod netlink;
mod process_io;
pub(crate) mod selection;
mod table_file;
mod vmm_reported;
mod without_counters;
pub(crate) mod worker;

use std::any::Any;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use identity::generation::RowGeneration;

use crate::error::Error;
use crate::roots::Roots;
use crate::rows::Rows;
use crate::state::State;

/// Fills some rows of one table from open handles.
pub(crate) trait Source: Send {
    /// Writes each of its rows, even if the kernel fails: the state of a row without counters says why.
    fn read(&mut self, rows: &mut Rows<'_>);

    /// Opens handles that could not be opened before or were lost; None if there are none. It runs while polls go on.
    fn reopening(&self) -> Option<Reopening> {
        None
    }

    /// Takes over what `reopening` opened; returns the number of handles.
    fn reopened(&mut self, _opened: Reopened) -> usize {
        0
    }

    /// Whether a poll takes far more system calls than the first one did: another source may be cheaper by now.
    fn has_outgrown(&self) -> bool {
        false
    }

    /// Why a row of this source has no counters; None if it has, or belongs to another source.
    fn problem(&self, row: usize) -> Option<Error>;

    /// Describes the last poll.
    fn explain(&self) -> Explanation;

    /// Takes the changes that the kernel has announced, before the rows' generations go to another plan.
    fn catch_up(&mut self) {}

    /// Calls `each` with each row's generation.
    fn each_generation(&mut self, each: &mut dyn FnMut(usize, &mut RowGeneration));

    /// Calls `each` with each row's open handle, if the source of another plan can use it.
    fn each_handle(&self, _each: &mut dyn FnMut(usize, OpenHandle)) {}
}

/// Opens files, which may take long.
pub(crate) type Reopening = Box<dyn FnOnce(&Arc<Roots>) -> Reopened + Send>;

/// What was opened; only the source that returned the `Reopening` knows its type.
pub(crate) type Reopened = Box<dyn Any + Send>;

/// An open handle; only the source that takes it knows its type.
pub(crate) type OpenHandle = Box<dyn Any + Send>;

/// Open handles by row.
pub(crate) type OpenHandles = HashMap<usize, OpenHandle>;

/// What a source does in a poll, and why it was selected for its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is read.
    pub source: String,
    /// Rows that it fills.
    pub rows: usize,
    /// System calls of the last poll.
    pub system_calls: usize,
    /// Why it was selected; a sentence.
    pub why: String,
}

/// Why a source, or one handle of it, has no counters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Errno(Errno),
    Malformed(&'static str),
    /// The kernel's messages about changed devices cannot be received.
    Unannounced(Errno),
    /// Another device has taken the name of the one that the row shows.
    Replaced,
}

const REPLACED: &str = "another device has taken its place";
const UNANNOUNCED: &str = "the kernel's messages about changed devices (netlink) cannot be received";

impl Failure {
    /// The state of the rows that it affects.
    fn state(self) -> State {
        match self {
            // Once its device is removed, an open file of sysfs returns ENODEV, even after a device of the same name
            // appears. An open file of procfs returns ESRCH once its process has ended.
            Failure::Errno(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::SRCH) | Failure::Replaced => State::Gone,
            Failure::Errno(Errno::ACCESS | Errno::PERM) => State::Denied,
            Failure::Errno(_) | Failure::Malformed(_) | Failure::Unannounced(_) => State::Unreadable,
        }
    }

    pub(crate) fn error(self, path: PathBuf) -> Error {
        match self {
            Failure::Errno(errno) => Error::Read { path, errno },
            Failure::Malformed(what) => Error::Malformed { path, what },
            Failure::Unannounced(errno) => {
                Error::Read { path: format!("{}: {UNANNOUNCED}", path.display()).into(), errno }
            }
            Failure::Replaced => Error::Malformed { path, what: REPLACED },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Errno(errno) => std::io::Error::from(*errno).fmt(formatter),
            Failure::Malformed(what) => what.fmt(formatter),
            Failure::Unannounced(errno) => write!(formatter, "{UNANNOUNCED}: {}", std::io::Error::from(*errno)),
            Failure::Replaced => REPLACED.fmt(formatter),
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
            | Error::TakenOver
            | Error::TwoPollers
            | Error::Memory { .. }
            | Error::Unanswered { .. }
            | Error::Size { .. }
            | Error::Buffer { .. } => Failure::Malformed("not a file"),
        }
    }
}
