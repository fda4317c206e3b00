//! The statistics page of each disk that tapdisk3 serves: /dev/shm/td3-PID/vbd-DOMID-DEVID, kept open.
//!
//! tapdisk counts in a shared mapping of the file, so a plain read returns the current counters.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::fstat;
use rustix::io::{Errno, pread, retry_on_intr};

use super::{DeviceFiles, Handle};
use crate::fields::block;
use crate::parse::tapdisk::{self, LENGTH, Page, Unknown};
use crate::plan::Tapdisk;
use crate::roots::Roots;
use crate::source::Failure;

pub(crate) type Tapdisks = DeviceFiles<StatsPage>;

/// Reads until two of them are consistent. A busy page sometimes needs three.
const MAX_READS: usize = 8;

pub(crate) struct StatsPage(OwnedFd);

impl Handle for StatsPage {
    type Device = Tapdisk;
    type Table = block::Table;

    fn open(roots: &Roots, device: &Tapdisk) -> (PathBuf, Result<StatsPage, Failure>) {
        let Tapdisk { pid, domid, devid } = device;
        let path = PathBuf::from(format!("/dev/shm/td3-{pid}/vbd-{domid}-{devid}"));
        (roots.shown(&path), roots.open_roots_own(&path).map(StatsPage).map_err(Failure::from))
    }

    fn counters(&self, _: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        // tapdisk unlinks the file when the disk is unplugged, but an open file stays readable.
        *calls += 1;
        if fstat(&self.0)?.st_nlink == 0 {
            return Err(Failure::Errno(Errno::NOENT));
        }
        let mut earlier = self.page(calls)?;
        for _ in 1..MAX_READS {
            let page = self.page(calls)?;
            if page.follows(&earlier) {
                return Ok(page.record());
            }
            earlier = page;
        }
        Err(Failure::Malformed("no two reads of its counters are consistent"))
    }
}

impl StatsPage {
    fn page(&self, calls: &mut usize) -> Result<Page, Failure> {
        let mut bytes = [0; LENGTH];
        *calls += 1;
        let length = retry_on_intr(|| pread(&self.0, &mut bytes, 0))?;
        tapdisk::page(&bytes[..length]).map_err(|unknown| {
            Failure::Malformed(match unknown {
                Unknown::Short => "shorter than tapdisk's statistics (96 bytes)",
                Unknown::Version(0) => "tapdisk has not written its statistics yet",
                Unknown::Version(_) => "tapdisk's statistics are not of version 1, the only supported one",
            })
        })
    }
}
