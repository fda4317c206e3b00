//! From an interface's name to its number, by SIOCGIFINDEX: RCU only, no lock that can be held, and any socket will do, so
//! that a process which may not use netlink has it, too.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

pub(super) struct InterfaceIndex {
    socket: OwnedFd,
}

impl InterfaceIndex {
    /// Looks up in the network namespace of the calling thread, also when another one asks later.
    pub(super) fn open() -> Result<InterfaceIndex, Errno> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(InterfaceIndex { socket })
    }

    /// The number of the interface that has this name now. Not to be asked for a name that is not there, least of all in a
    /// poll: looking for it makes the kernel run modprobe (dev_load, net/core/dev_ioctl.c).
    pub(super) fn of(&self, name: &[u8]) -> Option<u32> {
        netdevice::name_to_index(&self.socket, std::str::from_utf8(name).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lo_has_a_number_and_what_is_not_there_has_none() {
        let index = InterfaceIndex::open().unwrap();
        assert!(index.of(b"lo").is_some_and(|number| number > 0));
        assert_eq!(index.of(b"none-such"), None);
        assert_eq!(index.of(b"\xff"), None);
    }
}
