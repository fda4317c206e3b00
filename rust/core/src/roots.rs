//! The locations of /proc, /sys, /dev and /run, in one value: a captured tree can take the machine's place.
//!
//! Paths are always those of the machine ("/sys/block/sda/stat"). The first name selects the root below which openat2
//! resolves the path, with RESOLVE_IN_ROOT (since Linux 5.6; else `walk` does): no symlink leads out of a captured tree,
//! not even an absolute one or one with "..".

mod walk;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstat, major, makedev, minor, openat, openat2,
    readlinkat, statx,
};
use rustix::io::Errno;

use crate::error::Error;

/// The roots of the machine's folders.
#[derive(Clone, Debug)]
pub struct Roots {
    base: Root,
    own: Vec<(&'static str, Root)>,
    captured: bool,
    /// The network namespace of the thread that made this, held open.
    network: Option<Arc<OwnedFd>>,
}

/// Folders that may have a root of their own: a container may mount the host's /proc at /host/proc.
const OWN_ROOTS: [&str; 4] = ["proc", "sys", "dev", "run"];

const TO_READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A file, whatever path leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The number of the file system's device (`st_dev`).
    pub device: u64,
    /// Its number in the file system.
    pub inode: u64,
    /// The user that owns it.
    pub owner: u32,
    /// Its type and permissions (`st_mode`).
    pub mode: u32,
}

impl Roots {
    /// `root` is the machine's "/". Each of `own` replaces one folder of it: proc, sys, dev or run.
    pub fn new(root: &Path, own: &[(&str, &Path)]) -> Result<Roots, Error> {
        let own = OWN_ROOTS
            .into_iter()
            .filter_map(|name| own.iter().find(|(given, _)| *given == name).map(|(_, path)| (name, *path)))
            .map(|(name, path)| Root::open(path, PathBuf::from("/").join(name)).map(|root| (name, root)))
            .collect::<Result<_, _>>()?;
        let base = Root::open(root, PathBuf::from("/"))?;
        let captured = base.real != Path::new("/");
        let network = openat(CWD, "/proc/thread-self/ns/net", TO_READ, Mode::empty()).ok().map(Arc::new);
        Ok(Roots { base, own, captured, network })
    }

    /// This machine.
    pub fn machine() -> Result<Roots, Error> {
        Roots::new(Path::new("/"), &[])
    }

    /// Whether the root is not "/": device nodes and processes are then not those of this machine.
    pub fn captured(&self) -> bool {
        self.captured
    }

    /// Whether /proc/net/dev is this process's own, so that a netlink socket shows the same interfaces.
    pub fn has_this_network(&self) -> bool {
        !self.captured && self.own.iter().all(|(name, _)| *name != "proc")
    }

    /// The network namespace whose interfaces are the machine's; None if it could not be opened.
    pub(crate) fn network(&self) -> Option<&OwnedFd> {
        self.network.as_deref()
    }

