//! recvmmsg(2): many datagrams by one system call. rustix does not have it.
#![allow(unsafe_code)]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

/// Room for an answer about one interface: a header and `struct rtnl_link_stats64`, which has 200 bytes on Linux 6.18.
const SLOT: usize = 512;

/// Room for several datagrams, and the headers that lead the kernel there, made once.
pub(crate) struct Slots {
    bytes: Box<[u8]>,
    vectors: Box<[libc::iovec]>,
    messages: Box<[libc::mmsghdr]>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Slots {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: SLOT };
        // SAFETY: a message header is plain data, for which all zeros are "nothing given".
        let messages = (0..count).map(|_| unsafe { std::mem::zeroed() }).collect();
        Slots { bytes: vec![0; SLOT * count].into_boxed_slice(), vectors: vec![vector; count].into(), messages }
    }

    /// Receives as many datagrams as are there and there is room for, and hands them out; how many they were.
    pub(crate) fn receive(&mut self, socket: &OwnedFd, each: &mut dyn FnMut(&[u8])) -> Result<usize> {
        // Written anew each time, as the boxes may have moved.
        let places = self.bytes.chunks_exact_mut(SLOT).zip(&mut self.vectors).zip(&mut self.messages);
        for ((place, vector), message) in places {
            vector.iov_base = place.as_mut_ptr().cast();
            message.msg_hdr.msg_iov = vector;
            message.msg_hdr.msg_iovlen = 1;
        }
        let (messages, count) = (self.messages.as_mut_ptr(), self.messages.len() as u32);
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: each header leads to one vector, and that to a slot of its own in `bytes`; all live until the call returns.
        let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), messages, count, flags, ptr::null_mut()) };
        let received = usize::try_from(received).map_err(|_| Error::last_os_error())?;
        for (slot, message) in self.bytes.chunks_exact(SLOT).zip(&self.messages[..received]) {
            let answer =
                slot.get(..message.msg_len as usize).ok_or_else(|| crate::way::wrong("an answer of over 512 bytes"))?;
            each(answer);
        }
        Ok(received)
    }
}
