//! A socket to the kernel's rtnetlink, and the questions that it is asked: about the statistics of all interfaces, of some of
//! them, and about a card's virtual functions.
//!
//! All are answered under RTNL, the kernel's lock for network configuration, inside the asker's own system call: whoever
//! holds RTNL holds the asker, and nothing can interrupt it. `hedged.rs` is the way to ask without being held.

use std::os::fd::OwnedFd;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send, socket_with,
};

use super::recvmmsg::{self, receive_many};
use crate::clock::monotonic_ns;
use crate::parse::link_stats::{self, Body, Message, RTM_GETLINK, RTM_GETSTATS};
use crate::source::Failure;

/// NETLINK_ROUTE is the first protocol of its family.
const ROUTE: Option<Protocol> = None;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// The filter bit of IFLA_STATS_LINK_64.
const LINK_64: u32 = 1;
/// struct nlmsghdr and struct if_stats_msg.
const QUESTION: usize = 28;
/// struct nlmsghdr and struct ifinfomsg.
const LINK_QUESTION: usize = 32;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
/// RTEXT_FILTER_VF: virtual functions, too.
const VF: u32 = 1;
/// What one recv can give of a dump: the kernel makes the pieces as large as the reader's buffer, up to this
/// (max_recvmsg_len, net/netlink/af_netlink.c).
const PIECE: usize = 32 << 10;
/// Room for the answer about one interface: some 240 bytes.
const ANSWER: usize = PIECE / BATCH;
/// Questions about one interface each that are sent in one go. All their answers have to fit into the socket's receive
/// buffer (212,992 bytes unless set otherwise; an answer takes about 1.3 kB of it).
const BATCH: usize = recvmmsg::MOST;
/// So often a dump is asked for anew that interfaces coming and going have interrupted.
const TRIES: usize = 3;

/// What is asked: all interfaces of the namespace, or these.
#[derive(Clone, Copy)]
pub(crate) enum Question<'indices> {
    All,
    Some(&'indices [u32]),
}

pub(crate) struct NetlinkSocket {
    socket: OwnedFd,
    sequence: u32,
    buffer: Box<[u8]>,
    questions: Vec<u8>,
    /// System calls since `begin`.
    calls: usize,
}

