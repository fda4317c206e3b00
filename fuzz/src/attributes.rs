//! Netlink messages, as defined in linux/netlink.h.

/// The header of a message, and its payload.
pub struct Message<'bytes> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: &'bytes [u8],
}

/// The first message, and the bytes after it.
pub fn message(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    if bytes.len() < 16 || word(0) < 16 || word(0) as usize > bytes.len() {
        return None;
    }
    let length = word(0) as usize;
    let next = bytes.len().min(length.div_ceil(4) * 4);
    let message = Message { kind: half(4), flags: half(6), sequence: word(8), payload: &bytes[16..length] };
    Some((message, &bytes[next..]))
}

/// The first attribute of exactly this type (flags included), unless an earlier one is malformed.
pub fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    values(bytes).into_iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// All attributes of this type (flags ignored), up to the first malformed one.
pub fn all(bytes: &[u8], wanted: u16) -> Vec<&[u8]> {
    let matching = values(bytes).into_iter().filter(|(kind, _)| kind & 0x3FFF == wanted);
    matching.map(|(_, value)| value).collect()
}

fn values(bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let (mut start, mut found) = (0, Vec::new());
    while start + 4 <= bytes.len() {
        let [length, kind] = [start, start + 2].map(|at| u16::from_ne_bytes([bytes[at], bytes[at + 1]]));
        let end = start + usize::from(length);
        if length < 4 || end > bytes.len() {
            break;
        }
        found.push((kind, &bytes[start + 4..end]));
        start = end.div_ceil(4) * 4;
    }
    found
}

/// `struct rtnl_link_stats64` as the columns of /proc/net/dev (dev_seq_printf_stats). None for numbers whose sum could
/// overflow a word.
pub fn columns(stats: &[u8]) -> Option<[i64; 16]> {
    let word = |at: usize| -> Option<i64> {
        let word = u64::from_ne_bytes(stats.get(8 * at..8 * at + 8)?.try_into().unwrap());
        Some(i64::try_from(word).unwrap_or(-1))
    };
    let mut all = [0; 23];
    for (at, value) in all.iter_mut().enumerate() {
        *value = word(at)?;
    }
    const SUMS: [&[usize]; 16] = [
        &[2],
        &[0],
        &[4],
        &[6, 15],
        &[14],
        &[10, 11, 12, 13],
        &[21],
        &[8],
        &[3],
        &[1],
        &[5],
        &[7],
        &[18],
        &[9],
        &[17, 16, 20, 19],
        &[22],
    ];
    let known = |parts: &[usize]| parts.iter().all(|at| all[*at] >= 0);
    let sum = |parts: &[usize]| -> i128 { parts.iter().map(|at| i128::from(all[*at])).sum() };
    Some(SUMS.map(|parts| if known(parts) { sum(parts).try_into().unwrap_or(-1) } else { -1 }))
}
