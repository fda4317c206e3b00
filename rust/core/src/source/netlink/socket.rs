//! An rtnetlink socket, and the queries for the counters of all interfaces, of some, and of a card's virtual functions.
//!
//! The kernel handles each query under RTNL, its lock for network configuration, inside the caller's send(). While
//! another task holds RTNL the caller is blocked, and cannot be interrupted. `hedged.rs` queries without blocking the
//! poll.

use std::os::fd::OwnedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send, socket_with,
};

use super::recvmmsg::{self, recvmmsg};
use crate::clock::monotonic_ns;
use crate::parse::link_stats::{self, Body, RTM_GETLINK, RTM_GETSTATS};
use crate::source::Failure;

/// NETLINK_ROUTE is the first protocol of its family.
const ROUTE: Option<Protocol> = None;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// The filter bit of IFLA_STATS_LINK_64.
const LINK_64: u32 = 1;
/// struct nlmsghdr and struct if_stats_msg.
const STATS_REQUEST: usize = 28;
/// struct nlmsghdr and struct ifinfomsg.
const LINK_REQUEST: usize = 32;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
/// RTEXT_FILTER_VF: include virtual functions.
const VF: u32 = 1;
/// The largest datagram of a dump: the kernel fills the reader's buffer up to this size (max_recvmsg_len,
/// net/netlink/af_netlink.c).
const DUMP_BUFFER: usize = 32 << 10;
/// Space for the reply about one interface, which has some 240 bytes.
const REPLY: usize = DUMP_BUFFER / BATCH;
/// Single queries per send(). All replies must fit into the socket's receive buffer (212,992 bytes by default; a reply
/// takes about 1.3 kB of it).
const BATCH: usize = recvmmsg::MAX_DATAGRAMS;
/// Attempts at a dump while interfaces appear or disappear and interrupt it.
const MAX_DUMPS: usize = 3;
/// A batch that took longer has waited for RTNL, perhaps between two of its queries.
const MAX_BATCH_NS: i64 = 1_000_000;

/// A query for all interfaces of the namespace, or for these.
#[derive(Clone, Copy)]
pub(crate) enum Query<'indices> {
    All,
    Some(&'indices [u32]),
}

pub(crate) struct NetlinkSocket {
    socket: OwnedFd,
    sequence: u32,
    buffer: Box<[u8]>,
    requests: Vec<u8>,
    max_batch_ns: i64,
    /// System calls of the last query.
    calls: usize,
}

