//! What a source or a caller's size can be refused for. A bad row in a poll is no error: its state tells.

use std::path::PathBuf;

use rustix::io::Errno;

/// Everything that this crate refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's file could not be opened or read.
    #[error("{}: {}", path.display(), std::io::Error::from(*errno))]
    Read {
        /// Where the file really is.
        path: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
    /// The kernel's file was read, and did not hold what it should.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// Where the file really is.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What was opened in one process is used in a fork of it: the two would share sockets, and perhaps a lock that nobody
    /// in the fork holds.
    #[error("this Poller was opened before a fork, in another process: open one in this process")]
    Forked,
    /// The machine has no memory for a sample.
    #[error("no memory for a sample of {rows} rows")]
    Memory {
        /// Rows of the table that there is no memory for.
        rows: usize,
    },
    /// Who alone knows a disk's numbers gave no answer.
    #[error("{asker}: {why}")]
    Unanswered {
        /// Who was asked, and where.
        asker: String,
        /// What came of it.
        why: String,
    },
    /// A struct size that no version has.
    #[error("size must not exceed {limit} (the newest struct), but {asked} was asked for")]
    Size {
        /// The size that was asked for, in bytes.
        asked: usize,
        /// The largest there is.
        limit: usize,
    },
    /// A buffer that cannot hold its rows.
    #[error("{rows} rows of {size} bytes need {} bytes, but the buffer has {has}", rows * size)]
    Buffer {
        /// How many rows the plan has.
        rows: usize,
        /// Bytes a row.
        size: usize,
        /// Bytes of the buffer.
        has: usize,
    },
}
