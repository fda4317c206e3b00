//! The table that a poll fills: in the caller's memory, with the caller's struct size.

use crate::error::Error;
use crate::fields::WORD;

/// An array of structs, each the first `size` bytes of the newest one. As in libvirt, any size works, even 0 and one
/// that cuts a word: a client gets the bytes of its own struct.
pub struct Rows<'memory> {
    bytes: &'memory mut [u8],
    size: usize,
    /// Room that the plan has no row for.
    spare: &'memory mut [u8],
}

impl<'memory> Rows<'memory> {
    /// `rows` structs of `size` bytes at the start of `bytes`; the newest struct has `limit`.
    pub fn new(bytes: &'memory mut [u8], rows: usize, size: usize, limit: usize) -> Result<Self, Error> {
        if size > limit {
            return Err(Error::Size { requested: size, limit });
        }
        let has = bytes.len();
        match rows.checked_mul(size).and_then(|needed| bytes.split_at_mut_checked(needed)) {
            Some((bytes, spare)) => Ok(Rows { bytes, size, spare }),
            None => Err(Error::Buffer { rows, size, has }),
        }
    }

    /// Bytes per row.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Writes the first `size` bytes of a record.
    #[inline]
    pub fn put(&mut self, row: usize, record: &[i64]) {
        let start = row * self.size;
        self.bytes[start..start + self.size].copy_from_slice(&bytemuck::cast_slice(record)[..self.size]);
    }

    /// Writes a record into every whole row after those of the plan: what an earlier plan left there is no device's any more.
    pub fn fill_spare(&mut self, record: &[i64]) {
        if self.size > 0 {
            let record = &bytemuck::cast_slice(record)[..self.size];
            self.spare.chunks_exact_mut(self.size).for_each(|row| row.copy_from_slice(record));
        }
    }
}

impl Rows<'_> {
    /// A word written by `put`; -1 if the row is too small for it.
    #[inline]
    pub(crate) fn word(&self, row: usize, word: usize) -> i64 {
        let start = word * WORD;
        match self.bytes[row * self.size..][..self.size].get(start..start + WORD) {
            Some(bytes) => bytemuck::pod_read_unaligned(bytes),
            None => -1,
        }
    }

    /// Overwrites one word, or as many of its bytes as the row has.
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
    fn every_size_writes_the_first_bytes_and_nothing_else() {
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
    fn sizes_that_are_refused() {
        assert!(matches!(Rows::new(&mut [0; 99], 1, 25, 24), Err(Error::Size { requested: 25, limit: 24 })));
        assert!(matches!(Rows::new(&mut [0; 47], 2, 24, 24), Err(Error::Buffer { rows: 2, size: 24, has: 47 })));
        assert!(matches!(Rows::new(&mut [0; 47], usize::MAX, 24, 24), Err(Error::Buffer { .. })));
        assert!(Rows::new(&mut [], 9, 0, 24).is_ok());
    }
}
