//! What a way to ask the kernel is.

use std::io::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// A way with its handles open.
pub(crate) trait Way {
    /// Asks once for everything, and hands out what comes, unread.
    fn round(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<()>;

    /// What the kernel says in one round.
    fn show(&mut self) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        self.round(&mut |bytes| answer.extend_from_slice(bytes))?;
        Ok(answer)
    }

    /// Whether the rounds took all there was. Not measured.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What is asked about.
pub(crate) struct Devices {
    /// The /sys of the network namespace.
    pub(crate) sys: PathBuf,
    pub(crate) interfaces: Vec<String>,
    pub(crate) disks: Vec<String>,
}

pub(crate) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
}