impl NetlinkSocket {
    /// A socket in the network namespace of the calling thread.
    pub(crate) fn open() -> Result<NetlinkSocket, Errno> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, ROUTE)?;
        bind(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
        Ok(NetlinkSocket {
            socket,
            sequence: 0,
            buffer: vec![0; DUMP_BUFFER].into_boxed_slice(),
            requests: Vec::with_capacity(BATCH * STATS_REQUEST),
            max_batch_ns: MAX_BATCH_NS,
            calls: 0,
        })
    }

    /// System calls of the last query.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Queries counters: calls `each` with an interface, its attributes, and the time at which the kernel read them. It
    /// is not called for a missing interface, and may be called twice for one that an interrupted dump had already
    /// returned.
    pub(crate) fn query(&mut self, query: Query<'_>, each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        self.calls = 0;
        match query {
            Query::All => self.dump(each),
            Query::Some(indices) => self.query_each(indices, each),
        }
    }

    fn dump(&mut self, mut each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for _ in 0..MAX_DUMPS {
            outcome = self.dump_once(&mut each);
            // ENOBUFS: a reply did not fit into the receive buffer and is lost.
            if !matches!(outcome, Err(Failure::Errno(Errno::INTR | Errno::NOBUFS))) {
                break;
            }
        }
        outcome
    }

    fn dump_once(&mut self, each: &mut impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        self.begin();
        self.add_stats_request(NLM_F_DUMP, 0);
        self.send()?;
        // The kernel fills the first datagram in send(), and each of the others at the end of the recv() of the one
        // before (netlink_recvmsg, net/netlink/af_netlink.c), both after the wait for RTNL.
        let mut filled = monotonic_ns();
        let (mut interrupted, mut done) = (false, false);
        while !done {
            self.calls += 1;
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let (_, whole) = retry_on_intr(|| recv(&self.socket, &mut *self.buffer, flags))?;
            let time = std::mem::replace(&mut filled, monotonic_ns());
            let datagram = self.buffer.get(..whole).ok_or(TOO_LONG)?;
            each_reply(datagram, self.sequence, |message| {
                interrupted |= message.interrupted;
                match message.body {
                    Body::Stats { ifindex, attributes } => each(ifindex, attributes, time),
                    Body::Done => done = true,
                    Body::Link { .. } | Body::Error(_) | Body::Other => {}
                }
            })?;
        }
        if interrupted { Err(Errno::INTR.into()) } else { Ok(()) }
    }

    fn query_each(&mut self, indices: &[u32], mut each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        for batch in indices.chunks(BATCH) {
            let start = monotonic_ns();
            let time = self.send_batch(batch)?;
            if batch.len() == 1 || time - start <= self.max_batch_ns {
                self.receive_batch(batch, |ifindex, attributes| each(ifindex, attributes, time))?;
                continue;
            }
            // When the kernel read which of them is unknown.
            self.receive_batch(batch, |_, _| ())?;
            for alone in batch.chunks(1) {
                let time = self.send_batch(alone)?;
                self.receive_batch(alone, |ifindex, attributes| each(ifindex, attributes, time))?;
            }
        }
        Ok(())
    }

    /// Queries each interface. The kernel has read them all when this returns; the result is the time.
    fn send_batch(&mut self, indices: &[u32]) -> Result<i64, Failure> {
        self.begin();
        for ifindex in indices {
            self.add_stats_request(0, *ifindex);
        }
        self.send()?;
        Ok(monotonic_ns())
    }

    fn receive_batch(&mut self, indices: &[u32], mut each: impl FnMut(u32, &[u8])) -> Result<(), Failure> {
        let mut outstanding = indices.len();
        while outstanding > 0 {
            self.calls += 1;
            let mut lengths = [0; recvmmsg::MAX_DATAGRAMS];
            let room = &mut self.buffer[..outstanding * REPLY];
            // All replies have arrived when send() returns: a missing one was lost.
            let lengths = recvmmsg(&self.socket, room, REPLY, &mut lengths)?;
            for (slot, length) in self.buffer.chunks_exact(REPLY).zip(lengths) {
                each_reply(slot.get(..*length).ok_or(TOO_LONG)?, self.sequence, |message| {
                    outstanding = outstanding.saturating_sub(1);
                    if let Body::Stats { ifindex, attributes } = message.body {
                        each(ifindex, attributes);
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Queries the interface of this name and its virtual functions: calls `each` with its number, its attributes, and
    /// the time at which the kernel had read them. It asks the card's firmware for the counters of each function.
    pub(crate) fn query_link(&mut self, name: &[u8], mut each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        self.begin();
        self.calls = 0;
        self.add_link_request(name);
        self.send()?;
        let time = monotonic_ns();
        let mut outcome = None;
        while outcome.is_none() {
            self.calls += 2;
            // A reply has some 300 bytes for each function of the card.
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let (_, whole) = retry_on_intr(|| recv(&self.socket, &mut [0; 0], flags | RecvFlags::PEEK))?;
            if whole > self.buffer.len() {
                self.buffer = vec![0; whole].into_boxed_slice();
            }
            let (_, length) = retry_on_intr(|| recv(&self.socket, &mut *self.buffer, flags))?;
            each_reply(self.buffer.get(..length).ok_or(TOO_LONG)?, self.sequence, |message| match message.body {
                Body::Link { ifindex, attributes } => {
                    each(ifindex, attributes, time);
                    outcome = Some(Ok(()));
                }
                Body::Error(_) => outcome = Some(Err(Errno::NODEV.into())),
                Body::Stats { .. } | Body::Done | Body::Other => {}
            })?;
        }
        outcome.unwrap_or(Ok(()))
    }

    fn begin(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.requests.clear();
    }

    fn add_stats_request(&mut self, flags: u16, ifindex: u32) {
        self.requests.extend((STATS_REQUEST as u32).to_ne_bytes());
        self.requests.extend(RTM_GETSTATS.to_ne_bytes());
        self.requests.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        self.requests.extend(self.sequence.to_ne_bytes());
        self.requests.extend([0; 4]); // the kernel's port
        self.requests.extend([0; 4]); // family and padding
        self.requests.extend(ifindex.to_ne_bytes());
        self.requests.extend(LINK_64.to_ne_bytes());
    }

    fn add_link_request(&mut self, name: &[u8]) {
        let (name, mask) =
            (attribute(IFLA_IFNAME, &[name, b"\0"].concat()), attribute(IFLA_EXT_MASK, &VF.to_ne_bytes()));
        let length = LINK_REQUEST + name.len() + mask.len();
        self.requests.extend((length as u32).to_ne_bytes());
        self.requests.extend(RTM_GETLINK.to_ne_bytes());
        self.requests.extend(NLM_F_REQUEST.to_ne_bytes());
        self.requests.extend(self.sequence.to_ne_bytes());
        self.requests.extend([0; 4]); // the kernel's port
        self.requests.extend([0; 16]); // any family, no number
        self.requests.extend([name, mask].concat());
    }

    fn send(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        retry_on_intr(|| send(&self.socket, &self.requests, SendFlags::empty()))?;
        Ok(())
    }
}

/// A netlink attribute: length, type, value, padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

const TOO_LONG: Failure = Failure::Malformed("a netlink reply is longer than its buffer");

/// Calls `each` with every message of a datagram that replies to the request of this sequence number; replies to
/// earlier ones are skipped. ENODEV is a reply: the interface does not exist. Any other error is returned.
fn each_reply(bytes: &[u8], sequence: u32, mut each: impl FnMut(link_stats::Reply<'_>)) -> Result<(), Failure> {
    let mut rest = bytes;
    while let Some(message) = link_stats::next(&mut rest) {
        if message.sequence != sequence {
            continue;
        }
        match message.body {
            // Before Linux 4.7 RTM_GETSTATS is unknown (EOPNOTSUPP); a seccomp filter may forbid it (EPERM).
            Body::Error(errno) if errno != 0 && errno != -Errno::NODEV.raw_os_error() => {
                return Err(Errno::from_raw_os_error(-errno).into());
            }
            _ => each(message),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::net::index::InterfaceIndex;
    use crate::source::net::made_namespace::{in_network_namespace, ip_batch};

    /// The position of tx_packets in `Counters`.
    const TX_PACKETS: usize = 9;

    fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = (16 + payload.len()) as u32;
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 2], &sequence.to_ne_bytes(), &[0; 4], payload].concat()
    }

    #[test]
    fn replies_to_earlier_requests_are_skipped() {
        let (error, done) = (message(2, 4, &(-1i32).to_ne_bytes()), message(3, 5, &[0; 4]));
        let mut found = 0;
        each_reply(&[error.clone(), done.clone()].concat(), 5, |_| found += 1).unwrap();
        assert_eq!(found, 1);
        assert!(matches!(each_reply(&[done, error].concat(), 4, |_| ()), Err(Failure::Errno(Errno::PERM))));
    }

    #[test]
    fn a_missing_interface_is_a_reply() {
        let mut found = 0;
        each_reply(&message(2, 1, &(-19i32).to_ne_bytes()), 1, |_| found += 1).unwrap();
        assert_eq!(found, 1);
    }

    #[test]
    fn the_kernel_replies_for_lo_and_not_for_a_missing_interface() {
        let mut socket = NetlinkSocket::open().unwrap();
        let lo = InterfaceIndex::open().unwrap().of(b"lo").unwrap().unwrap();
        let many: Vec<u32> = std::iter::repeat_n(lo, 150).chain([u32::MAX >> 1]).collect();
        for (query, expected, calls) in [
            (Query::Some(&[lo]), 1, 2),
            (Query::Some(&[u32::MAX >> 1]), 0, 2),
            (Query::Some(&many), 150, 6),
            (Query::Some(&[]), 0, 0),
        ] {
            let mut found = Vec::new();
            socket.query(query, |index, attributes, _| found.push((index, link_stats::counters(attributes)))).unwrap();
            assert_eq!(found.len(), expected);
            assert!(found.iter().all(|(index, counters)| *index == lo && counters.is_some()));
            assert_eq!(socket.calls(), calls);
        }
        let mut all = Vec::new();
        socket.query(Query::All, |index, _, time| all.push((index, time > 0))).unwrap();
        assert!(all.contains(&(lo, true)));
    }

    #[test]
    fn the_kernel_replies_for_lo_by_name() {
        let mut socket = NetlinkSocket::open().unwrap();
        socket.buffer = Box::default(); // to make it grow
        let lo = InterfaceIndex::open().unwrap().of(b"lo").unwrap().unwrap();
        for _ in 0..3 {
            let mut found = Vec::new();
            socket.query_link(b"lo", |index, attributes, time| found.push((index, attributes.len(), time))).unwrap();
            let [(index, length, time)] = found[..] else { panic!("{found:?}") };
            assert_eq!((index, socket.calls()), (lo, 3));
            assert!(length > 100 && time > 0);
        }
        for name in [&b"none-such"[..], b"", &[b'x'; 15]] {
            let outcome = socket.query_link(name, |index, _, _| panic!("{index}"));
            assert!(matches!(outcome, Err(Failure::Errno(_))), "{outcome:?}");
        }
        assert!(socket.query_link(b"lo", |_, _, _| ()).is_ok());
    }

    /// Sends a frame out of an interface.
    #[allow(unsafe_code)]
    fn send_frame(ifindex: u32) {
        // SAFETY: plain system calls on a socket of their own; the address and the frame live until sendto returns.
        unsafe {
            let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            (address.sll_family, address.sll_ifindex) = (libc::AF_PACKET as u16, ifindex as i32);
            let (frame, length) = ([0xffu8; 60], size_of_val(&address) as u32);
            let sent = libc::sendto(socket, frame.as_ptr().cast(), 60, 0, (&raw const address).cast(), length);
            assert_eq!(sent, 60);
            libc::close(socket);
        }
    }

    #[test]
    fn a_datagram_of_a_dump_has_the_time_at_which_the_kernel_filled_it() {
        in_network_namespace(|| {
            let pairs = (0..100).map(|pair| format!("link add a{pair} type veth peer name b{pair}\n"));
            ip_batch(&(pairs.collect::<String>() + "link set a99 up\nlink set b99 up\n"));
            let index = InterfaceIndex::open().unwrap();
            let (first, last) = (index.of(b"lo").unwrap().unwrap(), index.of(b"a99").unwrap().unwrap());
            let mut socket = NetlinkSocket::open().unwrap();
            // A frame leaves after the first datagram was received. The second has been filled by then.
            let mut sent_at = 0;
            let mut read = |socket: &mut NetlinkSocket| {
                let mut found = None;
                let outcome = socket.query(Query::All, |index, attributes, time| {
                    if index == first {
                        sent_at = monotonic_ns();
                        send_frame(last);
                    }
                    if index == last {
                        found = link_stats::counters(attributes).map(|counters| (counters[TX_PACKETS], time));
                    }
                });
                outcome.unwrap();
                assert!(socket.calls() >= 3, "the dump has several datagrams");
                let (packets, time) = found.unwrap();
                (packets, time < sent_at)
            };
            read(&mut socket); // the kernel's first dump for a socket has smaller datagrams
            let (before, is_earlier) = read(&mut socket);
            assert!(is_earlier);
            assert_eq!(read(&mut socket), (before + 1, true), "its own frame is not counted yet");
        });
    }

    #[test]
    fn after_a_wait_within_a_batch_each_interface_is_read_at_its_own_time() {
        let mut socket = NetlinkSocket::open().unwrap();
        let lo = InterfaceIndex::open().unwrap().of(b"lo").unwrap().unwrap();
        for (max_batch_ns, expected, calls) in [(i64::MAX, 3, 6), (-1, 150, 6 + 2 * 150)] {
            socket.max_batch_ns = max_batch_ns;
            let mut times = Vec::new();
            socket.query(Query::Some(&[lo; 150]), |_, _, time| times.push(time)).unwrap();
            assert!(times.len() == 150 && times.is_sorted());
            times.dedup();
            assert_eq!((times.len(), socket.calls()), (expected, calls));
        }
    }

    #[test]
    fn a_lost_reply_is_an_error_and_is_not_waited_for() {
        let mut socket = NetlinkSocket::open().unwrap();
        // The receive buffer is too small for the replies: the kernel drops them, with ENOBUFS or silently.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket.socket, 1).unwrap();
        let lo = InterfaceIndex::open().unwrap().of(b"lo").unwrap().unwrap();
        let outcome = socket.query(Query::Some(&[lo; BATCH]), |_, _, _| ());
        assert!(matches!(outcome, Err(Failure::Errno(Errno::NOBUFS | Errno::AGAIN))), "{outcome:?}");
        // The next query gets its reply, whatever is left of the last one.
        let mut found = 0;
        socket.query(Query::Some(&[lo]), |_, _, _| found += 1).unwrap_or_default();
        socket.query(Query::Some(&[lo]), |_, _, _| found += 1).unwrap();
        assert!(found >= 1);
    }
}
