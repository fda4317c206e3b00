//! Events of the kernel that make a new scan of the machine worthwhile: files written, interfaces and disks that
//! appear, disappear or change.

pub mod devices;
pub mod folders;
pub mod links;
pub mod multicast;

use std::os::fd::AsFd;

use crate::error::Error;

/// A descriptor that becomes readable when something has happened.
pub trait EventSource: AsFd {
    /// Takes the events that have come, without waiting, and returns whether one of them matters. After an error no
    /// more events come.
    fn drain(&mut self) -> Result<bool, Error>;
}
