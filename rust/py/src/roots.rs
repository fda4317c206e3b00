//! The roots of the machine, for discovery in Python: the same value that the sources read from.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rustix::fs::{Dir, DirEntry};
use rustix::io::Errno;
use vmiostat_core::error::Error;
use vmiostat_core::roots::Roots;
use vmiostat_core::{interfaces, read_process, unix_listeners};

use crate::error::CoreError;
use crate::kernel_text::KernelText;

/// The most that `read` returns: it is meant for the small files of the kernel.
const SMALL: u64 = 1 << 20;

/// Where /proc, /sys, /dev and /run of a machine are. Paths are those of the machine itself: "/sys/block".
///
/// Parameters
/// ----------
/// root : path-like
///     The root of a captured machine; by default "/", this one.
/// proc, sys, dev, run : path-like, optional
///     Folders in place of those below the root, as in a container: proc="/host/proc".
///
/// Raises
/// ------
/// SourceError
///     A folder cannot be opened; in a method, the path cannot be read.
///
/// Examples
/// --------
/// >>> from vmiostat import Roots
/// >>> roots = Roots("fixtures/xen-4.17-real/instant-1")
/// >>> roots.captured, roots.exists("/proc/net/dev"), roots.exists("/etc/passwd")
/// (True, True, False)
#[pyclass(name = "Roots", module = "vmiostat._core", frozen)]
pub(crate) struct PyRoots(pub(crate) Arc<Roots>);

#[pymethods]
impl PyRoots {
    #[new]
    #[pyo3(signature = (root=PathBuf::from("/"), *, proc=None, sys=None, dev=None, run=None))]
    fn new(
        root: PathBuf,
        proc: Option<PathBuf>,
        sys: Option<PathBuf>,
        dev: Option<PathBuf>,
        run: Option<PathBuf>,
    ) -> Result<PyRoots, CoreError> {
        let own = [("proc", &proc), ("sys", &sys), ("dev", &dev), ("run", &run)];
        let own: Vec<(&str, &Path)> =
            own.into_iter().filter_map(|(name, path)| Some((name, path.as_deref()?))).collect();
        Ok(PyRoots(Arc::new(Roots::new(&root, &own)?)))
    }

    /// Whether the root is not "/": device nodes and processes are then those of another machine.
    #[getter]
    fn captured(&self) -> bool {
        self.0.captured()
    }

    /// Opens a file or folder for reading: a descriptor. Symlinks stay inside the root.
    fn open(&self, py: Python<'_>, path: KernelText) -> Result<i32, CoreError> {
        Ok(self.at(py, path, |roots, path| roots.open(path))?.into_raw_fd())
    }

    /// Opens a folder for listing: a descriptor. Nothing else is opened.
    fn open_folder(&self, py: Python<'_>, path: KernelText) -> Result<i32, CoreError> {
        Ok(self.at(py, path, |roots, path| roots.open_folder(path))?.into_raw_fd())
    }

