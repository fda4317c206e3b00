//! From an interface's name to its number, by SIOCGIFINDEX: RCU only, no lock that can be held, and any socket will do, so
//! that a process which may not use netlink has it, too.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

pub(crate) struct InterfaceIndex {
    socket: OwnedFd,
}

impl InterfaceIndex {
    /// Looks up in the network namespace of the calling thread, also when another one asks later.
    pub(crate) fn open() -> Result<InterfaceIndex, Errno> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(InterfaceIndex { socket })
    }

    /// The number of the interface that has this name now, or none. Not to be asked for a name that is not there, least of
    /// all in a poll: looking for it makes the kernel run modprobe (dev_load, net/core/dev_ioctl.c).
    pub(crate) fn of(&self, name: &[u8]) -> Result<Option<u32>, Errno> {
        let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
        if_there(netdevice::name_to_index(&self.socket, name))
    }

    /// As `of`, but where a number is known: that one, or none when its interface does not have the name any more. The
    /// kernel is asked for the number's name, for which it never runs modprobe.
    pub(crate) fn still(&self, name: &[u8], known: Option<u32>) -> Result<Option<u32>, Errno> {
        let Some(known) = known else { return self.of(name) };
        let now = if_there(netdevice::index_to_name_inlined(&self.socket, known))?;
        Ok(now.filter(|now| now.as_bytes() == name).map(|_| known))
    }
}

/// None where the kernel says that there is no such interface. Any other error is no answer.
fn if_there<T>(answer: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NODEV | Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lo_has_a_number_and_what_is_not_there_has_none() {
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
