//! The statistics folder of a Xen block backend, each file kept open: one number per file.
//!
//! The folder belongs to a device of the xen-backend bus, `KIND-DOMID-DEVID`: below /sys/bus/xen-backend/devices on
//! every kernel, and on XenLinux of 2007 also directly below /sys/devices/xen-backend. The field of a file that a
//! kernel does not have is -1 (XenLinux has br_req instead of f_req, and no ds_req).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, pread, retry_on_intr};

use super::{DeviceFiles, Handle};
use crate::fields::{WORD, block};
use crate::parse::xen_vbd;
use crate::plan::XenVbd;
use crate::roots::Roots;
use crate::source::Failure;

/// A FIFO does not block, and no symlink leads out of a captured tree.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const FOLDERS: [&str; 2] = ["/sys/bus/xen-backend/devices", "/sys/devices/xen-backend"];

/// A statistics file: its name and its older name, the word that it fills, its parser, and the message if that fails.
struct Statistic {
    names: &'static [&'static str],
    word: usize,
    parse: fn(&[u8]) -> Option<i64>,
    malformed: &'static str,
}

macro_rules! statistics {
    ($([$name:literal $(or $older:literal)?] is $word:ident by $parse:ident,)+) => {
        [$(Statistic {
            names: &[$name $(, $older)?],
            word: block::$word,
            parse: xen_vbd::$parse,
            malformed: concat!($name, " is not a number"),
        }),+]
    };
}

const STATISTICS: [Statistic; 7] = statistics![
    ["rd_req"] is rd_req by count,
    ["rd_sect"] is rd_bytes by bytes,
    ["wr_req"] is wr_req by count,
    ["wr_sect"] is wr_bytes by bytes,
    ["oo_req"] is errs by count,
    ["f_req" or "br_req"] is fl_req by count,
    ["ds_req"] is ds_req by count,
];

pub(crate) type XenVbds = DeviceFiles<Statistics>;

/// The open files, in the order of `STATISTICS`; unset for a file that does not exist.
pub(crate) struct Statistics {
    files: [OnceLock<OwnedFd>; STATISTICS.len()],
    /// Set while a file is missing: the kernel creates them one by one, or does not have it.
    folder: Option<OwnedFd>,
}

impl Handle for Statistics {
    type Device = XenVbd;
    type Table = block::Table;

    fn open(roots: &Roots, vbd: &XenVbd) -> (PathBuf, Result<Statistics, Failure>) {
        let [newer, older] = FOLDERS
            .map(|bus| PathBuf::from(format!("{bus}/{}-{}-{}/statistics", vbd.kind.word(), vbd.domid, vbd.devid)));
        match open_files(roots, &newer) {
            Err(Failure::Errno(Errno::NOENT)) if roots.open(&older).is_ok() => {
                (roots.shown(&older), open_files(roots, &older))
            }
            outcome => (roots.shown(&newer), outcome),
        }
    }

    fn complete(&self) {
        if let Some(folder) = &self.folder {
            // It fails only if the device is gone.
            let _ = open_missing(folder, &self.files);
        }
    }

    fn is_whole(&self) -> bool {
        self.files.iter().all(|file| file.get().is_some())
    }

    fn counters(&self, size: usize, calls: &mut usize) -> Result<block::Record, Failure> {
        let mut record = block::UNKNOWN;
        for (file, statistic) in self.files.iter().zip(&STATISTICS) {
            let Some(file) = file.get().filter(|_| statistic.word * WORD < size) else { continue };
            let mut text = [0; 32];
            *calls += 1;
            let length = retry_on_intr(|| pread(file, &mut text, 0))?;
            let count = (statistic.parse)(&text[..length]);
            record[statistic.word] = count.ok_or(Failure::Malformed(statistic.malformed))?;
        }
        Ok(record)
    }
}

/// Opens the files of a statistics folder. An empty folder counts as missing: a new vbd has no statistics for seconds,
/// until the hotplug script has set the backing device.
fn open_files(roots: &Roots, folder: &Path) -> Result<Statistics, Failure> {
    let folder = roots.open(folder)?;
    let files = [const { OnceLock::new() }; STATISTICS.len()];
    open_missing(&folder, &files)?;
    let missing = files.iter().filter(|file| file.get().is_none()).count();
    match missing {
        0 => Ok(Statistics { files, folder: None }),
        _ if missing == files.len() => Err(Failure::Errno(Errno::NOENT)),
        _ => Ok(Statistics { files, folder: Some(folder) }),
    }
}

/// Opens the files that are not open yet; a missing file is no error.
fn open_missing(folder: &OwnedFd, files: &[OnceLock<OwnedFd>]) -> Result<(), Failure> {
    for (place, statistic) in files.iter().zip(&STATISTICS).filter(|(place, _)| place.get().is_none()) {
        if let Some(file) = open_first(folder, statistic.names)? {
            let _ = place.set(file); // another thread may have opened it
        }
    }
    Ok(())
}

/// Opens the first of these files that exists.
fn open_first(folder: &OwnedFd, names: &[&str]) -> Result<Option<OwnedFd>, Failure> {
    for name in names {
        match openat(folder, *name, FLAGS, Mode::empty()) {
            Ok(file) if FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile => {
                return Ok(Some(file));
            }
            Ok(_) => return Err(Failure::Malformed("not a regular file")),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(Failure::Errno(errno)),
        }
    }
    Ok(None)
}
