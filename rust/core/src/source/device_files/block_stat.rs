//! /sys/dev/block/MAJOR:MINOR/stat of each watched device, kept open.
//!
//! Once the device is removed the file answers ENODEV, also when one of the same number is back: an open file never comes
//! to mean another device.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::{pread, retry_on_intr};

use super::{Handle, KeptOpen, if_meant};
use crate::fields::block;
use crate::parse::block_stat;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;
use crate::source::Failure;
use crate::source::diskseq::Diskseq;

pub(crate) type BlockStat = KeptOpen<StatFile>;

/// 17 numbers of at most 20 digits and their blanks.
const LONGEST: usize = 512;

pub(crate) struct StatFile(OwnedFd);

impl Handle for StatFile {
    /// Its number, and the kernel's count of the only disk that is meant, if only one is.
    type Device = (DeviceNumber, Option<u64>);
    type Table = block::Table;

    fn open(roots: &Roots, (number, count): &Self::Device) -> (PathBuf, Result<StatFile, Failure>) {
        let path = PathBuf::from(format!("/sys/dev/block/{}:{}/stat", number.0, number.1));
        let file = roots.open_regular(&path).map(StatFile).map_err(Failure::from);
        (roots.shown(&path), file.and_then(|file| if_meant(file, *count, || Ok(Diskseq::open(roots)?.of(*number)?))))
    }

    fn counters(&self, size: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let mut text = [0; LONGEST];
        *calls += 1;
        let length = retry_on_intr(|| pread(&self.0, &mut text, 0))?;
        block_stat::record_within(&text[..length], size).ok_or(Failure::Malformed("not the numbers of a block device"))
    }
}
