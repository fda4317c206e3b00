//! A route to the kernel's counters.

use std::io::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// A route with open handles.
pub(crate) trait Route {
    /// Reads everything once, and calls `each` with the unparsed replies.
    fn round(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<()>;

    /// The kernel's reply in one round.
    fn show(&mut self) -> Result<Vec<u8>> {
        let mut reply = Vec::new();
        self.round(&mut |bytes| reply.extend_from_slice(bytes))?;
        Ok(reply)
    }

    /// Checks that the rounds read everything. Not measured.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The devices to read.
pub(crate) struct Devices {
    /// The /sys of the network namespace.
    pub(crate) sys: PathBuf,
    pub(crate) interfaces: Vec<String>,
    pub(crate) disks: Vec<String>,
}

pub(crate) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
}
