//! Which UNIX sockets listen at which files: sock_diag(7), the source of `ss -xl`.

use std::path::Path;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use super::namespace::within;
use crate::error::Error;
use crate::parse::unix_diag::{Part, SOCK_DIAG_BY_FAMILY, UnixListener, replies};
use crate::roots::Roots;

const NLM_F_REQUEST_DUMP: u16 = 0x301;
const AF_UNIX: u8 = 1;
/// TCP_LISTEN, which stands for any listening socket.
const LISTENING: u32 = 1 << 10;
/// Reply with the file that the socket is bound to.
const UDIAG_SHOW_VFS: u32 = 2;
/// The kernel fills the reader's buffer up to this size.
const BUFFER: usize = 32 << 10;
const SOCK_DIAG: &str = "NETLINK_SOCK_DIAG";
/// The kernel loads the module by itself, where it is installed.
const NO_UNIX_DIAG: &str =
    "the kernel's module unix_diag, which shows what process listens on a socket, is not there (modprobe unix_diag)";

/// The listening UNIX sockets that are bound to files: those of this process's network namespace, or of another one.
pub fn unix_listeners(roots: &Roots, namespace: Option<&Path>) -> Result<Vec<UnixListener>, Error> {
    let failed = |errno| match errno {
        Errno::NOENT => Error::Malformed { path: SOCK_DIAG.into(), what: NO_UNIX_DIAG },
        errno => Error::Read { path: SOCK_DIAG.into(), errno },
    };
    match namespace {
        None => listeners().map_err(failed),
        Some(namespace) => {
            within(roots, namespace, listeners).map_err(|failure| failure.error(namespace.to_owned()))?.map_err(failed)
        }
    }
}

fn listeners() -> Result<Vec<UnixListener>, Errno> {
    let protocol = Some(netlink::SOCK_DIAG);
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    retry_on_intr(|| send(&socket, &request(), SendFlags::empty()))?;
    let (mut found, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    loop {
        let (_, length) = retry_on_intr(|| recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT))?;
        match replies(&buffer[..length], |listener| found.push(listener)) {
            Ok(Part::More) => {}
            Ok(Part::Done) => return Ok(found),
            Err(0) => return Err(Errno::PROTO),
            Err(errno) => return Err(Errno::from_raw_os_error(errno)),
        }
    }
}

/// struct nlmsghdr and struct unix_diag_req.
fn request() -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..4].copy_from_slice(&40_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes[16] = AF_UNIX;
    bytes[20..24].copy_from_slice(&LISTENING.to_ne_bytes());
    bytes[28..32].copy_from_slice(&UDIAG_SHOW_VFS.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net;

    use super::*;

    #[test]
    fn a_listening_socket_is_found_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listening = net::UnixListener::bind(&path).unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino() as u32;
        let found = unix_listeners(&Roots::machine().unwrap(), None).unwrap();
        assert!(found.iter().any(|listener| listener.file_inode == inode), "{found:?}");
    }
}
