//! The number of an interface by its name (SIOCGIFINDEX), and the reverse. The kernel takes no lock for either, only
//! RCU, and any socket will do, so that it works even where netlink is forbidden. rustix has no names that are not
//! UTF-8.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::raw::c_char;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

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
        let Some(mut request) = request(name) else { return Ok(None) };
        let Some(()) = if_exists(ioctl(&self.socket, libc::SIOCGIFINDEX, &mut request))? else { return Ok(None) };
        // SAFETY: the kernel has filled in the number.
        Ok(u32::try_from(unsafe { request.ifr_ifru.ifru_ifindex }).ok())
    }

    /// The `known` number if its interface still has this name, or else None. It looks up the name of the number, for
    /// which the kernel never runs modprobe. Without a known number it is `of`.
    pub(crate) fn still(&self, name: &[u8], known: Option<u32>) -> Result<Option<u32>, Errno> {
        let Some(known) = known else { return self.of(name) };
        let Some(mut request) = request(b"") else { return Ok(None) };
        request.ifr_ifru.ifru_ifindex = known.cast_signed();
        let Some(()) = if_exists(ioctl(&self.socket, libc::SIOCGIFNAME, &mut request))? else { return Ok(None) };
        Ok((Some(request.ifr_name) == self::request(name).map(|other| other.ifr_name)).then_some(known))
    }
}

/// A request about the interface of this name; None if no interface can have it.
fn request(name: &[u8]) -> Option<libc::ifreq> {
    // SAFETY: it is plain data, and all zeros are a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let (room, end) = request.ifr_name.split_at_mut_checked(name.len())?;
    if end.is_empty() || name.contains(&0) {
        return None;
    }
    room.iter_mut().zip(name).for_each(|(place, byte)| *place = *byte as c_char);
    Some(request)
}

fn ioctl(socket: &impl AsFd, operation: libc::c_ulong, request: &mut libc::ifreq) -> Result<(), Errno> {
    // SAFETY: both operations read and write a struct ifreq, and this one lives until the call returns.
    let outcome = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), operation as _, &raw mut *request) };
    match outcome {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
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
        for missing in [&b"none-such"[..], b"\xff", b"", b"l", b"lo\0", &[b'x'; 15], &[b'x'; 16], &[b'x'; 99]] {
            assert_eq!(index.of(missing), Ok(None), "{missing:?}");
            assert_eq!(index.still(missing, lo), Ok(None), "{missing:?}");
        }
        assert_eq!((index.still(b"lo", None), index.still(b"lo", lo)), (Ok(lo), Ok(lo)));
        assert_eq!(index.still(b"lo", Some(u32::MAX >> 1)), Ok(None));
    }
}
