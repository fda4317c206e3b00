//! The kernel's count of disks (since Linux 5.15): each disk, and each medium put into one, has a number of its own, while
//! a device number is given again as soon as it is free.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::{Errno, pread};

use crate::error::Error;
use crate::parse::decimal;
use crate::parse::diskstats::DeviceNumber;
use crate::roots::Roots;

/// /sys/dev/block, open: a poll may look up hundreds of devices, and takes no memory for it.
pub(crate) struct Diskseq(OwnedFd);

impl Diskseq {
    pub(crate) fn open(roots: &Roots) -> Result<Diskseq, Error> {
        roots.open(Path::new("/sys/dev/block")).map(Diskseq)
    }

    /// The count of the disk that has this number now, or of the disk that this partition is on. None from a kernel that
    /// does not count.
    pub(crate) fn of(&self, number: DeviceNumber) -> Result<Option<u64>, Errno> {
        // A partition's folder stands in its disk's.
        for file in ["/diskseq", "/../diskseq"] {
            match self.read(number, file) {
                Err(Errno::NOENT) => {}
                answer => return answer,
            }
        }
        let mut path = [0; LONGEST_PATH];
        statat(&self.0, path_of(number, "", &mut path), AtFlags::empty()).map(|_| None)
    }

    fn read(&self, number: DeviceNumber, file: &str) -> Result<Option<u64>, Errno> {
        let (mut path, mut text) = ([0; LONGEST_PATH], [0; 32]);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.0, path_of(number, file, &mut path), flags, Mode::empty())?;
        let length = pread(&file, &mut text, 0)?;
        Ok(decimal::only(&text[..length]).and_then(|count| u64::try_from(count).ok()))
    }
}

/// Two numbers of 32 bits, and the file.
const LONGEST_PATH: usize = 40;

fn path_of<'path>((major, minor): DeviceNumber, file: &str, path: &'path mut [u8; LONGEST_PATH]) -> &'path [u8] {
    let mut rest = &mut path[..];
    let written = write!(rest, "{major}:{minor}{file}");
    let left = if written.is_ok() { rest.len() } else { LONGEST_PATH };
    &path[..LONGEST_PATH - left]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_disk_s_and_a_partition_s_and_an_old_kernel_s() {
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
