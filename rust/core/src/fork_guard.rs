//! Detects a fork: a poller belongs to the process that opened it.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// Forks between the first process that made a guard and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The process in which it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkGuard(u64);

impl ForkGuard {
    /// A guard of this process.
    #[allow(clippy::new_without_default)] // it depends on the process that calls it
    pub fn new() -> ForkGuard {
        static REGISTER: Once = Once::new();
        // libc runs the handler in every child it forks, before any other code. Registering fails only without memory,
        // and only the first registration of a process needs any. SAFETY: the handler only adds to an atomic number.
        REGISTER.call_once(|| unsafe {
            libc::pthread_atfork(None, None, Some(count_fork));
        });
        ForkGuard(FORKS.load(Ordering::Relaxed))
    }

    /// Whether the caller is the process that made this guard. getpid would be a system call, and process numbers are
    /// reused.
    #[inline]
    pub fn is_same_process(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.0
    }
}

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_another_process() {
        let guard = ForkGuard::new();
        assert!(guard.is_same_process());
        // SAFETY: the child only calls _exit, which runs none of this process's exit handlers.
        let child = unsafe {
            match libc::fork() {
                0 => libc::_exit(i32::from(guard.is_same_process() || !ForkGuard::new().is_same_process())),
                child => child,
            }
        };
        let mut status = -1;
        // SAFETY: waits for the child forked above.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
        assert!(guard.is_same_process());
    }
}