    /// The first MiB of a regular file.
    fn read<'py>(&self, py: Python<'py>, path: KernelText) -> Result<Bound<'py, PyBytes>, CoreError> {
        Ok(PyBytes::new(py, &self.at(py, path, read)?))
    }

    /// The names in a folder, sorted.
    fn list(&self, py: Python<'_>, path: KernelText) -> Result<Vec<KernelText>, CoreError> {
        Ok(self.at(py, path, list)?.into_iter().map(KernelText::new).collect())
    }

    /// As `read`, but None where there is no such file or it cannot be read.
    fn read_or_none<'py>(&self, py: Python<'py>, path: KernelText) -> Option<Bound<'py, PyBytes>> {
        self.read(py, path).ok()
    }

    /// As `list`, but empty where there is no such folder or it cannot be listed.
    fn list_or_empty(&self, py: Python<'_>, path: KernelText) -> Vec<KernelText> {
        self.list(py, path).unwrap_or_default()
    }

    /// The path without symlinks, as on the machine itself.
    fn real(&self, py: Python<'_>, path: KernelText) -> Result<KernelText, CoreError> {
        Ok(KernelText::new(self.at(py, path, |roots, path| roots.real(path))?))
    }

    /// The text of a symlink, as of /proc/PID/exe. It is not followed.
    fn link(&self, py: Python<'_>, path: KernelText) -> Result<KernelText, CoreError> {
        Ok(KernelText::new(self.at(py, path, |roots, path| roots.link(path))?))
    }

    /// The numbers and texts of the symlinks in a folder like /proc/PID/fd; of at most `limit` entries.
    fn numbered_links(
        &self,
        py: Python<'_>,
        path: KernelText,
        limit: usize,
    ) -> Result<Vec<(u32, KernelText)>, CoreError> {
        let links = self.at(py, path, move |roots, path| roots.numbered_links(path, limit))?;
        Ok(links.into_iter().map(|(number, text)| (number, KernelText::new(text))).collect())
    }

    /// Whether the file or folder exists and this process may see it.
    fn exists(&self, py: Python<'_>, path: KernelText) -> bool {
        self.at(py, path, |roots, path| roots.real(path)).is_ok()
    }

    /// Whether a file in a folder of /dev/shm is root's alone, as is the folder, and neither is a symlink.
    fn is_roots_own(&self, py: Python<'_>, path: KernelText) -> bool {
        py.detach(|| self.0.find_roots_own(path.as_ref()).is_ok())
    }

    /// The major and minor of a block device, None for another file; EXDEV if the path leaves /dev.
    fn device_number(&self, py: Python<'_>, path: KernelText) -> Result<Option<(u32, u32)>, CoreError> {
        Ok(self.at(py, path, |roots, path| roots.device_number(path))?)
    }

    /// Device, inode, owner and mode of a file, as its file system has them cached (AT_STATX_DONT_SYNC).
    fn file_identity(&self, py: Python<'_>, path: KernelText) -> Result<(u64, u64, u32, u32), CoreError> {
        let found = self.at(py, path, |roots, path| roots.file_identity(path))?;
        Ok((found.device, found.inode, found.owner, found.mode))
    }

    /// The network interfaces in the order of the kernel, and their numbers (ifindex).
    ///
    /// Parameters
    /// ----------
    /// namespace : path-like, optional
    ///     Another network namespace, as /run/netns/NAME or /proc/PID/ns/net. Entering it takes CAP_SYS_ADMIN; without
    ///     that, /proc/PID/net/dev has the names only.
    ///
    /// Returns
    /// -------
    /// dict of str to int or None
    ///     None where only the names are known, as on a captured machine.
    ///
    /// Raises
    /// ------
    /// SourceError
    ///     Neither the namespace nor its /proc/PID/net/dev can be read.
    #[pyo3(signature = (namespace=None))]
    fn interfaces<'py>(&self, py: Python<'py>, namespace: Option<KernelText>) -> PyResult<Bound<'py, PyDict>> {
        let found =
            py.detach(|| interfaces(&self.0, namespace.as_ref().map(AsRef::as_ref))).map_err(CoreError::from)?;
        let by_name = PyDict::new(py);
        for (name, number) in found {
            by_name.set_item(KernelText::new(name), number)?;
        }
        Ok(by_name)
    }

    /// The listening UNIX sockets that are bound to files (sock_diag(7)), here or in another network namespace.
    ///
    /// Each is its own inode, to which a descriptor of it leads (socket:[INODE]), and the lower 32 bits of its file's.
    #[pyo3(signature = (namespace=None))]
    fn unix_listeners(&self, py: Python<'_>, namespace: Option<KernelText>) -> Result<Vec<(u32, u32)>, CoreError> {
        let found = py.detach(|| unix_listeners(&self.0, namespace.as_ref().map(AsRef::as_ref)))?;
        Ok(found.into_iter().map(|listener| (listener.inode, listener.file_inode)).collect())
    }

    /// The folder that takes the place of "/" or of /proc, /sys, /dev or /run, and the path below it.
    fn place(&self, path: KernelText) -> (KernelText, KernelText) {
        let (root, below) = self.0.place(path.as_ref());
        (KernelText::new(root), KernelText::new(below))
    }

    /// The path below the root, for messages.
    fn shown(&self, path: KernelText) -> KernelText {
        KernelText::new(self.0.shown(path.as_ref()))
    }
}

impl PyRoots {
    /// The result of `read`, which reads at this path and nowhere else. Below /proc/PID it has a deadline.
    fn at<T: Send + 'static>(
        &self,
        py: Python<'_>,
        path: KernelText,
        read: impl FnOnce(&Roots, &Path) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (at, path): (&Path, PathBuf) = (path.as_ref(), path.as_ref().into());
        py.detach(|| read_process(&self.0, at, move |roots| read(roots, &path)))
    }
}

fn read(roots: &Roots, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = File::from(roots.open_regular(path)?).take(SMALL).read_to_end(&mut bytes);
    let errno = |error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    read.map_err(|error| Error::Read { path: roots.shown(path), errno: errno(error) })?;
    Ok(bytes)
}

fn list(roots: &Roots, path: &Path) -> Result<Vec<OsString>, Error> {
    let names = Dir::new(roots.open_folder(path)?)
        .and_then(|entries| entries.map(|entry| Ok(name_of(&entry?))).collect::<Result<Vec<_>, _>>());
    let mut names = names.map_err(|errno| Error::Read { path: roots.shown(path), errno })?;
    names.retain(|name| name != "." && name != "..");
    names.sort();
    Ok(names)
}

fn name_of(entry: &DirEntry) -> OsString {
    OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()
}
