//! A text file of the kernel, kept open and read line by line.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use rustix::io::{pread, retry_on_intr};

use crate::clock::monotonic_ns;
use crate::source::Failure;

/// Far more than any line of the kernel: those of /proc/net/dev have at most 350 bytes.
pub(crate) const MAX_LINE: usize = 16 << 10;
/// 10,000 interfaces are 2 MB of /proc/net/dev. An endless file is no counter file.
pub(crate) const MAX_FILE: u64 = 64 << 20;

/// The file and a buffer. A read returns at most a page (the buffer of seq_file, fs/seq_file.c), so the text is parsed
/// chunk by chunk, while it still is in the L1 cache.
pub(crate) struct Lines {
    file: OwnedFd,
    buffer: Box<[u8]>,
    /// System calls of the last read.
    pub(crate) calls: usize,
}

impl Lines {
    pub(crate) fn new(file: OwnedFd) -> Lines {
        Lines { file, buffer: vec![0; MAX_LINE].into_boxed_slice(), calls: 0 }
    }

    /// Reads the file from its start and calls `each` with every line and the time of its read, until the file ends or
    /// `each` breaks.
    pub(crate) fn for_each(&mut self, each: impl FnMut(&[u8], i64) -> ControlFlow<()>) -> Result<(), Failure> {
        self.calls = 0;
        for_each_line(&self.file, &mut self.buffer, &mut self.calls, each)
    }
}

/// As `Lines::for_each`, with the caller's buffer and count of system calls. It uses pread, since a fork or another
/// thread would share the offset of read.
pub(crate) fn for_each_line(
    file: &OwnedFd,
    buffer: &mut [u8],
    calls: &mut usize,
    mut each: impl FnMut(&[u8], i64) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let mut kept = 0; // bytes of an incomplete line
    let mut offset = 0;
    loop {
        *calls += 1;
        let read = retry_on_intr(|| pread(file, &mut buffer[kept..], offset))?;
        let time = monotonic_ns();
        let filled = &buffer[..kept + read];
        if read == 0 {
            if kept > 0 {
                let _ = each(filled, time);
            }
            return Ok(());
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', filled) {
            if each(&filled[start..end], time).is_break() {
                return Ok(());
            }
            start = end + 1;
        }
        kept = filled.len() - start;
        buffer.copy_within(start..start + kept, 0);
        offset += read as u64;
        if kept == buffer.len() {
            return Err(Failure::Malformed("a line of more than 16 KiB"));
        }
        if offset > MAX_FILE {
            return Err(Failure::Malformed("more than 64 MiB"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn lines_of(text: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), text).unwrap();
        let mut lines = Lines::new(File::open(folder.path().join("text")).unwrap().into());
        let mut found = Vec::new();
        lines.for_each(|line, _| {
            found.push(line.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    #[test]
    fn lines_longer_and_shorter_than_a_chunk() {
        for length in [1, 100, 5000, MAX_LINE - 1] {
            let text: Vec<String> = (0..40).map(|number| format!("{number:0length$}")).collect();
            let found = lines_of(text.join("\n").as_bytes()).unwrap();
            assert!(found.iter().map(Vec::as_slice).eq(text.iter().map(String::as_bytes)), "{length}");
        }
    }

    #[test]
    fn hostile_files_end_in_an_error_or_in_lines() {
        assert!(lines_of(b"").unwrap().is_empty());
        assert_eq!(lines_of(b"\n\n").unwrap(), [b"", b""]);
        assert!(matches!(lines_of(&vec![b'x'; MAX_LINE]), Err(Failure::Malformed(_))));
        let endless: Vec<u8> = [b'x'; 1023].into_iter().chain([b'\n']).cycle().take(MAX_FILE as usize + 1).collect();
        assert!(matches!(lines_of(&endless), Err(Failure::Malformed(_))));
    }

    #[test]
    fn stops_reading_when_told() {
        let mut lines = Lines::new(File::open("/proc/self/status").unwrap().into());
        let mut count = 0;
        lines
            .for_each(|_, time| {
                assert!(time > 0);
                count += 1;
                if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(count, 3);
    }
}
