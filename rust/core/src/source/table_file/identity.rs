//! The identity of the device of a line. /proc/net/dev has names and /proc/diskstats has numbers; both may belong to
//! another device in the next poll.
//!
//! After the file, the source reads a socket on which the kernel announces every change (`change_socket.rs`). The
//! kernel sends the message about the old device before a new one can take its name or number, so a line of the new one
//! implies that the message has arrived:
//! - An interface is removed, renamed or moved to another namespace under RTNL, which a new one needs to take the name
//!   (unregister_netdevice_many_notify, dev_change_name and __dev_change_net_namespace, net/core/dev.c).
//! - A disk is announced before its folder in /sys is removed, which a new one of that name needs (device_del,
//!   drivers/base/core.c). Its number becomes free only later.
//!
//! Usually there is no message, and the reading stands. Otherwise the identity of each device is checked: a device that
//! had the name before the reading and still has it is the one of the line.

use rustix::io::Errno;

use super::change_socket::ChangeSocket;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;
use crate::source::diskseq::Diskseq;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::namespace;

/// Distinguishes successive devices of the same key.
pub(crate) trait Identity<Key>: Send {
    /// Whether any device may have been replaced since the last call; `calls` counts system calls.
    fn any_changed(&mut self, calls: &mut usize) -> bool;

    /// The identity of the device of this key, None if there is none now. With a `known` identity, the result may be
    /// that or None. An error, such as a lack of descriptors, leaves it open.
    fn of(&self, key: &Key, known: Option<u64>) -> Result<Option<u64>, Errno>;
}

/// The identity of every device that cannot be distinguished.
const UNKNOWN_ID: u64 = 0;

/// Identifies interfaces of one network namespace by their number.
pub(crate) struct Interfaces {
    index: InterfaceIndex,
    changes: Option<ChangeSocket>,
}

impl Interfaces {
    /// For the calling thread's namespace, if the file at `path` shows the same one.
    pub(crate) fn open(roots: &Roots, path: &str) -> Option<Interfaces> {
        namespace::sockets_see(roots, path).ok()?;
        // Without netlink, a device that was missing in a poll is still recognized as another one.
        Some(Interfaces { index: InterfaceIndex::open().ok()?, changes: ChangeSocket::of_interfaces().ok() })
    }
}

impl Identity<Box<[u8]>> for Interfaces {
    fn any_changed(&mut self, calls: &mut usize) -> bool {
        self.changes.as_mut().is_some_and(|changes| changes.any(calls))
    }

    fn of(&self, name: &Box<[u8]>, known: Option<u64>) -> Result<Option<u64>, Errno> {
        if std::str::from_utf8(name).is_err() {
            return Ok(Some(UNKNOWN_ID));
        }
        let known = known.and_then(|known| u32::try_from(known).ok());
        Ok(self.index.still(name, known)?.map(u64::from))
    }
}

/// Identifies block devices by their diskseq.
pub(crate) struct Disks {
    diskseq: Diskseq,
    changes: Option<ChangeSocket>,
}

impl Disks {
    /// For this machine; the devices of a captured one do not change.
    pub(crate) fn open(roots: &Roots) -> Option<Disks> {
        let diskseq = if roots.captured() { None } else { Diskseq::open(roots).ok() };
        diskseq.map(|diskseq| Disks { diskseq, changes: ChangeSocket::of_block_devices().ok() })
    }
}

impl Identity<DeviceNumber> for Disks {
    fn any_changed(&mut self, calls: &mut usize) -> bool {
        self.changes.as_mut().is_some_and(|changes| changes.any(calls))
    }

    fn of(&self, number: &DeviceNumber, _: Option<u64>) -> Result<Option<u64>, Errno> {
        match self.diskseq.of(*number) {
            Ok(count) => Ok(Some(count.unwrap_or(UNKNOWN_ID))),
            Err(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}
