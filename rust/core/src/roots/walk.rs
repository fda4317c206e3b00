//! What openat2 does with RESOLVE_IN_ROOT, where the kernel (before Linux 5.6) or a seccomp filter refuses openat2: a walk
//! that opens one name at a time, with O_PATH, and resolves each symlink by itself.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, PROC_SUPER_MAGIC, fstat, fstatfs, openat, readlinkat};
use rustix::io::Errno;

/// As in the kernel (MAXSYMLINKS).
const MAX_SYMLINKS: usize = 40;

/// Opens `below` in the folder `root`, which no symlink and no ".." leaves.
pub(super) fn open_in_root(root: &OwnedFd, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let (mut folders, mut symlinks) = (Vec::<OwnedFd>::new(), 0);
    let mut names: VecDeque<OsString> = names(below.as_os_str());
    while let Some(name) = names.pop_front() {
        let folder = folders.last().unwrap_or(root);
        if name == ".." {
            folders.pop();
            continue;
        }
        let found = openat(folder, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        match FileType::from_raw_mode(fstat(&found)?.st_mode) {
            FileType::Symlink if !(names.is_empty() && flags.contains(OFlags::NOFOLLOW)) => {
                symlinks += 1;
                if symlinks > MAX_SYMLINKS {
                    return Err(Errno::LOOP);
                }
                let text = readlinkat(&found, "", Vec::new())?;
                let text = OsStr::from_bytes(text.as_bytes());
                if is_magic(&found, text)? {
                    return Err(Errno::XDEV);
                }
                if text.as_bytes().starts_with(b"/") {
                    folders.clear();
                }
                self::names(text).into_iter().rev().for_each(|name| names.push_front(name));
            }
            FileType::Directory => folders.push(found),
            _ if !names.is_empty() => return Err(Errno::NOTDIR),
            // Should it have become a symlink since, this fails.
            _ => return openat(folder, &name, flags | OFlags::NOFOLLOW, Mode::empty()),
        }
    }
    openat(folders.last().unwrap_or(root), ".", flags, Mode::empty())
}

fn names(path: &OsStr) -> VecDeque<OsString> {
    let names = path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.map(|name| OsStr::from_bytes(name).to_owned()).collect()
}

/// Whether it is a magic link of procfs, whose text is no path to follow: `net:[4026531840]`, or absolute. procfs's plain
/// symlinks (self, net, mounts) are relative.
fn is_magic(link: impl AsFd, text: &OsStr) -> Result<bool, Errno> {
    let looks_so = text.as_bytes().starts_with(b"/") || text.as_bytes().contains(&b':');
    Ok(looks_so && fstatfs(link)?.f_type == PROC_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, ResolveFlags, openat2};

    use super::*;

    #[test]
    fn it_finds_what_openat2_finds() {
        let tree = tempfile::tempdir().unwrap();
        let at = |path: &str| tree.path().join(path);
        fs::create_dir_all(at("sys/devices/a")).unwrap();
        fs::create_dir_all(at("etc")).unwrap();
        fs::write(at("etc/hostname"), "captured").unwrap();
        for (text, path) in [
            ("/etc/hostname", "sys/absolute"),
            ("../../../../etc/hostname", "sys/devices/far"),
            ("devices/./a", "sys/folder"),
            ("/sys/absolute", "sys/twice"),
            ("loop", "sys/loop"),
            ("no-such", "sys/dangling"),
            ("/", "root"),
        ] {
            symlink(text, at(path)).unwrap();
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let roots = [tree.path(), Path::new("/proc")].map(|path| openat(CWD, path, flags, Mode::empty()).unwrap());
        let paths = [
            "etc/hostname",
            "etc/hostname/",
            "etc/hostname/..",
            "sys/absolute",
            "sys/devices/far",
            "sys/folder",
            "sys/folder/..",
            "sys/twice",
            "sys/loop",
            "sys/dangling",
            "root",
            "root/etc/hostname",
            "../../etc/hostname",
            ".",
            "",
            "no-such",
            "self/stat",
            "net/dev",
            "thread-self/net/dev",
            "self/ns/net",
            "self/cwd",
            "self/root/etc",
        ];
        for root in &roots {
            for path in paths.map(Path::new) {
                for flags in
                    [OFlags::RDONLY, OFlags::PATH, OFlags::PATH | OFlags::NOFOLLOW, OFlags::RDONLY | OFlags::DIRECTORY]
                {
                    let below = if path.as_os_str().is_empty() { Path::new(".") } else { path };
                    let id = |file: OwnedFd| fstat(&file).map(|stat| (stat.st_dev, stat.st_ino));
                    let by_kernel = openat2(root, below, flags, Mode::empty(), ResolveFlags::IN_ROOT).and_then(id);
                    let walked = open_in_root(root, below, flags).and_then(id);
                    if path.as_os_str().as_bytes().ends_with(b"hostname/") || path.ends_with("..") && by_kernel.is_err()
                    {
                        continue; // more strict in the kernel: a file is no folder
                    }
                    assert_eq!(walked, by_kernel, "{path:?} {flags:?}");
                }
            }
        }
        let mut text = String::new();
        fs::File::from(open_in_root(&roots[0], Path::new("sys/devices/far"), OFlags::RDONLY).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "captured");
    }
}
