//! The number of an interface by its name (SIOCGIFINDEX). The kernel takes no lock for it, only RCU, and any socket
//! will do, so that it works even where netlink is forbidden.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

pub(crate) struct InterfaceIndex {
    socket: OwnedFd,
}

impl InterfaceIndex {
    /// Looks names up in the current network namespace of the calling thread, also from other threads later.
    pub(crate) fn open() -> Result<InterfaceIndex, Errno> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(InterfaceIndex { socket })
    }

    /// The number of the interface that has this name now, or None. Do not call it for a name that may not exist, least
    /// of all in a poll: the kernel then runs modprobe (dev_load, net/core/dev_ioctl.c).
    pub(crate) fn of(&self, name: &[u8]) -> Result<Option<u32>, Errno> {
        let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
        if_exists(netdevice::name_to_index(&self.socket, name))
    }

    /// The `known` number if its interface still has this name, or else None. It looks up the name of the number, for
    /// which the kernel never runs modprobe. Without a known number it is `of`.
    pub(crate) fn still(&self, name: &[u8], known: Option<u32>) -> Result<Option<u32>, Errno> {
        let Some(known) = known else { return self.of(name) };
        let now = if_exists(netdevice::index_to_name_inlined(&self.socket, known))?;
        Ok(now.filter(|now| now.as_bytes() == name).map(|_| known))
    }
}

/// None if there is no such interface; any other error leaves it open.
fn if_exists<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NODEV | Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lo_has_a_number_and_a_missing_interface_has_none() {
        let index = InterfaceIndex::open().unwrap();
        let lo = index.of(b"lo").unwrap();
        assert!(lo.is_some_and(|number| number > 0));
        assert_eq!(index.of(b"none-such"), Ok(None));
        assert_eq!(index.of(b"\xff"), Ok(None));
        assert_eq!((index.still(b"lo", None), index.still(b"lo", lo)), (Ok(lo), Ok(lo)));
        assert_eq!(index.still(b"none-such", lo), Ok(None));
        assert_eq!(index.still(b"lo", Some(u32::MAX >> 1)), Ok(None));
    }
}
