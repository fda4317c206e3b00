//! Errors of sources and of a caller's struct size. A bad row in a poll is no error: its state says what is wrong.

use std::path::PathBuf;

use rustix::io::Errno;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's file could not be opened or read.
    #[error("{}: {}", path.display(), std::io::Error::from(*errno))]
    Read {
        /// The file's real path.
        path: PathBuf,
        /// The kernel's error.
        errno: Errno,
    },
    /// The kernel's file was read, but its content is not what it should be.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// The file's real path.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A poller is used in a fork of the process that opened it: both would share its sockets, and a lock may stay
    /// locked for ever because its holder does not exist in the fork.
    #[error("this Poller was opened before a fork, in another process: open one in this process")]
    Forked,
    /// A poller whose rows another plan has taken over: what it would see now, that one would not know of.
    #[error("another plan has taken over this poller's rows: poll that one")]
    TakenOver,
    /// Rates of samples that two pollers read: each numbers its rows by itself.
    #[error("these samples are of two pollers, and rates are of one: take both samples from the same Poller")]
    TwoPollers,
    /// There is no memory for a sample.
    #[error("no memory for a sample of {rows} rows")]
    Memory {
        /// Rows of the table.
        rows: usize,
    },
    /// The VMM did not report the counters of a disk.
    #[error("{client}: {why}")]
    Unanswered {
        /// The client that queries the VMM, and its address: "QMP /run/vm.qmp".
        client: String,
        /// Why there is no answer.
        why: String,
    },
    /// A struct size larger than the newest version.
    #[error("size must not exceed {limit} (the newest struct), but {requested} was requested")]
    Size {
        /// The requested size, in bytes.
        requested: usize,
        /// The size of the newest version.
        limit: usize,
    },
    /// A buffer too small for its rows.
    #[error("{rows} rows of {size} bytes need {} bytes, but the buffer has {has}", rows * size)]
    Buffer {
        /// Rows of the plan.
        rows: usize,
        /// Bytes per row.
        size: usize,
        /// Bytes in the buffer.
        has: usize,
    },
}

impl Error {
    /// The kernel's error, where it is one.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Error::Read { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}
