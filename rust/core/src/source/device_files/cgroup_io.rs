//! A control group's I/O files, kept open: io.stat (version 2), or two of blkio's throttling policy (version 1).
//!
//! Once the group is removed they answer ENODEV, also when one of the same path is back.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::{Handle, KeptOpen};
use crate::fields::block;
use crate::parse::cgroup_io::{self, V1};
use crate::plan::{CgroupIo, CgroupVersion};
use crate::roots::Roots;
use crate::source::Failure;
use crate::source::table_file::lines::{LONGEST_LINE, for_each_line};

pub(crate) type CgroupIos = KeptOpen<Files>;

/// Version 1's files; first those that hold what the group's own groups did, too (since Linux 4.3), as version 2's does.
const V1_BYTES: [&str; 2] = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"];
const V1_REQUESTS: [&str; 2] = ["blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"];

const MALFORMED: Failure = Failure::Malformed("not the numbers of a control group");

/// The majors of devices that are made of others: what goes through them is counted below them, too.
pub(crate) type Stacked = Arc<[u32]>;

/// The open files of one group, and what of them is not summed.
pub(crate) struct Files {
    open: Open,
    stacked: Stacked,
}

enum Open {
    V2(OwnedFd),
    V1 { bytes: OwnedFd, requests: OwnedFd },
}

/// The machine's, now. Without /proc/devices none are known.
pub(crate) fn stacked(roots: &Roots) -> Stacked {
    let mut text = Vec::new();
    if let Ok(file) = roots.open_regular(Path::new("/proc/devices")) {
        let _ = File::from(file).take(1 << 20).read_to_end(&mut text);
    }
    cgroup_io::stacked_majors(&text).into()
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
        (shown, open.map(|open| Files { open, stacked: Arc::clone(stacked) }))
    }

    fn counters(&self, _: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let mut record = cgroup_io::NOTHING;
        let left_out = |(major, _)| self.stacked.contains(&major);
        match &self.open {
            Open::V2(file) => {
                each_line(file, calls, |line| cgroup_io::add_v2(&mut record, line, left_out))?;
            }
            Open::V1 { bytes, requests } => {
                each_line(bytes, calls, |line| cgroup_io::add_v1(&mut record, line, V1::Bytes, left_out))?;
                each_line(requests, calls, |line| cgroup_io::add_v1(&mut record, line, V1::Requests, left_out))?;
            }
        }
        Ok(record)
    }
}

/// A host of many disks has more lines than one read gives. What follows the first read is of the same instant: the kernel
/// made the whole text at the file's start (seq_file), and only then hands it out.
fn each_line(file: &OwnedFd, calls: &mut usize, mut each: impl FnMut(&[u8]) -> Option<()>) -> Result<(), Failure> {
    let mut understood = true;
    for_each_line(file, &mut [0; LONGEST_LINE], calls, |line, _| {
        understood = each(line).is_some();
        if understood { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if understood { Ok(()) } else { Err(MALFORMED) }
}

/// The first of these files that there is.
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
