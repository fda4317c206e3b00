//! /proc/PID/io, kept open.
//!
//! Each read needs permission to trace the process (ptrace_may_access): root, CAP_SYS_PTRACE, or the process's own
//! user. Once the process has ended and was reaped, the file returns ESRCH, even after another process gets the number.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::{pread, retry_on_intr};

use super::{DeviceFiles, Handle};
use crate::fields::block;
use crate::parse::process_io;
use crate::roots::Roots;
use crate::source::Failure;

pub(crate) type ProcessIos = DeviceFiles<IoFile>;

/// More than seven lines of 45 bytes.
const MAX_LENGTH: usize = 512;

pub(crate) struct IoFile(OwnedFd);

impl Handle for IoFile {
    /// The process number.
    type Device = u32;
    type Table = block::Table;

    fn open(roots: &Roots, pid: &u32) -> (PathBuf, Result<IoFile, Failure>) {
        let path = PathBuf::from(format!("/proc/{pid}/io"));
        (roots.shown(&path), roots.open_regular(&path).map(IoFile).map_err(Failure::from))
    }

    fn counters(&self, _: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let mut text = [0; MAX_LENGTH];
        *calls += 1;
        let length = retry_on_intr(|| pread(&self.0, &mut text, 0))?;
        process_io::record(&text[..length]).ok_or(Failure::Malformed("not the I/O counters of a process"))
    }
}
