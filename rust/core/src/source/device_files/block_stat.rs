//! /sys/dev/block/MAJOR:MINOR/stat, kept open.
//!
//! Once its device is removed, the open file returns ENODEV, even after another device gets the number.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::{pread, retry_on_intr};

use super::{DeviceFiles, Handle, if_expected};
use crate::fields::block;
use crate::parse::block_stat;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;
use crate::source::Failure;
use crate::source::diskseq::Diskseq;

pub(crate) type BlockStat = DeviceFiles<StatFile>;

/// More than 17 numbers of 20 digits.
const MAX_LENGTH: usize = 512;

pub(crate) struct StatFile(OwnedFd);

impl Handle for StatFile {
    /// Its number, and the diskseq of the expected disk, if only one is.
    type Device = (DeviceNumber, Option<u64>);
    type Table = block::Table;

    fn open(roots: &Roots, (number, diskseq): &Self::Device) -> (PathBuf, Result<StatFile, Failure>) {
        let path = PathBuf::from(format!("/sys/dev/block/{}:{}/stat", number.0, number.1));
        let file = roots.open_regular(&path).map(StatFile).map_err(Failure::from);
        (
            roots.shown(&path),
            file.and_then(|file| if_expected(file, *diskseq, || Ok(Diskseq::open(roots)?.of(*number)?))),
        )
    }

    fn counters(&self, size: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let mut text = [0; MAX_LENGTH];
        *calls += 1;
        let length = retry_on_intr(|| pread(&self.0, &mut text, 0))?;
        block_stat::record_within(&text[..length], size).ok_or(Failure::Malformed("not the counters of a block device"))
    }
}
