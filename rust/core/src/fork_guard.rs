//! Which process this is: a fork of one is another.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many forks lie between this process and the first one that asked.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The process that something was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u64);

impl Process {
    /// This one.
    pub fn this() -> Process {
        static COUNTING: Once = Once::new();
        // libc calls it in every child that it forks, before anybody else runs there. Short of memory for that it can only
        // fail at the first call of all.
        // SAFETY: the handler only adds to an atomic number.
        COUNTING.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(count));
        });
        Process(FORKS.load(Ordering::Relaxed))
    }

    /// Whether it is this one. Asks nobody: the process number would be a system call, and may be given again.
    #[inline]
    pub fn is_this(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.0
    }
}

extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_another_process() {
        let process = Process::this();
        assert!(process.is_this());
        // SAFETY: the child does nothing but end at once, without running what this process has to run at its end.
        let child = unsafe {
            match libc::fork() {
                0 => libc::_exit(i32::from(process.is_this() || !Process::this().is_this())),
                child => child,
            }
        };
        let mut status = -1;
        // SAFETY: waits for the child that was just made.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
        assert!(process.is_this());
    }
}
