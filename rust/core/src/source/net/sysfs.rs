//! /sys/class/net: the interfaces of the network namespace in which sysfs was mounted.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::{Errno, pread};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::interfaces::{Interface, interfaces};
use crate::error::Error;
use crate::parse::decimal;
use crate::roots::Roots;
use crate::source::Failure;

pub(crate) const CLASS: &str = "/sys/class/net";

/// Interfaces that are compared to find out whether two namespaces are the same.
const COMPARED: usize = 64;

/// Whether /sys shows the network namespace of the calling thread, which /proc/net/dev shows, too. On a captured machine
/// it does, unless most interfaces are missing there.
///
/// The kernel has one superblock of sysfs for each namespace (kernfs_get_tree, fs/kernfs/mount.c), so it is the same
/// one as that of a mount which this thread makes. Only CAP_SYS_ADMIN may do that. Otherwise most interfaces have to be
/// in both, all with the same number, and more than lo, which has the same number everywhere.
pub(crate) fn shows_this_namespace(roots: &Roots) -> Result<bool, Errno> {
    if !roots.has_this_network() {
        return Ok(has_most(roots, |_, _| true));
    }
    let device = |folder: OwnedFd| fstat(&folder).map(|status| status.st_dev);
    match mount_sysfs().and_then(device) {
        Ok(own) => Ok(roots.open(Path::new(CLASS)).ok().and_then(|class| device(class).ok()) == Some(own)),
        Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => Err(errno),
        Err(_) => {
            let mut others = 0;
            let same = |(name, number): &Interface, in_sysfs| {
                others += usize::from(name != "lo");
                number.is_none_or(|number| number == in_sysfs)
            };
            Ok(has_most(roots, same) && others > 0)
        }
    }
}

/// Mounts sysfs, for the network namespace of the calling thread, but nowhere.
fn mount_sysfs() -> Result<OwnedFd, Errno> {
    let sysfs = fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&sysfs)?;
    fsmount(&sysfs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
}

/// Whether most interfaces of /proc/net/dev are in sysfs, and all of those are the `same`. Some may disappear meanwhile.
fn has_most(roots: &Roots, mut same: impl FnMut(&Interface, u32) -> bool) -> bool {
    let all = interfaces(roots, None).unwrap_or_default();
    let compared = &all[..all.len().min(COMPARED)];
    let in_sysfs: Vec<_> =
        compared.iter().filter_map(|one| Some((one, index(&folder(roots, one.0.as_bytes()).ok()?).ok()?))).collect();
    in_sysfs.len() * 2 > compared.len() && in_sysfs.into_iter().all(|(one, number)| same(one, number))
}

/// The folder of the interface of this name. What is opened below it is of the same interface, whatever its name is.
pub(crate) fn folder(roots: &Roots, name: &[u8]) -> Result<OwnedFd, Error> {
    roots.open(&Path::new(CLASS).join(OsStr::from_bytes(name)))
}

/// The number of the interface of a folder.
pub(crate) fn index(folder: &OwnedFd) -> Result<u32, Failure> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, "ifindex", flags, Mode::empty())?;
    let mut text = [0; 32];
    let length = pread(&file, &mut text, 0).map_err(unless_removed)?;
    let number = decimal::only(&text[..length]).and_then(|number| u32::try_from(number).ok());
    number.ok_or(Failure::Malformed("the interface has no number"))
}

/// EINVAL means that the interface is being removed.
pub(crate) fn unless_removed(errno: Errno) -> Errno {
    if errno == Errno::INVAL { Errno::NODEV } else { errno }
}

#[cfg(test)]
mod tests {
    use super::super::made_namespace::in_network_namespace;
    use super::*;

    #[test]
    fn a_namespace_with_lo_alone_is_another_one() {
        let roots = Roots::machine().unwrap();
        let before = shows_this_namespace(&roots).unwrap();
        in_network_namespace(|| assert_eq!(shows_this_namespace(&roots), Ok(false)));
        assert_eq!(shows_this_namespace(&roots), Ok(before));
    }
}
