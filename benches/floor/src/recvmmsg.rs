//! recvmmsg(2): many datagrams in one system call. rustix does not have it.
#![allow(unsafe_code)]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

/// Space for a reply about one interface: a header and `struct rtnl_link_stats64`, which has 200 bytes on Linux 6.18.
const SLOT: usize = 512;

/// Buffers for several datagrams, with their headers, allocated once.
pub(crate) struct Slots {
    bytes: Box<[u8]>,
    vectors: Box<[libc::iovec]>,
    messages: Box<[libc::mmsghdr]>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Slots {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: SLOT };
        // SAFETY: a message header is plain data, and all zeros are a valid one.
        let messages = (0..count).map(|_| unsafe { std::mem::zeroed() }).collect();
        Slots { bytes: vec![0; SLOT * count].into_boxed_slice(), vectors: vec![vector; count].into(), messages }
    }

    /// Receives the datagrams that have arrived, calls `each` with them, and returns their number.
    pub(crate) fn receive(&mut self, socket: &OwnedFd, each: &mut dyn FnMut(&[u8])) -> Result<usize> {
        // Written each time, since the boxes may have moved.
        let places = self.bytes.chunks_exact_mut(SLOT).zip(&mut self.vectors).zip(&mut self.messages);
        for ((place, vector), message) in places {
            vector.iov_base = place.as_mut_ptr().cast();
            message.msg_hdr.msg_iov = vector;
            message.msg_hdr.msg_iovlen = 1;
        }
        let (messages, count) = (self.messages.as_mut_ptr(), self.messages.len() as u32);
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: each header points to one vector, and that to its own slot of `bytes`; all live until the call
        // returns.
        let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), messages, count, flags, ptr::null_mut()) };
        let received = usize::try_from(received).map_err(|_| Error::last_os_error())?;
        for (slot, message) in self.bytes.chunks_exact(SLOT).zip(&self.messages[..received]) {
            let reply = slot
                .get(..message.msg_len as usize)
                .ok_or_else(|| crate::route::wrong("a reply of more than 512 bytes"))?;
            each(reply);
        }
        Ok(received)
    }
}
