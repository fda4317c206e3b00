//! A socket on which the kernel announces devices that appear, disappear, are renamed or get another medium.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{Protocol, RecvFlags, netlink, recv, sockopt};

use crate::parse::diskstats::DeviceNumber;
use crate::parse::links::{Link, links};
use crate::parse::uevent::{device_number, is_of_subsystem};
use crate::source::net::multicast::join;

/// As masks, both RTNLGRP_LINK and the group of the kernel's own uevents.
const FIRST_GROUP: u32 = 1;
/// An announcement of an interface has some 1.5 kB, a uevent at most 2 kB (UEVENT_BUFFER_SIZE,
/// include/linux/kobject.h) after a line with the path of its device.
const MAX_LENGTH: usize = 16 << 10;
/// What may wait for the next poll: some hundred messages. Once one finds no space, all devices are checked instead.
const RECEIVE_BUFFER: usize = 256 << 10;
/// A drain reads at most this many messages.
const MAX_MESSAGES: usize = 512;

/// An announced change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change<'message> {
    Interface(Link<'message>),
    /// Of a block device. It may affect its partitions, which have other numbers.
    BlockDevice(DeviceNumber),
    /// Messages were lost: anything may have changed.
    Lost,
}

pub(crate) struct ChangeSocket {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    parse: Parse,
    /// The last drain did not reach the end.
    is_behind: bool,
    /// The error of the last drain that found more than nothing.
    failed: Option<Errno>,
}

/// Calls its argument with the changes that a message announces.
type Parse = fn(&[u8], &mut dyn FnMut(Change<'_>));

impl ChangeSocket {
    /// Announces interfaces of the calling thread's network namespace.
    pub(crate) fn of_interfaces() -> Result<ChangeSocket, Errno> {
        // NETLINK_ROUTE is the first protocol of its family.
        ChangeSocket::open(None, |message, each| links(message).for_each(|link| each(Change::Interface(link))))
    }

    /// Announces block devices. In a user namespace of its own a process receives nothing (since Linux 4.18).
    pub(crate) fn of_block_devices() -> Result<ChangeSocket, Errno> {
        ChangeSocket::open(Some(netlink::KOBJECT_UEVENT), |message, each| {
            if is_of_subsystem(message, b"block") {
                each(device_number(message).map_or(Change::Lost, Change::BlockDevice));
            }
        })
    }

    fn open(protocol: Option<Protocol>, parse: Parse) -> Result<ChangeSocket, Errno> {
        let socket = join(protocol, FIRST_GROUP)?;
        // Without CAP_NET_ADMIN the kernel's limit applies (net.core.rmem_max).
        sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER))?;
        Ok(ChangeSocket {
            socket,
            buffer: vec![0; MAX_LENGTH].into_boxed_slice(),
            parse,
            is_behind: false,
            failed: None,
        })
    }

    /// Calls `each` with every change since the last call; `calls` counts system calls, one if there is none.
    #[inline]
    pub(crate) fn drain(&mut self, calls: &mut usize, each: &mut dyn FnMut(Change<'_>)) {
        *calls += 1;
        match self.receive() {
            Err(Errno::AGAIN) if !self.is_behind => {}
            received => self.drain_from(received, calls, each),
        }
    }

    #[cold]
    fn drain_from(&mut self, first: Result<usize, Errno>, calls: &mut usize, each: &mut dyn FnMut(Change<'_>)) {
        self.failed = None;
        if self.is_behind {
            each(Change::Lost);
        }
        let mut received = first;
        // Read to the last message: once one found no space, the kernel silently drops all until the socket is empty
        // (NETLINK_S_CONGESTED, net/netlink/af_netlink.c).
        for _ in 0..MAX_MESSAGES {
            match received {
                Err(Errno::AGAIN) => {
                    self.is_behind = false;
                    return;
                }
                Ok(length) if length <= self.buffer.len() => (self.parse)(&self.buffer[..length], each),
                Ok(_) | Err(Errno::NOBUFS) => each(Change::Lost),
                // Whatever it is, checking the devices is never wrong.
                Err(errno) => {
                    self.failed = Some(errno);
                    each(Change::Lost);
                    return;
                }
            }
            *calls += 1;
            received = self.receive();
        }
        self.is_behind = true;
        each(Change::Lost);
    }

    /// Why the last drain could not receive the messages.
    pub(crate) fn failed(&self) -> Option<Errno> {
        self.failed
    }

    /// Receives a message and returns its length, which may be more than that of the buffer.
    fn receive(&mut self) -> Result<usize, Errno> {
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        retry_on_intr(|| recv(&self.socket, &mut *self.buffer, flags)).map(|(_, length)| length)
    }
}

impl AsFd for ChangeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The changes, and the system calls to find them out.
    fn drain(changes: &mut ChangeSocket) -> (Vec<String>, usize) {
        let (mut found, mut calls) = (Vec::new(), 0);
        changes.drain(&mut calls, &mut |change| found.push(format!("{change:?}")));
        (found, calls)
    }

    #[test]
    fn without_a_change_it_takes_one_call() {
        let mut changes = ChangeSocket::of_interfaces().unwrap();
        // Other programs may create interfaces, but not all the time.
        assert!((0..1000).any(|_| drain(&mut changes) == (vec![], 1)));
    }

    #[test]
    fn messages_about_other_devices_are_ignored() {
        let parse = ChangeSocket::of_block_devices().unwrap().parse;
        let changes = |message: &[u8]| {
            let mut found = Vec::new();
            parse(message, &mut |change| found.push(format!("{change:?}")));
            found
        };
        let message = b"remove@/devices/virtual/block/loop0\0ACTION=remove\0SUBSYSTEM=block\0MAJOR=7\0MINOR=3\0";
        assert_eq!(changes(message), ["BlockDevice((7, 3))"]);
        assert_eq!(changes(&message[..message.len() - 8]), ["Lost"], "without a number it may be of any");
        assert!(changes(b"add@/devices/virtual/net/tap0\0ACTION=add\0SUBSYSTEM=net\0INTERFACE=block\0").is_empty());
        assert!(changes(b"").is_empty());
    }
}
