//! A multicast group of netlink, in which the kernel announces changes to every listener.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{Protocol, RecvFlags, recv};

use crate::error::Error;
use crate::source::net::multicast::join;

/// A drain takes at most this many messages, so that a storm of them does not keep the listener from ever scanning.
const MAX_MESSAGES: usize = 1000;
/// Longer than any announcement.
const MAX_LENGTH: usize = 1 << 16;

/// A socket in such a group.
#[derive(Debug)]
pub struct MulticastSocket {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    name: &'static str,
}

/// What a drain finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'buffer> {
    /// A message.
    Message(&'buffer [u8]),
    /// More messages came than the socket can hold: some are lost.
    Lost,
}

impl MulticastSocket {
    /// Joins `groups` (a mask) in the calling thread's network namespace. `name` takes the place of the path in errors.
    pub fn open(name: &'static str, protocol: Option<Protocol>, groups: u32) -> Result<MulticastSocket, Error> {
        let socket = join(protocol, groups).map_err(|errno| error(name, errno))?;
        Ok(MulticastSocket { socket, buffer: vec![0; MAX_LENGTH].into_boxed_slice(), name })
    }

    /// Takes the messages that have come, and returns whether one of them `matters`.
    pub fn drain(&mut self, mut matters: impl FnMut(Received<'_>) -> bool) -> Result<bool, Error> {
        let mut any = false;
        for _ in 0..MAX_MESSAGES {
            let received = match retry_on_intr(|| recv(&self.socket, &mut *self.buffer, RecvFlags::DONTWAIT)) {
                Ok((read, _)) => Received::Message(&self.buffer[..read]),
                Err(Errno::AGAIN) => break,
                Err(Errno::NOBUFS) => Received::Lost,
                Err(errno) => return Err(error(self.name, errno)),
            };
            any |= matters(received);
        }
        Ok(any)
    }
}

impl AsFd for MulticastSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn error(name: &'static str, errno: Errno) -> Error {
    Error::Read { path: PathBuf::from(name), errno }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, netlink, sendto, socket_with};

    use super::*;

    /// The kernel sends nothing here.
    const UNUSED: Option<Protocol> = Some(netlink::USERSOCK);

    fn send_all(message: &[u8]) {
        let sender = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, UNUSED).unwrap();
        // ECONNREFUSED comes from the kernel, which gets every such message, too.
        let _ = sendto(&sender, message, SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 1));
    }

    #[test]
    fn lost_messages_are_reported_once() {
        let mut group = match MulticastSocket::open("group", UNUSED, 1) {
            Ok(group) => group,
            Err(Error::Read { errno: Errno::PERM, .. }) => return, // needs root
            Err(error) => panic!("{error}"),
        };
        let mut lost = 0;
        let mut drain = || {
            group.drain(|received| {
                lost += u32::from(received == Received::Lost);
                received != Received::Message(b"unimportant")
            })
        };
        assert!(!drain().unwrap());
        send_all(b"unimportant");
        assert!(!drain().unwrap());
        send_all(b"important");
        assert!(drain().unwrap());
        assert!(!drain().unwrap());
        (0..2000).for_each(|_| send_all(b"unimportant"));
        assert!(drain().unwrap());
        while drain().unwrap() {}
        assert_eq!(lost, 1);
    }

    #[test]
    fn a_refused_group_is_an_error_with_its_name() {
        let error = MulticastSocket::open("rtnetlink", Some(Protocol::from_raw(99.try_into().unwrap())), 1);
        assert_eq!(error.unwrap_err().to_string(), "rtnetlink: Protocol not supported (os error 93)");
    }
}
