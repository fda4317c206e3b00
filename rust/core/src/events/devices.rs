//! Disks and Xen backends that appear, disappear or change: the kernel's uevents.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::netlink::KOBJECT_UEVENT;

use super::EventSource;
use super::multicast::{MulticastSocket, Received};
use crate::error::Error;
use crate::parse::uevent::is_of_subsystem;

/// The group of the kernel. Group 2 is udev's, which repeats each event later.
const KERNEL_GROUP: u32 = 1;

/// Events of block devices (a loop device may get another file) and Xen backends. In a user namespace of its own a
/// process receives none (since Linux 4.18).
#[derive(Debug)]
pub struct DeviceEvents(MulticastSocket);

impl DeviceEvents {
    /// Listens on this machine.
    pub fn open() -> Result<DeviceEvents, Error> {
        MulticastSocket::open("uevents", Some(KOBJECT_UEVENT), KERNEL_GROUP).map(DeviceEvents)
    }
}

impl EventSource for DeviceEvents {
    fn drain(&mut self) -> Result<bool, Error> {
        self.0.drain(|received| match received {
            Received::Message(message) => matters(message),
            Received::Lost => true,
        })
    }
}

impl AsFd for DeviceEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn matters(message: &[u8]) -> bool {
    is_of_subsystem(message, b"block") || is_of_subsystem(message, b"xen-backend")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_and_xen_backends_matter() {
        for subsystem in ["block", "xen-backend"] {
            let path = "/devices/virtual/block/loop0";
            let message = format!("add@{path}\0ACTION=add\0DEVPATH={path}\0SUBSYSTEM={subsystem}\0SEQNUM=7\0");
            assert!(matters(message.as_bytes()), "{subsystem}");
        }
        for other in [&b"add@/devices/usb\0ACTION=add\0SUBSYSTEM=usb\0DEVNAME=block\0"[..], b"", &[0; 100]] {
            assert!(!matters(other));
        }
    }

    #[test]
    fn the_kernel_lets_anyone_listen() {
        let mut events = DeviceEvents::open().unwrap();
        assert!((0..100).any(|_| !events.drain().unwrap()));
    }
}
