//! The machine's roots, for Python's discovery: the same value that the sources read below.

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

/// The most that `read` hands out: what it is for are the kernel's small files.
const SMALL: u64 = 1 << 20;

/// Where the machine's /proc, /sys, /dev and /run are. A path is given as on the machine itself ("/sys/block").
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

    /// Whether the root is another folder than "/" (device nodes and processes are then not this machine's).
    #[getter]
    fn captured(&self) -> bool {
        self.0.captured()
    }

    /// A descriptor for reading a file or listing a folder; symlinks stay inside the root. Raises OSError.
    fn open(&self, py: Python<'_>, path: PathBuf) -> Result<i32, CoreError> {
        py.detach(|| Ok(self.0.open(&path)?.into_raw_fd()))
    }

    /// A descriptor for listing a folder; nothing else is opened. Symlinks stay inside the root. Raises SourceError.
    fn open_folder(&self, py: Python<'_>, path: PathBuf) -> Result<i32, CoreError> {
        py.detach(|| Ok(self.0.open_folder(&path)?.into_raw_fd()))
    }

    /// A small file's bytes (at most 1 MiB). Raises OSError.
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

    /// A folder's names, sorted. Raises OSError.
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

    /// The path with all symlinks followed, again as on the machine itself. Raises OSError.
    fn real(&self, py: Python<'_>, path: PathBuf) -> Result<OsString, CoreError> {
        py.detach(|| Ok(self.0.real(&path)?.into_os_string()))
    }

    /// Whether there is such a file or folder (and this process may know of it).
    fn exists(&self, py: Python<'_>, path: PathBuf) -> bool {
        py.detach(|| self.0.real(&path).is_ok())
    }

    /// Major and minor of a block device node, None for any other file. Raises OSError.
    fn device_number(&self, py: Python<'_>, path: PathBuf) -> Result<Option<(u32, u32)>, CoreError> {
        py.detach(|| Ok(self.0.device_number(&path)?))
    }

    /// Device, inode, owner and mode of the file at a path, without a request to its file system. Raises SourceError.
    fn file_identity(&self, py: Python<'_>, path: PathBuf) -> Result<(u64, u64, u32, u32), CoreError> {
        let found = py.detach(|| self.0.file_identity(&path))?;
        Ok((found.device, found.inode, found.owner, found.mode))
    }

    /// The interfaces of the machine's /proc/net/dev, or of a namespace, with their numbers. Raises SourceError.
    #[pyo3(signature = (namespace=None))]
    fn interfaces<'py>(&self, py: Python<'py>, namespace: Option<PathBuf>) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| interfaces(&self.0, namespace.as_deref())).map_err(CoreError::from)?;
        let by_name = PyDict::new(py);
        for (name, number) in found {
            by_name.set_item(name, number)?;
        }
        Ok(by_name)
    }

    /// The inodes of the listening UNIX sockets, each with the lower 32 bits of its file's inode. Raises SourceError.
    #[pyo3(signature = (namespace=None))]
    fn unix_listeners(&self, py: Python<'_>, namespace: Option<PathBuf>) -> Result<Vec<(u32, u32)>, CoreError> {
        let found = py.detach(|| unix_listeners(&self.0, namespace.as_deref()))?;
        Ok(found.into_iter().map(|listener| (listener.inode, listener.file_inode)).collect())
    }

    /// Where the path really is, for messages.
    fn shown(&self, path: PathBuf) -> OsString {
        self.0.shown(&path).into_os_string()
    }
}

fn name_of(entry: &DirEntry) -> OsString {
    OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()
}
