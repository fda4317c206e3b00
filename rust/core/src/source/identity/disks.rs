//! How block devices are numbered: by diskseq, the kernel's number for each disk and each medium inserted (since Linux
//! 5.15), and by their folder in sysfs. Neither is reused; a device number is, as soon as it is free.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, openat, stat};
use rustix::io::{Errno, pread};

use super::change_socket::{Change, ChangeSocket};
use super::device_id::DeviceId;
use super::numbering::{Effect, Identity, unless_short};
use crate::parse::decimal;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// The inode of the first user namespace (PROC_USER_INIT_INO, include/linux/proc_ns.h).
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// This machine's block devices; those of a captured one do not change.
pub(crate) struct Disks {
    roots: Arc<Roots>,
    open: Result<Open, Errno>,
}

struct Open {
    /// /sys/dev/block, kept open: a poll may check hundreds of devices without allocating.
    devices: OwnedFd,
    /// None if the process gets no uevents, an error if it may later.
    changes: Result<Option<ChangeSocket>, Errno>,
}

impl Disks {
    /// None if they have no folders in sysfs.
    pub(crate) fn open(roots: &Arc<Roots>) -> Option<Disks> {
        if roots.captured() {
            return None;
        }
        let open = Open::new(roots).transpose()?;
        Some(Disks { roots: Arc::clone(roots), open })
    }
}

impl Open {
    /// Fails only for lack of descriptors or memory.
    fn new(roots: &Roots) -> Result<Option<Open>, Errno> {
        let devices = roots.open(Path::new("/sys/dev/block")).map_err(|error| error.errno().unwrap_or(Errno::IO));
        let Some(devices) = unless_short(devices)? else { return Ok(None) };
        Ok(Some(Open { devices, changes: changes() }))
    }
}

fn changes() -> Result<Option<ChangeSocket>, Errno> {
    if gets_uevents() { unless_short(ChangeSocket::of_block_devices()) } else { Ok(None) }
}

/// In a user namespace of its own a process receives no uevents (since Linux 4.18).
fn gets_uevents() -> bool {
    stat("/proc/self/ns/user").is_ok_and(|status| status.st_ino == FIRST_USER_NAMESPACE)
}

/// The id of the device of an open folder in sysfs.
pub(crate) fn id_of(folder: impl AsFd) -> Result<DeviceId, Errno> {
    let read = |path: &str| {
        let file = openat(&folder, path, FILE, Mode::empty())?;
        let mut text = [0; 32];
        let length = pread(&file, &mut text, 0)?;
        Ok(decimal::only(&text[..length]).and_then(|count| u64::try_from(count).ok()))
    };
    // A partition's folder is in its disk's.
    let (diskseq, is_partition) = match read("diskseq") {
        Err(Errno::NOENT) => (read("../diskseq"), true),
        other => (other, false),
    };
    let diskseq = match diskseq {
        Err(Errno::NOENT) => 0,
        other => other?.unwrap_or(0),
    };
    let folder = fstat(&folder)?.st_ino;
    Ok(if is_partition { DeviceId::Partition { diskseq, folder } } else { DeviceId::Disk { diskseq, folder } })
}

impl Identity for Disks {
    type Key = DeviceNumber;

    const KEEPS_KEY: bool = true;

    fn ready(&mut self) -> Result<bool, Errno> {
        let errno = match &mut self.open {
            Ok(Open { changes: Ok(_), .. }) => return Ok(false),
            // Without announcements every poll checks each device.
            Ok(open) => {
                open.changes = changes();
                return Ok(open.changes.is_ok());
            }
            Err(errno) => *errno,
        };
        self.open = Open::new(&self.roots).and_then(|open| open.ok_or(errno));
        self.open.as_ref().map(|_| true).map_err(|errno| *errno)
    }

    fn is_short(&self) -> bool {
        self.open.is_err()
    }

