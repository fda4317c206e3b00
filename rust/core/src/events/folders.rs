//! Files and folders that appear, disappear or are written: inotify on the folders that contain them.
//!
//! libvirt writes each change of a domain as NAME.xml.new and renames it, and deletes NAME.xml when the domain ends. A
//! watch on the file would stay with the old one, so the folder is watched.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, read, retry_on_intr};

use super::EventSource;
use crate::error::Error;
use crate::parse::inotify::{Event, events};
use crate::roots::Roots;

/// A file is complete when it is closed or renamed. IN_CREATE does not count for a file: it is still empty then.
const WRITTEN: WatchFlags =
    WatchFlags::CLOSE_WRITE.union(WatchFlags::MOVED_FROM).union(WatchFlags::MOVED_TO).union(WatchFlags::DELETE);
const WATCHED: WatchFlags = WRITTEN
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);
const IN_UNMOUNT: u32 = 0x2000;
const IN_Q_OVERFLOW: u32 = 0x4000;
const IN_IGNORED: u32 = 0x8000;
/// Events of the folder itself.
const FOLDER: u32 = WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF).bits() | IN_UNMOUNT | IN_IGNORED;

/// Room for many events; one has at most 272 bytes.
const BUFFER: usize = 1 << 16;

/// Events of *.xml files in some folders, and of the folders.
#[derive(Debug)]
pub struct FolderEvents {
    /// Without them, paths are those of this process.
    roots: Option<Arc<Roots>>,
    folders: Vec<Folder>,
    inotify: OwnedFd,
    buffer: Box<[u8]>,
    unwatched: Option<(PathBuf, Errno)>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    watch: Option<i32>,
}

impl FolderEvents {
    /// Watches folders, each after those that contain it: a missing one is watched once it appears. A path may also be
    /// a file in one of them, of any name.
    pub fn open(roots: Option<Arc<Roots>>, paths: &[PathBuf]) -> Result<FolderEvents, Error> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let inotify = inotify.map_err(|errno| Error::Read { path: "inotify".into(), errno })?;
        let mut folders: Vec<Folder> = Vec::new();
        for path in paths {
            if folders.iter().all(|folder| folder.path != *path) {
                folders.push(Folder { path: path.clone(), watch: None });
            }
        }
        let buffer = vec![0; BUFFER].into_boxed_slice();
        let mut events = FolderEvents { roots, folders, inotify, buffer, unwatched: None };
        events.renew();
        Ok(events)
    }

    /// Watches the folders that the paths lead to now: some may have appeared, disappeared, or be hidden below a mount.
    pub fn renew(&mut self) {
        self.unwatched = None;
        let before: Vec<Option<i32>> = self.folders.iter().map(|folder| folder.watch).collect();
        for place in 0..self.folders.len() {
            self.folders[place].watch = self.watch(place);
        }
        for old in before.into_iter().flatten().filter(|old| self.folders.iter().all(|new| new.watch != Some(*old))) {
            // It fails if the folder is gone.
            let _ = inotify::remove_watch(&self.inotify, old);
        }
    }

    /// Why an existing folder is not watched.
    pub fn unwatched(&self) -> Option<Error> {
        self.unwatched.clone().map(|(path, errno)| Error::Read { path, errno })
    }

    /// The watch of a folder, which is the same as before for the same folder; None if it cannot be watched.
    fn watch(&mut self, place: usize) -> Option<i32> {
        let Folder { path, watch, .. } = &self.folders[place];
        let added = match self.open_folder(path) {
            // By the descriptor: symlinks of a captured machine were resolved inside it.
            Ok(folder) => {
                let descriptor = format!("/proc/self/fd/{}", folder.as_raw_fd());
                inotify::add_watch(&self.inotify, descriptor, WATCHED)
            }
            // The folder may still be there and watched.
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                self.unwatched = Some((path.clone(), errno));
                return *watch;
            }
            // Discovery reports what it may not read.
            Err(_) => return None,
        };
        match added {
            Ok(watch) => Some(watch),
            // It is gone, not a folder, or may not be read.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => None,
            Err(errno) => {
                self.unwatched = Some((path.clone(), errno));
                None
            }
        }
    }

    fn open_folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        match &self.roots {
            None => openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()),
            Some(roots) => roots.open(path).map_err(|error| match error {
                Error::Read { errno, .. } => errno,
                _ => Errno::INVAL,
            }),
        }
    }

    /// Whether an event matters, and whether it changes which folders there are.
    fn judge(&self, event: &Event<'_>) -> (bool, bool) {
        let is_folder = event.mask & FOLDER != 0 && self.folders.iter().any(|folder| folder.watch == Some(event.watch));
        let is_path = self.folders.iter().any(|folder| folder.path.file_name() == Some(OsStr::from_bytes(event.name)));
        let renews = event.mask & IN_Q_OVERFLOW != 0 || is_folder || is_path;
        (renews || (event.mask & WRITTEN.bits() != 0 && event.name.ends_with(b".xml")), renews)
    }
}

