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
use vmiostat_core::{interfaces, unix_listeners};

use crate::error::CoreError;

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
    fn open(&self, py: Python<'_>, path: PathBuf) -> Result<i32, CoreError> {
        py.detach(|| Ok(self.0.open(&path)?.into_raw_fd()))
    }

    /// Opens a folder for listing: a descriptor. Nothing else is opened.
    fn open_folder(&self, py: Python<'_>, path: PathBuf) -> Result<i32, CoreError> {
        py.detach(|| Ok(self.0.open_folder(&path)?.into_raw_fd()))
    }

    /// The first MiB of a regular file.
    fn read<'py>(&self, py: Python<'py>, path: PathBuf) -> Result<Bound<'py, PyBytes>, CoreError> {
        let bytes = py.detach(|| {
            let file = File::from(self.0.open_regular(&path)?);
            let mut bytes = Vec::new();
            let read = file.take(SMALL).read_to_end(&mut bytes);
            let errno = |error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
            read.map_err(|error| Error::Read { path: self.0.shown(&path), errno: errno(error) })?;
            Ok::<_, Error>(bytes)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The names in a folder, sorted.
    fn list(&self, py: Python<'_>, path: PathBuf) -> Result<Vec<OsString>, CoreError> {
        py.detach(|| {
            let names = Dir::new(self.0.open_folder(&path)?)
                .and_then(|entries| entries.map(|entry| Ok(name_of(&entry?))).collect::<Result<Vec<_>, _>>());
            let mut names = names.map_err(|errno| Error::Read { path: self.0.shown(&path), errno })?;
            names.retain(|name| name != "." && name != "..");
            names.sort();
            Ok(names)
        })
    }

    /// As `read`, but None where there is no such file or it cannot be read.
    fn read_or_none<'py>(&self, py: Python<'py>, path: PathBuf) -> Option<Bound<'py, PyBytes>> {
        self.read(py, path).ok()
    }

    /// As `list`, but empty where there is no such folder or it cannot be listed.
    fn list_or_empty(&self, py: Python<'_>, path: PathBuf) -> Vec<OsString> {
        self.list(py, path).unwrap_or_default()
    }

    /// The path without symlinks, as on the machine itself.
    fn real(&self, py: Python<'_>, path: PathBuf) -> Result<OsString, CoreError> {
        py.detach(|| Ok(self.0.real(&path)?.into_os_string()))
    }

    /// Whether the file or folder exists and this process may see it.
    fn exists(&self, py: Python<'_>, path: PathBuf) -> bool {
        py.detach(|| self.0.real(&path).is_ok())
    }

    /// Whether a file in a folder of /dev/shm is root's alone, as is the folder, and neither is a symlink.
    fn is_roots_own(&self, py: Python<'_>, path: PathBuf) -> bool {
        py.detach(|| self.0.find_roots_own(&path).is_ok())
    }

    /// The major and minor of a block device, None for another file; EXDEV if the path leaves /dev.
    fn device_number(&self, py: Python<'_>, path: PathBuf) -> Result<Option<(u32, u32)>, CoreError> {
        py.detach(|| Ok(self.0.device_number(&path)?))
    }

    /// The device, inode, owner and mode of a file, as its file system has them cached.
    ///
    /// It is neither opened nor is its file system queried (AT_STATX_DONT_SYNC), so a hung one delays nothing.
    fn file_identity(&self, py: Python<'_>, path: PathBuf) -> Result<(u64, u64, u32, u32), CoreError> {
        let found = py.detach(|| self.0.file_identity(&path))?;
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
    fn interfaces<'py>(&self, py: Python<'py>, namespace: Option<PathBuf>) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| interfaces(&self.0, namespace.as_deref())).map_err(CoreError::from)?;
        let by_name = PyDict::new(py);
        for (name, number) in found {
            by_name.set_item(name, number)?;
        }
        Ok(by_name)
    }

    /// The listening UNIX sockets that are bound to files (sock_diag(7)), here or in another network namespace.
    ///
    /// Each is its own inode, to which a descriptor of it leads (socket:[INODE]), and the lower 32 bits of its file's.
    #[pyo3(signature = (namespace=None))]
    fn unix_listeners(&self, py: Python<'_>, namespace: Option<PathBuf>) -> Result<Vec<(u32, u32)>, CoreError> {
        let found = py.detach(|| unix_listeners(&self.0, namespace.as_deref()))?;
        Ok(found.into_iter().map(|listener| (listener.inode, listener.file_inode)).collect())
    }

    /// The folder that takes the place of "/" or of /proc, /sys, /dev or /run, and the path below it.
    fn place(&self, path: PathBuf) -> (OsString, OsString) {
        let (root, below) = self.0.place(&path);
        (root.into_os_string(), below.into_os_string())
    }

    /// The path below the root, for messages.
    fn shown(&self, path: PathBuf) -> OsString {
        self.0.shown(&path).into_os_string()
    }
}

fn name_of(entry: &DirEntry) -> OsString {
    OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()
}
