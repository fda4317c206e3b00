//! recvmmsg(2): several datagrams by one system call. rustix does not have it.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

/// The most datagrams of one call.
pub(crate) const MOST: usize = 64;

/// Receives as many datagrams as are there and `buffer` has slots for (of `slot` bytes each); gives their lengths. A
/// datagram that is longer than its slot has its whole length here. Never waits.
pub(crate) fn receive_many<'lengths>(
    socket: &OwnedFd,
    buffer: &mut [u8],
    slot: usize,
    lengths: &'lengths mut [usize; MOST],
) -> Result<&'lengths [usize], Errno> {
    let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MOST];
    // SAFETY: a message header is plain data, for which all zeros are "nothing given".
    let mut messages: [libc::mmsghdr; MOST] = unsafe { std::mem::zeroed() };
    let mut slots = 0;
    for ((vector, message), bytes) in vectors.iter_mut().zip(&mut messages).zip(buffer.chunks_exact_mut(slot)) {
        *vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        message.msg_hdr.msg_iov = ptr::from_mut(vector);
        message.msg_hdr.msg_iovlen = 1;
        slots += 1;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: each of the `slots` headers leads to one vector, and that to bytes of `buffer` that no other one leads to;
    // all of them live until the call returns.
    let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), slots, flags, ptr::null_mut()) };
    let Ok(received) = usize::try_from(received) else {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    };
    for (length, message) in lengths.iter_mut().zip(&messages) {
        *length = message.msg_len as usize;
    }
    Ok(&lengths[..received])
}
