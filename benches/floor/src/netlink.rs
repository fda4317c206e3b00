//! RTM_GETSTATS with IFLA_STATS_LINK_64 on a socket kept open: one dump, or single requests in batches.

use std::fs::read_to_string;
use std::io::{Error, Result};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv, send,
    socket_with,
};

use crate::recvmmsg::Slots;
use crate::route::{Route, wrong};

const RTM_GETSTATS: u16 = 94;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_DONE: u16 = 3;
const LINK_64: u32 = 1;
/// struct nlmsghdr and struct if_stats_msg.
const REQUEST: usize = 28;
/// All replies to a batch must fit into the socket's receive buffer.
const BATCH: usize = 64;
/// The largest datagram of a dump.
const DUMP_BUFFER: usize = 32 << 10;

fn socket() -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

fn request(flags: u16, ifindex: u32) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&RTM_GETSTATS.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    bytes[20..24].copy_from_slice(&ifindex.to_ne_bytes());
    bytes[24..].copy_from_slice(&LINK_64.to_ne_bytes());
    bytes
}

fn receive<'datagram>(socket: &OwnedFd, datagram: &'datagram mut [u8]) -> Result<&'datagram [u8]> {
    let (_, length) = recv(socket, &mut *datagram, RecvFlags::DONTWAIT | RecvFlags::TRUNC)?;
    datagram.get(..length).ok_or_else(|| wrong("a reply of more than 32 KiB"))
}

/// Checks that no reply is left.
fn check_empty(socket: &OwnedFd) -> Result<()> {
    match recv(socket, &mut [0; 16], RecvFlags::DONTWAIT) {
        Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno.into()),
        Ok(_) => Err(wrong("interfaces appeared or disappeared: the reply is longer than before")),
    }
}

/// One dump of all interfaces.
pub(crate) struct Dump {
    socket: OwnedFd,
    datagram: Box<[u8]>,
    /// The number of datagrams of a reply, so that no round has to look for its end.
    datagrams: usize,
}

impl Dump {
    pub(crate) fn open() -> Result<Dump> {
        let mut dump = Dump { socket: socket()?, datagram: vec![0; DUMP_BUFFER].into_boxed_slice(), datagrams: 0 };
        // The datagrams grow to the size of the reader's buffer: the first dump has more of them.
        for _ in 0..3 {
            dump.datagrams = dump.count_pieces()?;
        }
        Ok(dump)
    }

    fn count_pieces(&mut self) -> Result<usize> {
        send(&self.socket, &request(NLM_F_DUMP, 0), SendFlags::empty())?;
        for datagrams in 1.. {
            let mut rest = receive(&self.socket, &mut self.datagram)?;
            while let (Some(length), Some(kind)) = (rest.first_chunk().copied(), rest.get(4..6)) {
                if kind == NLMSG_DONE.to_ne_bytes() {
                    return Ok(datagrams);
                }
                rest = rest.get((u32::from_ne_bytes(length) as usize).next_multiple_of(4)..).unwrap_or_default();
            }
        }
        unreachable!("a range without an end")
    }
}

impl Route for Dump {
    fn round(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        send(&self.socket, &request(NLM_F_DUMP, 0), SendFlags::empty())?;
        for _ in 0..self.datagrams {
            each(receive(&self.socket, &mut self.datagram)?);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        check_empty(&self.socket)
    }
}

/// A request for each interface, many per send(); each reply is a datagram of its own.
pub(crate) struct Singles {
    socket: OwnedFd,
    slots: Slots,
    batches: Vec<Vec<u8>>,
}

impl Singles {
    pub(crate) fn open(sys: &Path, interfaces: &[String]) -> Result<Singles> {
        let index = |name: &String| -> Result<u32> {
            let text = read_to_string(sys.join("class/net").join(name).join("ifindex"))?;
            text.trim().parse().map_err(Error::other)
        };
        let indices = interfaces.iter().map(index).collect::<Result<Vec<u32>>>()?;
        let batch = |indices: &[u32]| indices.iter().flat_map(|ifindex| request(0, *ifindex)).collect();
        let batches = indices.chunks(BATCH).map(batch).collect();
        Ok(Singles { socket: socket()?, slots: Slots::new(BATCH.min(indices.len())), batches })
    }
}

impl Route for Singles {
    fn round(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        for batch in &self.batches {
            send(&self.socket, batch, SendFlags::empty())?;
            let mut outstanding = batch.len() / REQUEST;
            while outstanding > 0 {
                outstanding -= self.slots.receive(&self.socket, each)?.min(outstanding);
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        check_empty(&self.socket)
    }
}
