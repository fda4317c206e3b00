//! A text file of the kernel, kept open and read to its end, at most a page per read.

use std::fs::File;
use std::io::Result;
use std::path::Path;

use rustix::io::pread;

use crate::route::Route;

pub(crate) struct TextFile {
    file: File,
    buffer: Box<[u8]>,
}

impl TextFile {
    pub(crate) fn open(path: &Path) -> Result<TextFile> {
        Ok(TextFile { file: File::open(path)?, buffer: vec![0; 16 << 10].into_boxed_slice() })
    }
}

impl Route for TextFile {
    fn round(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut offset = 0;
        loop {
            let read = pread(&self.file, &mut *self.buffer, offset)?;
            if read == 0 {
                return Ok(());
            }
            each(&self.buffer[..read]);
            offset += read as u64;
        }
    }
}
