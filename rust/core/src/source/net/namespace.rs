//! Other network namespaces: of a VMM, of a container, or a named one.
//!
//! A handle stays in the namespace in which it was opened, be it a socket or /proc/net/dev, and keeps that namespace
//! alive. So a short-lived thread enters the namespace and opens the handle: the caller's own namespace never changes,
//! and no poll calls setns.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::Error;
use crate::roots::Roots;
use crate::signal_mask::with_signals_blocked;
use crate::source::Failure;
use crate::source::worker::process_reads::read_process;

/// The machine's interfaces: see `open_net_dev`.
pub(crate) const NET_DEV: &str = "/proc/net/dev";
/// The interfaces of the calling thread's namespace.
pub(crate) const THREAD_NET_DEV: &str = "/proc/thread-self/net/dev";

/// Why no namespace of a captured machine can be entered.
pub(crate) const CAPTURED: Failure = Failure::Malformed("the machine is a captured one");

/// Checks that a socket of the calling thread is in the network namespace of the file at `path`.
pub(crate) fn sockets_see(roots: &Roots, path: &str) -> Result<(), Failure> {
    if !roots.has_this_network() {
        Err(CAPTURED)
    } else if path != THREAD_NET_DEV && !is_in_network_of(roots) {
        Err(Failure::Malformed("this thread has left the network namespace in which the Host was made"))
    } else {
        Ok(())
    }
}

/// Opens the file at `path`, in which the interfaces of a namespace are. The machine's are those of the namespace in which
/// `roots` was made: /proc/net/dev is that of the main thread, which may visit another one at any time, and
/// ProcSubset=pid hides it.
pub(crate) fn open_net_dev(roots: &Roots, path: &str) -> Result<OwnedFd, Error> {
    let machine_s = path == NET_DEV && roots.has_this_network();
    let Some(network) = roots.network().filter(|_| machine_s) else { return roots.open_regular(Path::new(path)) };
    let open = || roots.open_regular(Path::new(THREAD_NET_DEV));
    if is_in_network_of(roots) {
        return open();
    }
    within_open(network.as_fd(), open).unwrap_or_else(|failure| Err(failure.error(path.into())))
}

fn is_in_network_of(roots: &Roots) -> bool {
    let held = roots.network().and_then(|file| rustix::fs::fstat(file).ok());
    held.is_none_or(|held| of_this_thread() == Ok((held.st_dev, held.st_ino)))
}

/// The network namespace of the calling thread: the device and inode of its file. They are unique as long as the
/// namespace exists, and a socket in it keeps it alive.
pub(crate) fn of_this_thread() -> Result<(u64, u64), Errno> {
    let file = rustix::fs::stat("/proc/thread-self/ns/net")?;
    Ok((file.st_dev, file.st_ino))
}

/// Runs `work` in a network namespace: `/run/netns/NAME`, `/proc/PID/ns/net`. Needs CAP_SYS_ADMIN.
pub(crate) fn within<T: Send>(roots: &Roots, namespace: &Path, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    let path = namespace.to_owned();
    let opened = read_process(roots, namespace, move |roots| roots.open(&path))?;
    within_open(opened.as_fd(), work)
}

/// As `within`, by the open file of the namespace.
pub(crate) fn within_open<T: Send>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    let inside = move || {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
        Ok(work())
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("vmiostat-namespace".to_owned());
        let thread = with_signals_blocked(|| thread.spawn_scoped(scope, inside));
        let thread = thread.map_err(|_| Failure::Malformed("cannot start a thread"))?;
        thread.join().unwrap_or(Err(Failure::Errno(Errno::IO)))
    })
}

/// The file that shows the namespace of a process without entering it: anyone may read /proc/PID/net/dev.
pub(crate) fn file_of_process(namespace: &Path) -> Option<String> {
    let process = namespace.to_str()?.strip_prefix("/proc/")?.strip_suffix("/ns/net")?;
    (!process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| format!("/proc/{process}/net/dev"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_has_such_a_file() {
        assert_eq!(file_of_process(Path::new("/proc/12/ns/net")).as_deref(), Some("/proc/12/net/dev"));
        for other in ["/run/netns/blue", "/proc/self/ns/net", "/proc//ns/net", "/proc/1/../2/ns/net", "/proc/1/ns/mnt"]
        {
            assert_eq!(file_of_process(Path::new(other)), None, "{other}");
        }
    }
}
