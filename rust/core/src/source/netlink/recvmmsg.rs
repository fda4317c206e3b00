//! recvmmsg(2): several datagrams in one system call. rustix does not have it.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

/// The most datagrams per call.
pub(crate) const MAX_DATAGRAMS: usize = 64;

/// Receives the datagrams that have arrived, each into a slot of `slot` bytes of `buffer`, and returns their lengths.
/// If one is longer than its slot, the rest is lost, but its length is the whole one. Never waits.
pub(crate) fn recvmmsg<'lengths>(
    socket: &OwnedFd,
    buffer: &mut [u8],
    slot: usize,
    lengths: &'lengths mut [usize; MAX_DATAGRAMS],
) -> Result<&'lengths [usize], Errno> {
    let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MAX_DATAGRAMS];
    // SAFETY: a message header is plain data, and all zeros are a valid one.
    let mut messages: [libc::mmsghdr; MAX_DATAGRAMS] = unsafe { std::mem::zeroed() };
    let mut slots = 0;
    for ((vector, message), bytes) in vectors.iter_mut().zip(&mut messages).zip(buffer.chunks_exact_mut(slot)) {
        *vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        message.msg_hdr.msg_iov = ptr::from_mut(vector);
        message.msg_hdr.msg_iovlen = 1;
        slots += 1;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: each of the `slots` headers points to one vector, and each vector to its own part of `buffer`; all of
    // them live until the call returns.
    let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), slots, flags, ptr::null_mut()) };
    let Ok(received) = usize::try_from(received) else {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    };
    for (length, message) in lengths.iter_mut().zip(&messages) {
        *length = message.msg_len as usize;
    }
    Ok(&lengths[..received])
}
