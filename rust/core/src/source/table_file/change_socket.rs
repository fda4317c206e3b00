//! A socket on which the kernel announces devices that appear, disappear or are renamed.

use std::os::fd::OwnedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{Protocol, RecvFlags, netlink, recv, sockopt};

use crate::parse::uevent::is_of_subsystem;
use crate::source::net::multicast::join;

/// As masks, both RTNLGRP_LINK and the group of the kernel's own uevents.
const FIRST_GROUP: u32 = 1;
/// A uevent has at most 2 kB (UEVENT_BUFFER_SIZE, include/linux/kobject.h) after a line with the path of its device.
const MAX_LENGTH: usize = 4 << 10;
/// A poll reads at most this many messages. The receive buffer holds only a few, but more may arrive meanwhile.
const MAX_MESSAGES: usize = 64;

/// Only the presence of a message matters. So the receive buffer is as small as the kernel allows: a message dropped
/// for lack of space (ENOBUFS) says as much as one received.
pub(crate) struct ChangeSocket {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    /// Whether a message is about a tracked kind of device.
    concerns: fn(&[u8]) -> bool,
}

impl ChangeSocket {
    /// Announces interfaces of the calling thread's network namespace.
    pub(crate) fn of_interfaces() -> Result<ChangeSocket, Errno> {
        // NETLINK_ROUTE is the first protocol of its family.
        ChangeSocket::open(None, |_| true)
    }

    /// Announces block devices. In a user namespace of its own a process receives nothing (since Linux 4.18).
    pub(crate) fn of_block_devices() -> Result<ChangeSocket, Errno> {
        ChangeSocket::open(Some(netlink::KOBJECT_UEVENT), |message| is_of_subsystem(message, b"block"))
    }

    fn open(protocol: Option<Protocol>, concerns: fn(&[u8]) -> bool) -> Result<ChangeSocket, Errno> {
        let socket = join(protocol, FIRST_GROUP)?;
        sockopt::set_socket_recv_buffer_size(&socket, 0)?; // the kernel raises it to its minimum
        Ok(ChangeSocket { socket, buffer: vec![0; MAX_LENGTH].into_boxed_slice(), concerns })
    }

    /// Whether anything has changed since the last call; `calls` counts system calls, one if nothing has.
    pub(crate) fn any(&mut self, calls: &mut usize) -> bool {
        let mut any = false;
        // Read to the last message, not only to the first relevant one: once a message found no space, the kernel
        // silently drops all until the socket is empty (NETLINK_S_CONGESTED, net/netlink/af_netlink.c).
        for _ in 0..MAX_MESSAGES {
            *calls += 1;
            match retry_on_intr(|| recv(&self.socket, &mut *self.buffer, RecvFlags::DONTWAIT)) {
                Ok((read, _)) => any |= (self.concerns)(&self.buffer[..read]),
                Err(Errno::AGAIN) => return any,
                // ENOBUFS. On any other error, checking the devices is never wrong.
                Err(_) => any = true,
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether anything changed, and the system calls to find out.
    fn check(changes: &mut ChangeSocket) -> (bool, usize) {
        let mut calls = 0;
        (changes.any(&mut calls), calls)
    }

    #[test]
    fn without_a_change_it_takes_one_call() {
        let mut changes = ChangeSocket::of_interfaces().unwrap();
        // Other programs may create interfaces, but not all the time.
        assert!((0..1000).any(|_| check(&mut changes) == (false, 1)));
    }

    #[test]
    fn messages_about_other_devices_are_ignored() {
        let concerns = ChangeSocket::of_block_devices().unwrap().concerns;
        assert!(concerns(b"remove@/devices/virtual/block/loop0\0ACTION=remove\0SUBSYSTEM=block\0MAJOR=7\0"));
        assert!(!concerns(b"add@/devices/virtual/net/tap0\0ACTION=add\0SUBSYSTEM=net\0INTERFACE=block\0"));
        assert!(!concerns(b""));
    }
}
