//! Event sources of the core, for Python's `selectors`: each has `fileno`, `drain` and `close`.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::io::Errno;
use vmiostat_core::error::Error;
use vmiostat_core::events::EventSource;
use vmiostat_core::events::devices::DeviceEvents;
use vmiostat_core::events::folders::FolderEvents;
use vmiostat_core::events::links::LinkEvents;

use crate::error::CoreError;
use crate::roots::PyRoots;

/// An event source; None once it is closed. Its lock is taken without the interpreter, since a call may take long.
struct Events<E>(Mutex<Option<E>>);

impl<E: EventSource + Send> Events<E> {
    fn open(py: Python<'_>, open: impl FnOnce() -> Result<E, Error> + Send) -> PyResult<Events<E>> {
        Ok(Events(Mutex::new(Some(py.detach(open).map_err(CoreError::from)?))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut E) -> T + Send) -> PyResult<T> {
        let done = py.detach(|| self.lock().as_mut().map(work));
        done.ok_or_else(|| PyValueError::new_err("this event source is closed"))
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
        self.with(py, |events| events.as_fd().as_raw_fd())
    }

    fn drain(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.with(py, EventSource::drain)?.map_err(CoreError::from)?)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.lock().take()));
    }
}

/// Makes the class of an event source, with its own methods.
macro_rules! event_class {
    ($(#[$doc:meta])+ $class:ident as $name:literal of $events:ident { $($methods:tt)* }) => {
        $(#[$doc])+
        #[pyclass(name = $name, module = "vmiostat._core", frozen)]
        pub(crate) struct $class(Events<$events>);

        #[pymethods]
        impl $class {
            $($methods)*

            /// The descriptor, which is readable when there is something to drain.
            fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
                self.0.fileno(py)
            }

            /// Takes the events that have come, without waiting; True if one of them matters.
            ///
            /// Raises
            /// ------
            /// SourceError
            ///     No more events will come.
            fn drain(&self, py: Python<'_>) -> PyResult<bool> {
                self.0.drain(py)
            }

            /// Closes the descriptor.
            fn close(&self, py: Python<'_>) {
                self.0.close(py);
            }
        }
    };
}

event_class! {
    /// Events of *.xml files that are written, renamed or deleted in some folders, and of the folders (inotify).
    ///
    /// Each of `paths` comes after those that contain it: a missing folder is watched once it appears. A path may also be
    /// a file of any name. Paths are those of the machine at `roots`, or without it those of this process. Raises
    /// SourceError.
    PyFolderEvents as "FolderEvents" of FolderEvents {
        #[new]
        fn new(py: Python<'_>, roots: Option<&Bound<'_, PyRoots>>, paths: Vec<PathBuf>) -> PyResult<PyFolderEvents> {
            let roots = roots.map(|roots| Arc::clone(&roots.get().0));
            Events::open(py, move || FolderEvents::open(roots, &paths)).map(PyFolderEvents)
        }

        /// Watches the folders that the paths lead to now: some may be hidden below a mount, which causes no event.
        fn renew(&self, py: Python<'_>) -> PyResult<()> {
            self.0.with(py, FolderEvents::renew)
        }

        /// The SourceError of an existing folder that is not watched; None if all are.
        #[getter]
        fn unwatched(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
            let error = self.0.with(py, |events| events.unwatched())?;
            Ok(error.map(|error| PyErr::from(CoreError::from(error)).into_value(py).into_any()))
        }
    }
}

event_class! {
    /// Events of interfaces that appear, disappear, are renamed, or go up or down (rtnetlink).
    ///
    /// `namespace` is the open file of a network namespace; without it, it is the calling thread's. Raises SourceError.
    PyLinkEvents as "LinkEvents" of LinkEvents {
        #[new]
        #[pyo3(signature = (namespace=None))]
        #[allow(unsafe_code)]
        fn new(py: Python<'_>, namespace: Option<RawFd>) -> PyResult<PyLinkEvents> {
            let open = || match namespace {
                None => LinkEvents::open(),
                Some(..0) => Err(Error::Read { path: "setns".into(), errno: Errno::BADF }),
                // SAFETY: it is only passed to setns, which refuses whatever is not an open namespace.
                Some(descriptor) => LinkEvents::open_in(unsafe { BorrowedFd::borrow_raw(descriptor) }),
            };
            Events::open(py, open).map(PyLinkEvents)
        }
    }
}

event_class! {
    /// Events of block devices and Xen backends that appear, disappear or change (uevents). Raises SourceError.
    PyDeviceEvents as "DeviceEvents" of DeviceEvents {
        #[new]
        fn new(py: Python<'_>) -> PyResult<PyDeviceEvents> {
            Events::open(py, DeviceEvents::open).map(PyDeviceEvents)
        }
    }
}
