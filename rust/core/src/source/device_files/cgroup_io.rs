//! The I/O files of a control group, kept open: io.stat (version 2), or two of blkio's throttling policy (version 1).
//!
//! Once the group is removed they return ENODEV, even after a group of the same path appears.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::{DeviceFiles, Handle};
use crate::fields::block;
use crate::parse::cgroup_io::{self, StackedMajors, Sum, V1};
use crate::parse::diskstats::DeviceNumber;
use crate::plan::{CgroupIo, CgroupVersion};
use crate::roots::Roots;
use crate::source::Failure;
use crate::source::table_file::lines::{MAX_LINE, for_each_line};

pub(crate) type CgroupIos = DeviceFiles<Files>;

/// Files of version 1. The first of each includes descendant groups (since Linux 4.3), as version 2 always does.
const V1_BYTES: [&str; 2] = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"];
const V1_REQUESTS: [&str; 2] = ["blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"];

const MALFORMED: Failure = Failure::Malformed("not the counters of a control group");

/// Tells stacked devices, whose requests the devices below count again, from others.
#[derive(Clone)]
pub(crate) struct Stacked {
    majors: Arc<StackedMajors>,
    roots: Arc<Roots>,
}

impl PartialEq for Stacked {
    fn eq(&self, other: &Stacked) -> bool {
        self.majors == other.majors
    }
}

impl Stacked {
    /// By the drivers' majors; without /proc/devices no device is stacked.
    pub(crate) fn new(roots: &Arc<Roots>) -> Stacked {
        let mut text = Vec::new();
        if let Ok(file) = roots.open_regular(Path::new("/proc/devices")) {
            let _ = File::from(file).take(1 << 20).read_to_end(&mut text);
        }
        Stacked { majors: cgroup_io::stacked_majors(&text).into(), roots: Arc::clone(roots) }
    }

    /// Device-mapper's request-based devices (multipath) count for the group, and their paths do not: they get requests
    /// without bios. Such a device has queues (`mq`). Minors are reused, so each poll looks.
    fn contains(&self, (major, minor): DeviceNumber, calls: &Cell<usize>) -> bool {
        if self.majors.device_mapper != Some(major) {
            return self.majors.others.contains(&major);
        }
        calls.set(calls.get() + 1);
        self.roots.open_path(Path::new(&format!("/sys/dev/block/{major}:{minor}/mq"))).is_err()
    }
}

/// The open files of one group, and the devices that are left out of the sum.
pub(crate) struct Files {
    open: Open,
    stacked: Stacked,
}

enum Open {
    V2(OwnedFd),
    V1 { bytes: OwnedFd, requests: OwnedFd },
}

impl Handle for Files {
    type Device = (CgroupIo, Stacked);
    type Table = block::Table;

    fn open(roots: &Roots, (group, stacked): &Self::Device) -> (PathBuf, Result<Files, Failure>) {
        let (shown, open) = match group.version {
            CgroupVersion::V2 => {
                let path = group.folder.join("io.stat");
                (roots.shown(&path), roots.open_regular(&path).map(Open::V2).map_err(Failure::from))
            }
            CgroupVersion::V1 => {
                let (path, bytes) = open_first(roots, &group.folder, V1_BYTES);
                let (_, requests) = open_first(roots, &group.folder, V1_REQUESTS);
                let both = bytes.and_then(|bytes| Ok(Open::V1 { bytes, requests: requests? }));
                (roots.shown(&path), both)
            }
        };
        (shown, open.map(|open| Files { open, stacked: stacked.clone() }))
    }

    fn counters(&self, _: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let (mut sum, checks) = (Sum::NOTHING, Cell::new(0));
        let is_stacked = |number| self.stacked.contains(number, &checks);
        match &self.open {
            Open::V2(file) => {
                each_line(file, calls, |line| cgroup_io::add_v2(&mut sum, line, is_stacked))?;
            }
            Open::V1 { bytes, requests } => {
                each_line(bytes, calls, |line| cgroup_io::add_v1(&mut sum, line, V1::Bytes, is_stacked))?;
                each_line(requests, calls, |line| cgroup_io::add_v1(&mut sum, line, V1::Requests, is_stacked))?;
            }
        }
        *calls += checks.get();
        Ok(sum.record())
    }
}

/// Many disks make more lines than one read returns. Later reads still show the instant of the first: seq_file prints
/// the whole text at offset 0.
fn each_line(file: &OwnedFd, calls: &mut usize, mut each: impl FnMut(&[u8]) -> Option<()>) -> Result<(), Failure> {
    let mut parsed = true;
    for_each_line(file, &mut [0; MAX_LINE], calls, |line, _| {
        parsed = each(line).is_some();
        if parsed { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if parsed { Ok(()) } else { Err(MALFORMED) }
}

/// Opens the first of these files that exists.
fn open_first(roots: &Roots, folder: &Path, names: [&str; 2]) -> (PathBuf, Result<OwnedFd, Failure>) {
    let [first, second] = names.map(|name| folder.join(name));
    match roots.open_regular(&first).map_err(Failure::from) {
        Err(Failure::Errno(Errno::NOENT)) => {
            let file = roots.open_regular(&second).map_err(Failure::from);
            (second, file)
        }
        outcome => (first, outcome),
    }
}