impl EventSource for FolderEvents {
    fn drain(&mut self) -> Result<bool, Error> {
        let length = match retry_on_intr(|| read(&self.inotify, &mut *self.buffer)) {
            Ok(length) => length,
            Err(Errno::AGAIN) => return Ok(false),
            Err(errno) => return Err(Error::Read { path: "inotify".into(), errno }),
        };
        let judged = events(&self.buffer[..length]).map(|event| self.judge(&event));
        let (matters, renews) = judged.fold((false, false), |any, one| (any.0 | one.0, any.1 | one.1));
        if renews {
            self.renew();
        }
        Ok(matters)
    }
}

impl AsFd for FolderEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// Watches `folders` of a new tree, each below the one before.
    fn watching(folders: &[&str]) -> (TempDir, FolderEvents) {
        let tree = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = folders.iter().map(|folder| tree.path().join(folder)).collect();
        let events = FolderEvents::open(None, &paths).unwrap();
        (tree, events)
    }

    #[test]
    fn definitions_that_are_written_renamed_and_deleted() {
        let (tree, mut events) = watching(&[""]);
        let at = |name: &str| tree.path().join(name);
        assert!(!events.drain().unwrap());
        fs::write(at("web1.xml.new"), "<domain/>").unwrap();
        assert!(!events.drain().unwrap());
        fs::rename(at("web1.xml.new"), at("web1.xml")).unwrap();
        assert!(events.drain().unwrap());
        fs::write(at("web1.xml"), "<domain/>").unwrap();
        assert!(events.drain().unwrap());
        fs::remove_file(at("web1.xml")).unwrap();
        assert!(events.drain().unwrap());
        assert!(!events.drain().unwrap());
    }

    #[test]
    fn a_new_file_counts_once_it_is_complete() {
        let (tree, mut events) = watching(&[""]);
        let file = fs::File::create(tree.path().join("web1.xml")).unwrap();
        assert!(!events.drain().unwrap());
        drop(file);
        assert!(events.drain().unwrap());
    }

    #[test]
    fn folders_that_appear_are_watched_and_may_be_replaced() {
        let (tree, mut events) = watching(&["", "libvirt", "libvirt/qemu"]);
        let folder = tree.path().join("libvirt/qemu");
        for _ in 0..2 {
            fs::create_dir_all(&folder).unwrap();
            assert!(events.drain().unwrap());
            fs::write(folder.join("web1.xml"), "").unwrap();
            assert!(events.drain().unwrap());
            fs::remove_dir_all(tree.path().join("libvirt")).unwrap();
            assert!(events.drain().unwrap());
            while events.drain().unwrap() {}
        }
        assert!(events.unwatched().is_none());
    }

    #[test]
    fn a_path_may_be_a_file() {
        let (tree, mut events) = watching(&["", "domains"]);
        fs::write(tree.path().join("others"), "").unwrap();
        assert!(!events.drain().unwrap());
        fs::write(tree.path().join("domains"), "").unwrap();
        assert!(events.drain().unwrap());
    }

    #[test]
    fn symlinks_stay_inside_a_captured_tree() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("run/real")).unwrap();
        std::os::unix::fs::symlink("/run/real", tree.path().join("run/libvirt")).unwrap();
        let roots = Arc::new(Roots::new(tree.path(), &[]).unwrap());
        let mut events = FolderEvents::open(Some(roots), &["/run/libvirt".into()]).unwrap();
        fs::write(tree.path().join("run/real/web1.xml"), "").unwrap();
        assert!(events.drain().unwrap());
    }
}
