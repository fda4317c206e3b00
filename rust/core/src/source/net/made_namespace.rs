//! A network namespace of a test's own.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Runs `test` in a thread in a new network namespace, which ends with it. Without privilege it does nothing.
#[allow(unsafe_code)]
pub(crate) fn in_network_namespace(test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: a network namespace shares no memory or descriptors.
            match unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
                Err(Errno::PERM) => eprintln!("skipped: needs root to make a network namespace"),
                made => {
                    made.unwrap();
                    // Only the test's own frames count, no router solicitations.
                    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
                    test();
                }
            }
        });
        thread.join().unwrap();
    });
}

/// Runs these commands of ip(8) in the calling thread's namespace, a line each.
pub(crate) fn ip_batch(lines: &str) {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success());
}
