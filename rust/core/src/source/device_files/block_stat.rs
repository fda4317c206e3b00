//! /sys/dev/block/MAJOR:MINOR/stat, kept open.
//!
//! Once its device is removed, the open file returns ENODEV, even after another device gets the number. It goes on
//! counting after its medium was changed.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::{pread, retry_on_intr};

use super::{DeviceFiles, Handle, regular_file};
use crate::fields::block;
use crate::parse::block_stat;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;
use crate::source::identity::device_id::DeviceId;
use crate::source::identity::disks::{Disks, id_of};
use crate::source::{Failure, OpenHandles};

pub(crate) type BlockStat = DeviceFiles<StatFile, Disks>;

pub(crate) fn open(
    roots: &Arc<Roots>,
    devices: impl IntoIterator<Item = ((DeviceNumber, Option<u64>), usize)>,
    open: &mut OpenHandles,
    why: String,
) -> BlockStat {
    fn number((number, _): &(DeviceNumber, Option<u64>)) -> &DeviceNumber {
        number
    }
    BlockStat::open_numbered(roots, devices, open, why, Disks::open(roots).map(|disks| (disks, number as _)))
}

/// More than 17 numbers of 20 digits.
const MAX_LENGTH: usize = 512;

pub(crate) struct StatFile {
    file: OwnedFd,
    id: DeviceId,
}

impl Handle for StatFile {
    /// Its number, and the diskseq of the expected disk, if only one is.
    type Device = (DeviceNumber, Option<u64>);
    type Table = block::Table;

    fn open(roots: &Roots, ((major, minor), _): &Self::Device) -> (PathBuf, Result<StatFile, Failure>) {
        let folder = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
        let open = || {
            let folder = roots.open(&folder)?;
            Ok(StatFile { file: regular_file(&folder, "stat")?, id: id_of(&folder)? })
        };
        (roots.shown(&folder.join("stat")), open())
    }

    fn id(&self) -> Option<DeviceId> {
        Some(self.id)
    }

    fn pin((_, diskseq): &Self::Device) -> Option<u64> {
        *diskseq
    }

    fn counters(&self, size: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let mut text = [0; MAX_LENGTH];
        *calls += 1;
        let length = retry_on_intr(|| pread(&self.file, &mut text, 0))?;
        block_stat::record_within(&text[..length], size).ok_or(Failure::Malformed("not the counters of a block device"))
    }
}
