//! Where the machine's /proc, /sys, /dev and /run are: one value, so that a captured tree is a machine too.
//!
//! A path is always given as it is on the machine itself ("/sys/block/sda/stat"). Its first name chooses the root that it
//! is opened below, with openat2 and RESOLVE_IN_ROOT (since Linux 5.6): a symlink in a captured tree, absolute or with
//! any number of "..", can't lead out of it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, major, minor, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::error::Error;

/// The four roots, and the one below which everything else is looked up.
#[derive(Debug)]
pub struct Roots {
    base: Root,
    own: Vec<(&'static str, Root)>,
    captured: bool,
}

/// The names that may have a root of their own, as a container that has the host's /proc at /host/proc does.
const OWN_ROOTS: [&str; 4] = ["proc", "sys", "dev", "run"];

impl Roots {
    /// Below `root`; each of `own` (named proc, sys, dev or run) is a folder that takes that name's place.
    pub fn new(root: &Path, own: &[(&str, &Path)]) -> Result<Roots, Error> {
        let own = OWN_ROOTS
            .into_iter()
            .filter_map(|name| own.iter().find(|(asked, _)| *asked == name).map(|(_, path)| (name, *path)))
            .map(|(name, path)| Root::open(path, PathBuf::from("/").join(name)).map(|root| (name, root)))
            .collect::<Result<_, _>>()?;
        let base = Root::open(root, PathBuf::from("/"))?;
        let captured = base.real != Path::new("/");
        Ok(Roots { base, own, captured })
    }

    /// This machine.
    pub fn machine() -> Result<Roots, Error> {
        Roots::new(Path::new("/"), &[])
    }

    /// Whether the root is another folder than "/": device nodes and processes are then not this machine's.
    pub fn captured(&self) -> bool {
        self.captured
    }

    /// Whether its /proc/net/dev is this process's: what a netlink socket tells is then of the same interfaces.
    pub fn has_this_network(&self) -> bool {
        !self.captured && self.own.iter().all(|(name, _)| *name != "proc")
    }

    /// Opens a file for reading, or a folder for listing. Never waits for a FIFO's other end.
    pub fn open(&self, path: &Path) -> Result<OwnedFd, Error> {
        self.open_with(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    /// As `open`, for what the kernel (or a captured tree) has as a regular file: anything else is refused.
    pub fn open_regular(&self, path: &Path) -> Result<OwnedFd, Error> {
        let file = self.open(path)?;
        match fstat(&file) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => Ok(file),
            Ok(_) => Err(Error::Malformed { path: self.shown(path), what: "not a regular file" }),
            Err(errno) => Err(Error::Read { path: self.shown(path), errno }),
        }
    }

    /// Major and minor of a block device's node; none for any other file.
    pub fn device_number(&self, path: &Path) -> Result<Option<(u32, u32)>, Error> {
        let node = self.open_with(path, OFlags::PATH)?;
        let stat = fstat(&node).map_err(|errno| Error::Read { path: self.shown(path), errno })?;
        let is_block = FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice;
        Ok(is_block.then(|| (major(stat.st_rdev), minor(stat.st_rdev))))
    }

    /// The path with all its symlinks followed, as it is on the machine itself.
    pub fn real(&self, path: &Path) -> Result<PathBuf, Error> {
        let found = self.open_with(path, OFlags::PATH)?;
        let found = descriptor_path(&found).map_err(|errno| Error::Read { path: self.shown(path), errno })?;
        Ok(self.root_of(path).0.inside(&found).unwrap_or(found))
    }

    /// Where a path really is, for messages.
    pub fn shown(&self, path: &Path) -> PathBuf {
        let (root, below) = self.root_of(path);
        // Joined to nothing, a path would end in a slash.
        if below.as_os_str().is_empty() { root.real.clone() } else { root.real.join(below) }
    }

    fn open_with(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
        let (root, below) = self.root_of(path);
        root.open_below(&below, flags | OFlags::CLOEXEC).map_err(|errno| Error::Read { path: self.shown(path), errno })
    }

    /// The root that a path is below, and the path from there on.
    fn root_of(&self, path: &Path) -> (&Root, PathBuf) {
        let mut names = path.components().filter(|part| *part != Component::RootDir);
        let first = names.clone().next().map(Component::as_os_str);
        let own = self.own.iter().find(|(name, _)| first == Some(OsStr::new(name)));
        if own.is_some() {
            names.next();
        }
        (own.map_or(&self.base, |(_, root)| root), names.collect())
    }
}

/// A folder that takes the place of a path of the machine's.
#[derive(Debug)]
struct Root {
    folder: OwnedFd,
    /// Where the folder is, with all symlinks followed.
    real: PathBuf,
    /// What it is on the machine: "/" or "/sys".
    stands_for: PathBuf,
}

impl Root {
    fn open(path: &Path, stands_for: PathBuf) -> Result<Root, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, path, flags, Mode::empty())
            .and_then(|folder| Ok(Root { real: descriptor_path(&folder)?, folder, stands_for }))
            .map_err(|errno| Error::Read { path: path.to_owned(), errno })
    }

