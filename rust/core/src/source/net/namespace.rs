//! Network namespaces other than this process's: a VMM's, a container's, a named one.
//!
//! What is opened in a namespace stays in it, an open /proc/net/dev as well as a socket. So a thread enters it once, opens,
//! and ends: the caller's own namespace never changes, and no poll calls setns. The open handle keeps the namespace alive.

use std::fs::read_link;
use std::path::Path;
use std::thread;

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::roots::Roots;
use crate::signal_mask::without_signals;
use crate::source::Failure;

/// /proc/net is the main thread's; a thread that went elsewhere has this.
pub(crate) const PROC_NET_DEV: &str = "/proc/thread-self/net/dev";

/// Why nothing of a captured machine is entered.
pub(crate) const CAPTURED: Failure = Failure::Malformed("the machine is a captured one");

/// Whether a socket of the calling thread is in the network namespace that the file at `path` shows. /proc/net/dev is the
/// main thread's.
pub(crate) fn sockets_see(roots: &Roots, path: &str) -> Result<(), Failure> {
    let of = |who: &str| read_link(format!("/proc/{who}/ns/net")).ok();
    if !roots.has_this_network() {
        Err(CAPTURED)
    } else if path != PROC_NET_DEV && of("self") != of("thread-self") {
        Err(Failure::Malformed("this thread is in another network namespace than the main thread"))
    } else {
        Ok(())
    }
}

/// Does the work in a network namespace: `/run/netns/NAME`, `/proc/PID/ns/net`. Entering one takes CAP_SYS_ADMIN.
pub(crate) fn within<T: Send>(roots: &Roots, namespace: &Path, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    let namespace = roots.open(namespace)?;
    let inside = move || {
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Network))?;
        Ok(work())
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("vmiostat-namespace".to_owned());
        let thread = without_signals(|| thread.spawn_scoped(scope, inside));
        let thread = thread.map_err(|_| Failure::Malformed("no thread can be started"))?;
        thread.join().unwrap_or(Err(Failure::Errno(Errno::IO)))
    })
}

/// Where the file of the namespace can be read without entering it: everyone may read a process's /proc/PID/net/dev.
pub(crate) fn file_of_process(namespace: &Path) -> Option<String> {
    let process = namespace.to_str()?.strip_prefix("/proc/")?.strip_suffix("/ns/net")?;
    (!process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| format!("/proc/{process}/net/dev"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_process() {
        assert_eq!(file_of_process(Path::new("/proc/12/ns/net")).as_deref(), Some("/proc/12/net/dev"));
        for other in ["/run/netns/blue", "/proc/self/ns/net", "/proc//ns/net", "/proc/1/../2/ns/net", "/proc/1/ns/mnt"]
        {
            assert_eq!(file_of_process(Path::new(other)), None, "{other}");
        }
    }
}
