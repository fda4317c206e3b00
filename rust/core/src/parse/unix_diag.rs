//! Replies of sock_diag(7) about UNIX sockets: bytes in, sockets out.

/// struct nlmsghdr.
const HEADER: usize = 16;
/// struct unix_diag_msg.
const MESSAGE: usize = 16;
const ATTRIBUTE: usize = 4;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Also the type of the request.
pub const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// struct unix_diag_vfs: inode and device of the file that the socket is bound to.
const UNIX_DIAG_VFS: u16 = 1;

/// A socket that is bound to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixListener {
    /// The socket's own inode: a descriptor of it leads to `socket:[INODE]`.
    pub inode: u32,
    /// The lower 32 bits of its file's inode (the kernel passes no more).
    pub file_inode: u32,
}

/// What a datagram of replies contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// More datagrams follow.
    More,
    /// The dump is complete.
    Done,
}

/// Calls `each` with every socket of a datagram that is bound to a file. An error is the kernel's errno, or 0 for bytes that
/// are no replies.
pub fn replies(mut datagram: &[u8], mut each: impl FnMut(UnixListener)) -> Result<Part, i32> {
    while !datagram.is_empty() {
        let length = word(datagram, 0).ok_or(0)? as usize;
        let kind = half(datagram, 4).ok_or(0)?;
        let message = datagram.get(HEADER..length).ok_or(0)?;
        match kind {
            NLMSG_DONE => return Ok(Part::Done),
            // struct nlmsgerr begins with the negative errno.
            NLMSG_ERROR => return Err(word(message, 0).map_or(0, |errno| (errno as i32).wrapping_neg())),
            SOCK_DIAG_BY_FAMILY => {
                let inode = word(message, 4).ok_or(0)?;
                if let Some(file_inode) = message.get(MESSAGE..).and_then(file_inode) {
                    each(UnixListener { inode, file_inode });
                }
            }
            _ => {}
        }
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
    }
    Ok(Part::More)
}

fn file_inode(mut attributes: &[u8]) -> Option<u32> {
    loop {
        let (length, kind) = (usize::from(half(attributes, 0)?), half(attributes, 2)?);
        let value = attributes.get(ATTRIBUTE..length)?;
        if kind == UNIX_DIAG_VFS {
            return word(value, 0);
        }
        attributes = attributes.get(aligned(length)..)?;
    }
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn socket(inode: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![1, 1, 10, 0];
        body.extend(inode.to_ne_bytes());
        body.extend([0; 8]);
        for (kind, value) in attributes {
            body.extend(((ATTRIBUTE + value.len()) as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        message(SOCK_DIAG_BY_FAMILY, &body)
    }

    fn found(datagram: &[u8]) -> (Vec<UnixListener>, Result<Part, i32>) {
        let mut all = Vec::new();
        let part = replies(datagram, |one| all.push(one));
        (all, part)
    }

    #[test]
    fn sockets_with_a_file_until_the_end() {
        let vfs = [7_u32.to_ne_bytes(), 9_u32.to_ne_bytes()].concat();
        let mut datagram = socket(5, &[(0, b"/run/a"), (UNIX_DIAG_VFS, &vfs)]);
        datagram.extend(socket(6, &[(0, b"\0abstract")]));
        assert_eq!(found(&datagram), (vec![UnixListener { inode: 5, file_inode: 7 }], Ok(Part::More)));
        assert_eq!(found(&message(NLMSG_DONE, &[0; 4])), (vec![], Ok(Part::Done)));
        assert_eq!(found(&message(NLMSG_ERROR, &(-13_i32).to_ne_bytes())), (vec![], Err(13)));
    }

    #[test]
    fn what_is_cut_off_is_no_reply() {
        let whole = socket(5, &[(UNIX_DIAG_VFS, &[1; 8])]);
        for length in 1..whole.len() {
            assert_eq!(found(&whole[..length]), (vec![], Err(0)), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = found(&bytes);
        }
    }
}