    fn open_below(&self, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        // EAGAIN: a rename somewhere on the machine while ".." was followed; openat2(2) says to ask again.
        for _ in 0..64 {
            match openat2(&self.folder, below, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
                Err(Errno::AGAIN) => {}
                // Before Linux 5.6, or a container's filter that does not know the call. EXDEV: a link of procfs that leads
                // to no path (/proc/PID/ns/net, /proc/PID/fd/3), which no fence lets through. The machine's own root
                // needs none; a captured tree without one could read this machine's files as if they were its own.
                Err(Errno::NOSYS | Errno::PERM | Errno::XDEV) if self.real == self.stands_for => {
                    return openat(&self.folder, below, flags, Mode::empty());
                }
                answer => return answer,
            }
        }
        Err(Errno::AGAIN)
    }

    /// A real path of this root's as the machine would name it.
    fn inside(&self, found: &Path) -> Option<PathBuf> {
        found.strip_prefix(&self.real).ok().map(|below| self.stands_for.join(below))
    }
}

/// Where an open descriptor leads. Asks this process's own /proc, whatever the roots are.
fn descriptor_path(descriptor: &impl AsFd) -> Result<PathBuf, Errno> {
    let link = format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd());
    let path = readlinkat(CWD, link, Vec::new())?;
    Ok(PathBuf::from(OsStr::from_bytes(path.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(roots: &Roots, path: &str) -> String {
        let mut text = String::new();
        fs::File::from(roots.open(Path::new(path)).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn symlinks_of_a_captured_tree_stay_inside_it() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("sys/devices/a")).unwrap();
        fs::create_dir_all(tree.path().join("sys/bus")).unwrap();
        fs::create_dir_all(tree.path().join("etc")).unwrap();
        fs::write(tree.path().join("sys/devices/a/stat"), "inside").unwrap();
        fs::write(tree.path().join("etc/hostname"), "captured").unwrap();
        symlink("../devices/a", tree.path().join("sys/bus/a")).unwrap();
        symlink("/etc/hostname", tree.path().join("sys/absolute")).unwrap();
        symlink("../../../../../../etc/hostname", tree.path().join("sys/far")).unwrap();
        let roots = Roots::new(tree.path(), &[]).unwrap();
        assert!(roots.captured());
        assert_eq!(read(&roots, "/sys/bus/a/stat"), "inside");
        assert_eq!(read(&roots, "/sys/absolute"), "captured");
        assert_eq!(read(&roots, "/sys/far"), "captured");
        assert_eq!(roots.real(Path::new("/sys/bus/a")).unwrap(), Path::new("/sys/devices/a"));
    }

    #[test]
    fn a_root_of_its_own_takes_its_name_s_place() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("stat"), "from the host").unwrap();
        let roots = Roots::new(Path::new("/"), &[("sys", tree.path())]).unwrap();
        assert!(!roots.captured());
        assert_eq!(read(&roots, "/sys/stat"), "from the host");
        assert_eq!(roots.real(Path::new("/sys/stat")).unwrap(), Path::new("/sys/stat"));
        assert_eq!(roots.shown(Path::new("/sys/stat")), tree.path().canonicalize().unwrap().join("stat"));
        assert!(read(&roots, "/proc/self/stat").contains('('));
    }

    #[test]
    fn a_folder_is_no_regular_file_and_a_missing_file_is_named() {
        let roots = Roots::machine().unwrap();
        assert!(matches!(roots.open_regular(Path::new("/proc")), Err(Error::Malformed { .. })));
        let error = roots.open(Path::new("/sys/no-such")).unwrap_err();
        assert_eq!(error.to_string(), "/sys/no-such: No such file or directory (os error 2)");
    }

    #[test]
    fn links_of_procfs_are_followed_on_the_machine_itself_alone() {
        let link = Path::new("/proc/self/ns/net");
        assert!(Roots::machine().unwrap().open(link).is_ok());
        let elsewhere = Roots::new(Path::new("/proc"), &[]).unwrap();
        let refused = elsewhere.open(Path::new("/self/ns/net"));
        assert!(matches!(refused, Err(Error::Read { errno: Errno::XDEV, .. })), "{refused:?}");
    }

    #[test]
    fn only_a_block_device_s_node_has_a_number() {
        let roots = Roots::machine().unwrap();
        assert_eq!(roots.device_number(Path::new("/dev/null")).unwrap(), None);
    }
}
