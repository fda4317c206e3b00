//! The page of statistics that tapdisk3 keeps for each disk that it serves: /dev/shm/td3-PID/vbd-DOMID-DEVID, kept open.
//!
//! Its page cache is the very memory that tapdisk counts in, so that reading the file needs no mapping of it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::fstat;
use rustix::io::{Errno, pread, retry_on_intr};

use super::{Handle, KeptOpen};
use crate::fields::block;
use crate::parse::tapdisk::{self, LENGTH, Page, Unknown};
use crate::plan::Tapdisk;
use crate::roots::Roots;
use crate::source::Failure;

pub(crate) type Tapdisks = KeptOpen<StatsPage>;

/// Readings until two of them fit together. A busy page needs a third one now and then.
const READINGS: usize = 8;

pub(crate) struct StatsPage(OwnedFd);

impl Handle for StatsPage {
    type Device = Tapdisk;
    type Table = block::Table;

    fn open(roots: &Roots, device: &Tapdisk) -> (PathBuf, Result<StatsPage, Failure>) {
        let Tapdisk { pid, domid, devid } = device;
        let path = PathBuf::from(format!("/dev/shm/td3-{pid}/vbd-{domid}-{devid}"));
        (roots.shown(&path), roots.open_regular(&path).map(StatsPage).map_err(Failure::from))
    }

    fn counters(&self, _: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        // tapdisk deletes the file when the disk is unplugged, but a file that is open can be read for ever.
        *calls += 1;
        if fstat(&self.0)?.st_nlink == 0 {
            return Err(Failure::Errno(Errno::NOENT));
        }
        let mut earlier = self.page(calls)?;
        for _ in 1..READINGS {
            let page = self.page(calls)?;
            if page.follows(&earlier) {
                return Ok(page.record());
            }
            earlier = page;
        }
        Err(Failure::Malformed("no two readings of its numbers fit together"))
    }
}

impl StatsPage {
    fn page(&self, calls: &mut usize) -> Result<Page, Failure> {
        let mut bytes = [0; LENGTH];
        *calls += 1;
        let length = retry_on_intr(|| pread(&self.0, &mut bytes, 0))?;
        tapdisk::page(&bytes[..length]).map_err(|unknown| {
            Failure::Malformed(match unknown {
                Unknown::Short => "shorter than tapdisk's statistics are (96 bytes)",
                Unknown::Version(0) => "tapdisk has not written its statistics yet",
                Unknown::Version(_) => "of another version of tapdisk's statistics than 1, the only one known",
            })
        })
    }
}