    /// Opens a file for reading, or a folder for listing. Opening a FIFO does not block.
    pub fn open(&self, path: &Path) -> Result<OwnedFd, Error> {
        self.open_with(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    /// Opens a folder for listing. Nothing else is opened, not even to see what it is: opening a watchdog's node starts it.
    pub fn open_folder(&self, path: &Path) -> Result<OwnedFd, Error> {
        self.open_with(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Opens a folder only to open files below it, by `open_regular_in`.
    pub fn open_path(&self, path: &Path) -> Result<OwnedFd, Error> {
        self.open_with(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Opens a regular file; anything else is an error, and is not opened to see what it is.
    pub fn open_regular(&self, path: &Path) -> Result<OwnedFd, Error> {
        // There are no devices in procfs and sysfs, but links to any file: /proc/PID/root, /proc/PID/fd/3.
        if !self.captured && ["/proc", "/sys"].iter().any(|kernel| path.starts_with(kernel)) {
            let (root, below) = self.root_of(path);
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            if let Ok(file) = openat2(&root.folder, &below, TO_READ, Mode::empty(), resolve) {
                return self.regular(&file, path).map(|()| file);
            }
        }
        self.reopen_regular(&self.open_with(path, OFlags::PATH)?, path)
    }

    /// As `open_regular`, the file of this name in a folder, which is at `path`. A symlink is an error.
    pub fn open_regular_in(&self, folder: &OwnedFd, path: &Path, name: &str) -> Result<OwnedFd, Error> {
        let path = path.join(name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(folder, name, flags, Mode::empty());
        self.reopen_regular(&found.map_err(|errno| Error::Read { path: self.shown(&path), errno })?, &path)
    }

    /// Opens the very file that was found: its path may lead to another one by now.
    fn reopen_regular(&self, found: &OwnedFd, path: &Path) -> Result<OwnedFd, Error> {
        self.regular(found, path)?;
        openat(CWD, format!("/proc/self/fd/{}", found.as_raw_fd()), TO_READ, Mode::empty())
            .map_err(|errno| Error::Read { path: self.shown(path), errno })
    }

    fn regular(&self, file: &OwnedFd, path: &Path) -> Result<(), Error> {
        let stat = fstat(file).map_err(|errno| Error::Read { path: self.shown(path), errno })?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(()),
            _ => Err(Error::Malformed { path: self.shown(path), what: "not a regular file" }),
        }
    }

    /// Which file is at a path, its symlinks followed. It is neither opened nor is its file system asked for anything:
    /// what a remote or FUSE file system has cached is good enough, and cannot hang (AT_STATX_DONT_SYNC).
    pub fn file_identity(&self, path: &Path) -> Result<FileIdentity, Error> {
        let found = self.open_with(path, OFlags::PATH)?;
        let status = statx(&found, "", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::BASIC_STATS)
            .map_err(|errno| Error::Read { path: self.shown(path), errno })?;
        Ok(FileIdentity {
            device: makedev(status.stx_dev_major, status.stx_dev_minor),
            inode: status.stx_ino,
            owner: status.stx_uid,
            mode: status.stx_mode.into(),
        })
    }

    /// Opens a regular file in a folder of root's in one that anyone may write to: /dev/shm/FOLDER/FILE.
    pub fn open_roots_own(&self, path: &Path) -> Result<OwnedFd, Error> {
        let found = self.find_roots_own(path)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // The very file that was found, as in `open_regular`.
        openat(CWD, format!("/proc/self/fd/{}", found.as_raw_fd()), flags, Mode::empty())
            .map_err(|errno| Error::Read { path: self.shown(path), errno })
    }

    /// Finds such a file, and opens nothing. Neither folder nor file may be a symlink, which anyone could have made, and
    /// on the machine both have to be root's, and writable by no one else.
    pub fn find_roots_own(&self, path: &Path) -> Result<OwnedFd, Error> {
        let error = |errno| Error::Read { path: self.shown(path), errno };
        let refused = |what| Error::Malformed { path: self.shown(path), what };
        let folder = path.parent().unwrap_or(path);
        let mut found = self.open_with(folder.parent().unwrap_or(folder), OFlags::PATH | OFlags::DIRECTORY)?;
        for name in [folder.file_name(), path.file_name()].into_iter().flatten() {
            found = openat(&found, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
                .map_err(error)?;
            let stat = fstat(&found).map_err(error)?;
            if !self.captured && (stat.st_uid != 0 || stat.st_mode & 0o022 != 0) {
                return Err(refused("it or its folder is not root's alone"));
            }
        }
        match FileType::from_raw_mode(fstat(&found).map_err(error)?.st_mode) {
            FileType::RegularFile => Ok(found),
            _ => Err(refused("not a regular file")),
        }
    }

    /// Major and minor number of a block device node; None for any other file.
    ///
    /// On the machine, a path that leaves the file system of /dev is not followed, since another one may hang: EXDEV.
    /// Before Linux 5.6 no path is: ENOSYS.
    pub fn device_number(&self, path: &Path) -> Result<Option<(u32, u32)>, Error> {
        let node = if self.captured { self.open_with(path, OFlags::PATH)? } else { self.open_in_dev(path)? };
        let stat = fstat(&node).map_err(|errno| Error::Read { path: self.shown(path), errno })?;
        let is_block = FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice;
        Ok(is_block.then(|| (major(stat.st_rdev), minor(stat.st_rdev))))
    }

    fn open_in_dev(&self, path: &Path) -> Result<OwnedFd, Error> {
        let error = |errno| Error::Read { path: self.shown(path), errno };
        let below = path.strip_prefix("/dev").ok().filter(|below| !below.as_os_str().is_empty());
        let below = below.ok_or_else(|| error(Errno::XDEV))?;
        let dev = self.open_with(Path::new("/dev"), OFlags::PATH | OFlags::DIRECTORY)?;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        openat2(&dev, below, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), inside).map_err(error)
    }

    /// The text of a symlink.
    pub fn link(&self, path: &Path) -> Result<OsString, Error> {
        let error = |errno| Error::Read { path: self.shown(path), errno };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(error(Errno::INVAL)) };
        let text = readlinkat(&self.open_path(parent)?, name, Vec::new()).map_err(error)?;
        Ok(OsString::from_vec(text.into_bytes()))
    }

    /// The numbers and texts of the symlinks in a folder like /proc/PID/fd; of at most `limit` entries.
    pub fn numbered_links(&self, path: &Path, limit: usize) -> Result<Vec<(u32, OsString)>, Error> {
        let error = |errno| Error::Read { path: self.shown(path), errno };
        let folder = self.open_folder(path)?;
        let mut links = Vec::new();
        // The first two entries are the folder itself and the one that it is in.
        for entry in Dir::read_from(&folder).map_err(error)?.take(limit.saturating_add(2)) {
            let entry = entry.map_err(error)?;
            let Some(number) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else { continue };
            // One that was closed since is left out.
            if let Ok(text) = readlinkat(&folder, entry.file_name(), Vec::new()) {
                links.push((number, OsString::from_vec(text.into_bytes())));
            }
        }
        links.sort_unstable_by_key(|(number, _)| *number);
        Ok(links)
    }

    /// The path with all symlinks resolved, as on the machine.
    pub fn real(&self, path: &Path) -> Result<PathBuf, Error> {
        let found = self.open_with(path, OFlags::PATH)?;
        let found = descriptor_path(&found).map_err(|errno| Error::Read { path: self.shown(path), errno })?;
        Ok(self.root_of(path).0.inside(&found).unwrap_or(found))
    }

    /// The real path, for messages.
    pub fn shown(&self, path: &Path) -> PathBuf {
        let (root, below) = self.place(path);
        // Joining an empty path would append a slash.
        if below.as_os_str().is_empty() { root } else { root.join(below) }
    }

    /// The real path of the path's root, and the path relative to it.
    pub fn place(&self, path: &Path) -> (PathBuf, PathBuf) {
        let (root, below) = self.root_of(path);
        (root.real.clone(), below)
    }

    fn open_with(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
        let (root, below) = self.root_of(path);
        root.open_below(&below, flags | OFlags::CLOEXEC).map_err(|errno| Error::Read { path: self.shown(path), errno })
    }

    /// The root of a path, and the path relative to it.
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

/// A folder that stands for one of the machine.
#[derive(Clone, Debug)]
struct Root {
    folder: Arc<OwnedFd>,
    /// The folder's path with all symlinks resolved.
    real: PathBuf,
    /// Its path on the machine: "/" or "/sys".
    stands_for: PathBuf,
}

impl Root {
    fn open(path: &Path, stands_for: PathBuf) -> Result<Root, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, path, flags, Mode::empty())
            .and_then(|folder| Ok(Root { real: descriptor_path(&folder)?, folder: Arc::new(folder), stands_for }))
            .map_err(|errno| Error::Read { path: path.to_owned(), errno })
    }

    fn open_below(&self, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        // EAGAIN: a rename on the machine while ".." was resolved; openat2(2) says to try again.
        for _ in 0..64 {
            match openat2(&self.folder, below, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
                Err(Errno::AGAIN) => {}
                // Before Linux 5.6, or under a seccomp filter that does not know openat2. EXDEV: a magic link of procfs
                // (/proc/PID/ns/net, /proc/PID/fd/3), which RESOLVE_IN_ROOT never follows. The machine's own root needs
                // no containment; a captured tree without it could read this machine's files as its own.
                Err(Errno::NOSYS | Errno::PERM | Errno::XDEV) if self.real == self.stands_for => {
                    return openat(&self.folder, below, flags, Mode::empty());
                }
                Err(Errno::NOSYS | Errno::PERM) => return walk::open_in_root(&self.folder, below, flags),
                answer => return answer,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The machine's path for a real path below this root.
    fn inside(&self, found: &Path) -> Option<PathBuf> {
        found.strip_prefix(&self.real).ok().map(|below| self.stands_for.join(below))
    }
}

/// The path of an open descriptor, from this process's own /proc.
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
    fn symlinks_stay_inside_a_captured_tree() {
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
    fn a_root_of_its_own_replaces_the_folder() {
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
    fn a_folder_is_no_regular_file_and_an_error_has_the_path() {
        let roots = Roots::machine().unwrap();
        assert!(matches!(roots.open_regular(Path::new("/proc")), Err(Error::Malformed { .. })));
        let error = roots.open(Path::new("/sys/no-such")).unwrap_err();
        assert_eq!(error.to_string(), "/sys/no-such: No such file or directory (os error 2)");
    }

    #[test]
    fn magic_links_of_procfs_are_followed_on_the_machine_only() {
        let link = Path::new("/proc/self/ns/net");
        assert!(Roots::machine().unwrap().open(link).is_ok());
        let elsewhere = Roots::new(Path::new("/proc"), &[]).unwrap();
        let refused = elsewhere.open(Path::new("/self/ns/net"));
        assert!(matches!(refused, Err(Error::Read { errno: Errno::XDEV, .. })), "{refused:?}");
    }

    #[test]
    fn only_a_block_device_node_has_a_number() {
        let roots = Roots::machine().unwrap();
        assert_eq!(roots.device_number(Path::new("/dev/null")).unwrap(), None);
    }

    #[test]
    fn no_path_out_of_dev_is_followed() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("below")).unwrap();
        symlink("/dev/null", tree.path().join("absolute")).unwrap();
        symlink("../null", tree.path().join("outside")).unwrap();
        symlink("/proc/self", tree.path().join("below/process")).unwrap();
        let roots = Roots::new(Path::new("/"), &[("dev", tree.path())]).unwrap();
        for path in ["/dev/absolute", "/dev/outside", "/dev/below/process/stat", "/etc/passwd", "/dev"] {
            let refused = roots.device_number(Path::new(path));
            assert!(matches!(refused, Err(Error::Read { errno: Errno::XDEV, .. })), "{path}: {refused:?}");
        }
    }

    #[test]
    fn a_symlink_in_a_folder_of_everybodys_is_not_followed() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("dev/shm/td3-1")).unwrap();
        fs::write(tree.path().join("dev/shm/td3-1/page"), "page").unwrap();
        symlink("page", tree.path().join("dev/shm/td3-1/link")).unwrap();
        symlink("td3-1", tree.path().join("dev/shm/td3-2")).unwrap();
        let roots = Roots::new(tree.path(), &[]).unwrap();
        assert!(roots.open_roots_own(Path::new("/dev/shm/td3-1/page")).is_ok());
        for path in ["/dev/shm/td3-1/link", "/dev/shm/td3-2/page", "/dev/shm/td3-1"] {
            assert!(roots.find_roots_own(Path::new(path)).is_err(), "{path}");
        }
    }
}
