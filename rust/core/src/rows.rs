//! The table that a poll fills: the caller's memory, the caller's struct size.

use crate::error::Error;
use crate::fields::WORD;

/// Rows of structs, one after the other, each the first `size` bytes of the newest struct. As in libvirt any size is
/// served, also 0 and one that cuts a word: a client gets the bytes that its own struct has, in their place.
pub struct Rows<'memory> {
    bytes: &'memory mut [u8],
    size: usize,
}

impl<'memory> Rows<'memory> {
    /// Room for `rows` structs of `size` bytes, of which the newest has `limit`. What follows them in `bytes` stays as it is.
    pub fn new(bytes: &'memory mut [u8], rows: usize, size: usize, limit: usize) -> Result<Self, Error> {
        if size > limit {
            return Err(Error::Size { asked: size, limit });
        }
        let has = bytes.len();
        match rows.checked_mul(size).and_then(|needed| bytes.get_mut(..needed)) {
            Some(bytes) => Ok(Rows { bytes, size }),
            None => Err(Error::Buffer { rows, size, has }),
        }
    }

    /// Bytes a row.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Writes as much of a record as a row has room for.
    #[inline]
    pub fn put(&mut self, row: usize, record: &[i64]) {
        let start = row * self.size;
        self.bytes[start..start + self.size].copy_from_slice(&bytemuck::cast_slice(record)[..self.size]);
    }
}

impl Rows<'_> {
    /// A word that was put; -1 where the row has no room for it.
    #[inline]
    pub(crate) fn word(&self, row: usize, word: usize) -> i64 {
        let start = word * WORD;
        match self.bytes[row * self.size..][..self.size].get(start..start + WORD) {
            Some(bytes) => bytemuck::pod_read_unaligned(bytes),
            None => -1,
        }
    }

    /// Writes one word over what was put, as much of it as the row has room for.
    #[inline]
    pub(crate) fn set_word(&mut self, row: usize, word: usize, number: i64) {
        let row = &mut self.bytes[row * self.size..][..self.size];
        let room = row.get_mut(word * WORD..).unwrap_or_default();
        let length = room.len().min(WORD);
        room[..length].copy_from_slice(&bytemuck::bytes_of(&number)[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: [i64; 3] = [0x0807_0605_0403_0201, -1, 7];

    #[test]
    fn every_size_gives_the_first_bytes_and_touches_nothing_else() {
        for size in 0..=24 {
            let mut memory = [0xAA; 50];
            Rows::new(&mut memory, 2, size, 24).unwrap().put(1, &RECORD);
            let whole: &[u8] = bytemuck::cast_slice(&RECORD);
            assert_eq!(memory[..size], vec![0xAA; size]);
            assert_eq!(memory[size..2 * size], whole[..size]);
            assert_eq!(memory[2 * size..], vec![0xAA; 50 - 2 * size]);
        }
    }

    #[test]
    fn what_is_refused() {
        assert!(matches!(Rows::new(&mut [0; 99], 1, 25, 24), Err(Error::Size { asked: 25, limit: 24 })));
        assert!(matches!(Rows::new(&mut [0; 47], 2, 24, 24), Err(Error::Buffer { rows: 2, size: 24, has: 47 })));
        assert!(matches!(Rows::new(&mut [0; 47], usize::MAX, 24, 24), Err(Error::Buffer { .. })));
        assert!(Rows::new(&mut [], 9, 0, 24).is_ok());
    }
}