    fn of(&self, number: &DeviceNumber, _: Option<DeviceId>) -> Result<Option<DeviceId>, Errno> {
        let open = self.open.as_ref().map_err(|errno| *errno)?;
        let mut path = [0; MAX_PATH];
        match openat(&open.devices, path_of(*number, &mut path), FOLDER, Mode::empty()).and_then(id_of) {
            Ok(id) => Ok(Some(id)),
            Err(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn is_announced(&self) -> bool {
        matches!(self.open, Ok(Open { changes: Ok(Some(_)), .. }))
    }

    #[inline]
    fn drain(&mut self, calls: &mut usize, each: &mut dyn FnMut(Change<'_>)) {
        if let Ok(Open { changes: Ok(Some(changes)), .. }) = &mut self.open {
            changes.drain(calls, each);
        }
    }

    fn unreceived(&self) -> Option<Errno> {
        self.open.as_ref().ok()?.changes.as_ref().ok()?.as_ref()?.failed()
    }

    fn effect(change: &Change<'_>, number: &DeviceNumber, id: DeviceId) -> Effect {
        match (change, id) {
            (Change::BlockDevice(other), DeviceId::Disk { .. }) if other != number => Effect::Nothing,
            // A partition changes with its disk, whose number is another one.
            _ => Effect::Doubt,
        }
    }
}

/// Two 32-bit numbers.
const MAX_PATH: usize = 24;

fn path_of((major, minor): DeviceNumber, path: &mut [u8; MAX_PATH]) -> &[u8] {
    let mut rest = &mut path[..];
    let written = write!(rest, "{major}:{minor}");
    let left = if written.is_ok() { rest.len() } else { MAX_PATH };
    &path[..MAX_PATH - left]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn disks_partitions_and_old_kernels() {
        let tree = tempfile::tempdir().unwrap();
        let at = |path: &str| tree.path().join(path);
        fs::create_dir_all(at("devices/sda/sda1")).unwrap();
        fs::create_dir_all(at("devices/sdb")).unwrap();
        fs::create_dir_all(at("dev/block")).unwrap();
        fs::write(at("devices/sda/diskseq"), "12\n").unwrap();
        let longest = format!("{}:{}", u32::MAX, u32::MAX);
        for (number, device) in [("8:0", "sda"), ("8:1", "sda/sda1"), (&longest, "sda/sda1"), ("8:16", "sdb")] {
            symlink(format!("../../devices/{device}"), at("dev/block").join(number)).unwrap();
        }
        let roots = Arc::new(Roots::new(Path::new("/"), &[("sys", tree.path())]).unwrap());
        let disks = Disks::open(&roots).unwrap();
        let number = |number| match disks.of(&number, None) {
            Ok(Some(DeviceId::Disk { diskseq, .. } | DeviceId::Partition { diskseq, .. })) => Some(diskseq),
            other => {
                assert_eq!(other, Ok(None));
                None
            }
        };
        for (device, count) in [
            ((8, 0), Some(12)),
            ((8, 1), Some(12)),
            ((u32::MAX, u32::MAX), Some(12)),
            ((8, 16), Some(0)),
            ((8, 32), None),
        ] {
            assert_eq!(number(device), count, "{device:?}");
        }
        let partition = disks.of(&(8, 1), None).unwrap();
        assert_ne!(partition, disks.of(&(8, 0), None).unwrap());
        assert_eq!(partition, disks.of(&(8, 1), partition).unwrap());
        // It is deleted and added again: on the same disk, but not the same. (This file system may reuse an inode, unlike
        // sysfs, unless it is in use.)
        fs::rename(at("devices/sda/sda1"), at("devices/deleted")).unwrap();
        fs::create_dir(at("devices/sda/sda1")).unwrap();
        let added = disks.of(&(8, 1), partition).unwrap();
        assert!(added.is_some() && added != partition, "{added:?}");
        fs::write(at("devices/sda/diskseq"), "no number\n").unwrap();
        assert_eq!(number((8, 0)), Some(0));
    }
}
