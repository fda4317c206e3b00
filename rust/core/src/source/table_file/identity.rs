//! Which device a line is of. /proc/net/dev tells names and /proc/diskstats numbers, and another device may have either
//! from one poll to the next.
//!
//! The file is read, then a socket is looked at, to which the kernel tells of every change (`change_socket.rs`). It sends what
//! it has to tell of the old device before another one can have its place, so that a line of the new one implies that the
//! message is there already:
//! - of an interface that is removed, renamed or moved to another namespace, all under RTNL, which another one needs to
//!   take the name (unregister_netdevice_many_notify, dev_change_name and __dev_change_net_namespace, net/core/dev.c);
//! - of a disk that is removed, before its folder in /sys is, beside which no other of its name can be (device_del,
//!   drivers/base/core.c); its number is free after that only.
//!
//! Mostly there is none, and that is all. Else each device that was read is asked for: one that had the name before the
//! reading and has it still is the one whose line it is.

use rustix::io::Errno;

use super::change_socket::Changes;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;
use crate::source::diskseq::Diskseq;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::namespace;

/// Tells apart the devices that have one key after the other.
pub(crate) trait Identity<Key>: Send {
    /// Whether any device may be another one than when it was last asked; `calls` counts system calls.
    fn any_changed(&mut self, calls: &mut usize) -> bool;

    /// A number that no other device of this key has; none if there is no such device now. Where one is `known`, it may be
    /// that number or none. An error is no answer: that there is no descriptor left to ask with, say.
    fn of(&self, key: &Key, known: Option<u64>) -> Result<Option<u64>, Errno>;
}

/// The number of every device that cannot be told from the others.
const UNTOLD: u64 = 0;

/// Interfaces of one network namespace, by their number.
pub(crate) struct Interfaces {
    index: InterfaceIndex,
    changes: Option<Changes>,
}

impl Interfaces {
    /// Those of the calling thread's namespace, if it is the one that the file at `path` shows.
    pub(crate) fn open(roots: &Roots, path: &str) -> Option<Interfaces> {
        namespace::sockets_see(roots, path).ok()?;
        // Where netlink is forbidden, devices that were missing in between are still told apart.
        Some(Interfaces { index: InterfaceIndex::open().ok()?, changes: Changes::of_interfaces().ok() })
    }
}

impl Identity<Box<[u8]>> for Interfaces {
    fn any_changed(&mut self, calls: &mut usize) -> bool {
        self.changes.as_mut().is_some_and(|changes| changes.any(calls))
    }

    fn of(&self, name: &Box<[u8]>, known: Option<u64>) -> Result<Option<u64>, Errno> {
        if std::str::from_utf8(name).is_err() {
            return Ok(Some(UNTOLD));
        }
        let known = known.and_then(|known| u32::try_from(known).ok());
        Ok(self.index.still(name, known)?.map(u64::from))
    }
}

/// Block devices, by the kernel's count of disks.
pub(crate) struct Disks {
    diskseq: Diskseq,
    changes: Option<Changes>,
}

impl Disks {
    /// Those of this machine; a captured one's do not change.
    pub(crate) fn open(roots: &Roots) -> Option<Disks> {
        let diskseq = if roots.captured() { None } else { Diskseq::open(roots).ok() };
        diskseq.map(|diskseq| Disks { diskseq, changes: Changes::of_block_devices().ok() })
    }
}

impl Identity<DeviceNumber> for Disks {
    fn any_changed(&mut self, calls: &mut usize) -> bool {
        self.changes.as_mut().is_some_and(|changes| changes.any(calls))
    }

    fn of(&self, number: &DeviceNumber, _: Option<u64>) -> Result<Option<u64>, Errno> {
        match self.diskseq.of(*number) {
            Ok(count) => Ok(Some(count.unwrap_or(UNTOLD))),
            Err(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}
