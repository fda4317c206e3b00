//! diskseq, the kernel's number for each disk and each medium inserted (since Linux 5.15). It is never reused; a device
//! number is, as soon as it is free.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::{Errno, pread};

use crate::error::Error;
use crate::parse::decimal;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;

/// /sys/dev/block, kept open: a poll may look up hundreds of devices without allocating.
pub(crate) struct Diskseq(OwnedFd);

impl Diskseq {
    pub(crate) fn open(roots: &Roots) -> Result<Diskseq, Error> {
        roots.open(Path::new("/sys/dev/block")).map(Diskseq)
    }

    /// The diskseq of the disk that has this number now, or of the disk of this partition. None on a kernel without
    /// diskseq.
    pub(crate) fn of(&self, number: DeviceNumber) -> Result<Option<u64>, Errno> {
        // A partition's folder is in its disk's.
        for file in ["/diskseq", "/../diskseq"] {
            match self.read(number, file) {
                Err(Errno::NOENT) => {}
                answer => return answer,
            }
        }
        let mut path = [0; MAX_PATH];
        statat(&self.0, path_of(number, "", &mut path), AtFlags::empty()).map(|_| None)
    }

    fn read(&self, number: DeviceNumber, file: &str) -> Result<Option<u64>, Errno> {
        let (mut path, mut text) = ([0; MAX_PATH], [0; 32]);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.0, path_of(number, file, &mut path), flags, Mode::empty())?;
        let length = pread(&file, &mut text, 0)?;
        Ok(decimal::only(&text[..length]).and_then(|count| u64::try_from(count).ok()))
    }
}

/// Two 32-bit numbers and the file name.
const MAX_PATH: usize = 40;

fn path_of<'path>((major, minor): DeviceNumber, file: &str, path: &'path mut [u8; MAX_PATH]) -> &'path [u8] {
    let mut rest = &mut path[..];
    let written = write!(rest, "{major}:{minor}{file}");
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
        fs::create_dir_all(at("sys/devices/sda/sda1")).unwrap();
        fs::create_dir_all(at("sys/devices/sdb")).unwrap();
        fs::create_dir_all(at("sys/dev/block")).unwrap();
        fs::write(at("sys/devices/sda/diskseq"), "12\n").unwrap();
        let longest = format!("{}:{}", u32::MAX, u32::MAX);
        for (number, device) in [("8:0", "sda"), ("8:1", "sda/sda1"), (&longest, "sda/sda1"), ("8:16", "sdb")] {
            symlink(format!("../../devices/{device}"), at("sys/dev/block").join(number)).unwrap();
        }
        let diskseq = Diskseq::open(&Roots::new(tree.path(), &[]).unwrap()).unwrap();
        for (number, count) in
            [((8, 0), Some(12)), ((8, 1), Some(12)), ((u32::MAX, u32::MAX), Some(12)), ((8, 16), None)]
        {
            assert_eq!(diskseq.of(number), Ok(count), "{number:?}");
        }
        assert_eq!(diskseq.of((8, 32)), Err(Errno::NOENT));
        fs::write(at("sys/devices/sda/diskseq"), "no number\n").unwrap();
        assert_eq!(diskseq.of((8, 0)), Ok(None));
    }
}
