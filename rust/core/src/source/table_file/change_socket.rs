//! Whether devices have come, gone or been renamed since it was last asked: a socket to which the kernel tells of each.

use std::os::fd::OwnedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with, sockopt,
};

/// RTNLGRP_LINK, and the only group of uevents that is the kernel's own, as masks.
const FIRST_GROUP: u32 = 1;
/// A uevent is at most this long (UEVENT_BUFFER_SIZE, include/linux/kobject.h), after a line that names its device.
const LONGEST: usize = 4 << 10;
/// So often the socket is read in one poll: its room holds a few messages, but more may come meanwhile.
const MOST: usize = 64;

/// What is asked of it is only whether there is a message: so there is room for a few alone, and one that was dropped for
/// want of room (ENOBUFS) says as much as one that was not.
pub(crate) struct Changes {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    /// Whether a message is about the devices that are watched.
    concerns: fn(&[u8]) -> bool,
}

impl Changes {
    /// Of the interfaces in the network namespace of the calling thread.
    pub(crate) fn of_interfaces() -> Result<Changes, Errno> {
        // NETLINK_ROUTE is the first protocol of its family.
        Changes::open(None, |_| true)
    }

    /// Of block devices. A process in a user namespace of its own is told nothing (since Linux 4.18).
    pub(crate) fn of_block_devices() -> Result<Changes, Errno> {
        Changes::open(Some(netlink::KOBJECT_UEVENT), |message| {
            memchr::memmem::find(message, b"\0SUBSYSTEM=block\0").is_some()
        })
    }

    fn open(protocol: Option<Protocol>, concerns: fn(&[u8]) -> bool) -> Result<Changes, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        sockopt::set_socket_recv_buffer_size(&socket, 0)?; // the kernel makes it the least that it allows
        bind(&socket, &netlink::SocketAddrNetlink::new(0, FIRST_GROUP))?;
        Ok(Changes { socket, buffer: vec![0; LONGEST].into_boxed_slice(), concerns })
    }

    /// Whether anything has changed since it was last asked; `calls` counts system calls, one where nothing has.
    pub(crate) fn any(&mut self, calls: &mut usize) -> bool {
        let mut any = false;
        // To the last message, and not to the first that concerns us: the kernel drops messages in silence from the one
        // that found no room until the socket is empty (NETLINK_S_CONGESTED, net/netlink/af_netlink.c).
        for _ in 0..MOST {
            *calls += 1;
            match retry_on_intr(|| recv(&self.socket, &mut *self.buffer, RecvFlags::DONTWAIT)) {
                Ok((read, _)) => any |= (self.concerns)(&self.buffer[..read]),
                Err(Errno::AGAIN) => return any,
                // ENOBUFS; and whatever else it may be, to look is never wrong.
                Err(_) => any = true,
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there was a change, and the system calls that it took to know.
    fn asked(changes: &mut Changes) -> (bool, usize) {
        let mut calls = 0;
        (changes.any(&mut calls), calls)
    }

    #[test]
    fn where_nothing_happens_one_call_says_so() {
        let mut changes = Changes::of_interfaces().unwrap();
        // Others on this machine may make interfaces, but not all the time.
        assert!((0..1000).any(|_| asked(&mut changes) == (false, 1)));
    }

    #[test]
    fn messages_of_another_kind_of_device_are_passed_over() {
        let concerns = Changes::of_block_devices().unwrap().concerns;
        assert!(concerns(b"remove@/devices/virtual/block/loop0\0ACTION=remove\0SUBSYSTEM=block\0MAJOR=7\0"));
        assert!(!concerns(b"add@/devices/virtual/net/tap0\0ACTION=add\0SUBSYSTEM=net\0INTERFACE=block\0"));
        assert!(!concerns(b""));
    }
}