impl NetlinkSocket {
    /// A socket in the network namespace of the calling thread.
    pub(crate) fn open() -> Result<NetlinkSocket, Errno> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, ROUTE)?;
        bind(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
        let buffer = vec![0; PIECE].into_boxed_slice();
        Ok(NetlinkSocket { socket, sequence: 0, buffer, questions: Vec::with_capacity(BATCH * QUESTION), calls: 0 })
    }

    /// How many system calls the last question took.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Asks; `each` gets an interface, its attributes, and when they came. One that is not there gets no answer; one that an
    /// interrupted dump had before it was asked for anew comes twice.
    pub(crate) fn ask(&mut self, question: Question<'_>, each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        self.calls = 0;
        match question {
            Question::All => self.ask_all(each),
            Question::Some(indices) => self.ask_some(indices, each),
        }
    }

    fn ask_all(&mut self, mut each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for _ in 0..TRIES {
            outcome = self.ask_all_once(&mut each);
            // ENOBUFS: an answer did not fit into the socket's buffer, and is lost.
            if !matches!(outcome, Err(Failure::Errno(Errno::INTR | Errno::NOBUFS))) {
                break;
            }
        }
        outcome
    }

    fn ask_all_once(&mut self, each: &mut impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        self.begin();
        self.question(NLM_F_DUMP, 0);
        self.send()?;
        let (mut interrupted, mut done) = (false, false);
        while !done {
            self.calls += 1;
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let (_, whole) = retry_on_intr(|| recv(&self.socket, &mut *self.buffer, flags))?;
            let piece = self.buffer.get(..whole).ok_or(TOO_LONG)?;
            let time = monotonic_ns();
            each_answer(piece, self.sequence, |message| {
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

    fn ask_some(&mut self, indices: &[u32], mut each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        for batch in indices.chunks(BATCH) {
            self.begin();
            for ifindex in batch {
                self.question(0, *ifindex);
            }
            self.send()?;
            let mut outstanding = batch.len();
            while outstanding > 0 {
                self.calls += 1;
                let mut lengths = [0; recvmmsg::MOST];
                let room = &mut self.buffer[..outstanding * ANSWER];
                // Every answer is in the socket before send returns: one that is not there was lost.
                let lengths = receive_many(&self.socket, room, ANSWER, &mut lengths)?;
                let time = monotonic_ns();
                for (slot, length) in self.buffer.chunks_exact(ANSWER).zip(lengths) {
                    each_answer(slot.get(..*length).ok_or(TOO_LONG)?, self.sequence, |message| {
                        outstanding = outstanding.saturating_sub(1);
                        if let Body::Stats { ifindex, attributes } = message.body {
                            each(ifindex, attributes, time);
                        }
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Asks for the interface of this name and its virtual functions: `each` gets its number, its attributes, and when they
    /// came. The kernel asks the card's firmware for the counters of each function before it answers.
    pub(crate) fn ask_link(&mut self, name: &[u8], mut each: impl FnMut(u32, &[u8], i64)) -> Result<(), Failure> {
        self.begin();
        self.calls = 0;
        self.link_question(name);
        self.send()?;
        let mut outcome = None;
        while outcome.is_none() {
            self.calls += 2;
            // An answer is as long as the card has functions, some 300 bytes for each.
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            let (_, whole) = retry_on_intr(|| recv(&self.socket, &mut [0; 0], flags | RecvFlags::PEEK))?;
            if whole > self.buffer.len() {
                self.buffer = vec![0; whole].into_boxed_slice();
            }
            let (_, length) = retry_on_intr(|| recv(&self.socket, &mut *self.buffer, flags))?;
            let time = monotonic_ns();
            each_answer(self.buffer.get(..length).ok_or(TOO_LONG)?, self.sequence, |message| match message.body {
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
        self.questions.clear();
    }

    fn question(&mut self, flags: u16, ifindex: u32) {
        self.questions.extend((QUESTION as u32).to_ne_bytes());
        self.questions.extend(RTM_GETSTATS.to_ne_bytes());
        self.questions.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        self.questions.extend(self.sequence.to_ne_bytes());
        self.questions.extend([0; 4]); // the port: the kernel's
        self.questions.extend([0; 4]); // family and padding
        self.questions.extend(ifindex.to_ne_bytes());
        self.questions.extend(LINK_64.to_ne_bytes());
    }

    fn link_question(&mut self, name: &[u8]) {
        let (name, mask) =
            (attribute(IFLA_IFNAME, &[name, b"\0"].concat()), attribute(IFLA_EXT_MASK, &VF.to_ne_bytes()));
        let length = LINK_QUESTION + name.len() + mask.len();
        self.questions.extend((length as u32).to_ne_bytes());
        self.questions.extend(RTM_GETLINK.to_ne_bytes());
        self.questions.extend(NLM_F_REQUEST.to_ne_bytes());
        self.questions.extend(self.sequence.to_ne_bytes());
        self.questions.extend([0; 4]); // the port: the kernel's
        self.questions.extend([0; 16]); // of any family, by no number
        self.questions.extend([name, mask].concat());
    }

    fn send(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        retry_on_intr(|| send(&self.socket, &self.questions, SendFlags::empty()))?;
        Ok(())
    }
}

/// A netlink attribute: its length, its type, and its value, padded.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

const TOO_LONG: Failure = Failure::Malformed("an answer that is longer than its buffer");

/// Goes through the messages that answer the newest question; what answers an older one is passed over. That an interface
/// is not there is an answer; any other refusal is an error.
fn each_answer(bytes: &[u8], sequence: u32, mut each: impl FnMut(Message<'_>)) -> Result<(), Failure> {
    let mut rest = bytes;
    while let Some(message) = link_stats::next(&mut rest) {
        if message.sequence != sequence {
            continue;
        }
        match message.body {
            // A kernel older than 4.7 does not know the question (EOPNOTSUPP), or a filter forbids it (EPERM).
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

    fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = (16 + payload.len()) as u32;
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 2], &sequence.to_ne_bytes(), &[0; 4], payload].concat()
    }

    #[test]
    fn an_answer_to_an_older_question_is_passed_over() {
        let (error, done) = (message(2, 4, &(-1i32).to_ne_bytes()), message(3, 5, &[0; 4]));
        let mut found = 0;
        each_answer(&[error.clone(), done.clone()].concat(), 5, |_| found += 1).unwrap();
        assert_eq!(found, 1);
        assert!(matches!(each_answer(&[done, error].concat(), 4, |_| ()), Err(Failure::Errno(Errno::PERM))));
    }

    #[test]
    fn that_an_interface_is_not_there_is_an_answer() {
        let mut found = 0;
        each_answer(&message(2, 1, &(-19i32).to_ne_bytes()), 1, |_| found += 1).unwrap();
        assert_eq!(found, 1);
    }

    #[test]
    fn the_kernel_answers_for_lo_and_not_for_what_is_not_there() {
        let mut socket = NetlinkSocket::open().unwrap();
        let lo = InterfaceIndex::open().unwrap().of(b"lo").unwrap().unwrap();
        let many: Vec<u32> = std::iter::repeat_n(lo, 150).chain([u32::MAX >> 1]).collect();
        for (question, expected, calls) in [
            (Question::Some(&[lo]), 1, 2),
            (Question::Some(&[u32::MAX >> 1]), 0, 2),
            (Question::Some(&many), 150, 6),
            (Question::Some(&[]), 0, 0),
        ] {
            let mut found = Vec::new();
            socket.ask(question, |index, attributes, _| found.push((index, link_stats::counters(attributes)))).unwrap();
            assert_eq!(found.len(), expected);
            assert!(found.iter().all(|(index, counters)| *index == lo && counters.is_some()));
            assert_eq!(socket.calls(), calls);
        }
        let mut all = Vec::new();
        socket.ask(Question::All, |index, _, time| all.push((index, time > 0))).unwrap();
        assert!(all.contains(&(lo, true)));
    }

    #[test]
    fn the_kernel_answers_for_lo_by_its_name() {
        let mut socket = NetlinkSocket::open().unwrap();
        socket.buffer = Box::default(); // to see it grow
        let lo = InterfaceIndex::open().unwrap().of(b"lo").unwrap().unwrap();
        for _ in 0..3 {
            let mut found = Vec::new();
            socket.ask_link(b"lo", |index, attributes, time| found.push((index, attributes.len(), time))).unwrap();
            let [(index, length, time)] = found[..] else { panic!("{found:?}") };
            assert_eq!((index, socket.calls()), (lo, 3));
            assert!(length > 100 && time > 0);
        }
        for name in [&b"none-such"[..], b"", &[b'x'; 15]] {
            let outcome = socket.ask_link(name, |index, _, _| panic!("{index}"));
            assert!(matches!(outcome, Err(Failure::Errno(_))), "{outcome:?}");
        }
        assert!(socket.ask_link(b"lo", |_, _, _| ()).is_ok());
    }

    #[test]
    fn an_answer_that_was_lost_is_an_error_and_nobody_waits_for_it() {
        let mut socket = NetlinkSocket::open().unwrap();
        // A receive buffer too small for the answers: the kernel drops them, and says so (ENOBUFS), or says nothing.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket.socket, 1).unwrap();
        let lo = InterfaceIndex::open().unwrap().of(b"lo").unwrap().unwrap();
        let outcome = socket.ask(Question::Some(&[lo; BATCH]), |_, _, _| ());
        assert!(matches!(outcome, Err(Failure::Errno(Errno::NOBUFS | Errno::AGAIN))), "{outcome:?}");
        // The next question is answered, whatever is left of the last one.
        let mut found = 0;
        socket.ask(Question::Some(&[lo]), |_, _, _| found += 1).unwrap_or_default();
        socket.ask(Question::Some(&[lo]), |_, _, _| found += 1).unwrap();
        assert!(found >= 1);
    }
}
