//! /proc/PID/io of each watched process, kept open.
//!
//! The kernel asks at every read whether the reader may trace the process (ptrace_may_access): root, CAP_SYS_PTRACE, or the
//! process's own user. Once the process has ended and its parent knows, the file answers ESRCH, also when another process has
//! its number.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::{pread, retry_on_intr};

use super::{Handle, KeptOpen};
use crate::fields::block;
use crate::parse::process_io;
use crate::roots::Roots;
use crate::source::Failure;

pub(crate) type ProcessIos = KeptOpen<IoFile>;

/// Seven lines of at most 45 bytes.
const LONGEST: usize = 512;

pub(crate) struct IoFile(OwnedFd);

impl Handle for IoFile {
    /// Its number.
    type Device = u32;
    type Table = block::Table;

    fn open(roots: &Roots, pid: &u32) -> (PathBuf, Result<IoFile, Failure>) {
        let path = PathBuf::from(format!("/proc/{pid}/io"));
        (roots.shown(&path), roots.open_regular(&path).map(IoFile).map_err(Failure::from))
    }

    fn counters(&self, _: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let mut text = [0; LONGEST];
        *calls += 1;
        let length = retry_on_intr(|| pread(&self.0, &mut text, 0))?;
        process_io::record(&text[..length]).ok_or(Failure::Malformed("not the I/O of a process"))
    }
}
