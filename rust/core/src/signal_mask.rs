//! Threads that take no signal: signals belong to the threads of the application.
//!
//! An application that waits for a signal with sigwait or signalfd blocks it in all of its threads. A thread that did
//! not block it would take it, and the default action would end the process. A new thread inherits the mask of its
//! creator.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr;

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};

/// Signals of a thread's own faults stay unblocked.
const FAULTS: [libc::c_int; 6] = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP];

/// Runs `start` with all signals blocked: the threads that it starts take none.
pub(crate) fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    let _previous = SignalsBlocked::new();
    start()
}

/// Restores the previous mask when dropped.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> SignalsBlocked {
        let (mut all, mut previous) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: each set is fully written before it is read; only this thread's mask changes.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for signal in FAULTS {
                libc::sigdelset(all.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), previous.as_mut_ptr());
            SignalsBlocked(previous.assume_init())
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the mask came from this thread.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;
    use std::thread;

    use super::*;

    /// The signals that the calling thread blocks, as a bit mask.
    fn blocked() -> u64 {
        let status = read_to_string("/proc/thread-self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    }

    #[test]
    fn the_new_thread_blocks_signals_and_its_creator_does_not() {
        let before = blocked();
        let in_thread = with_signals_blocked(|| thread::spawn(blocked)).join().unwrap();
        let bit = |signal: libc::c_int| 1 << (signal - 1);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGALRM, libc::SIGUSR1] {
            assert_ne!(in_thread & bit(signal), 0);
        }
        assert_eq!(in_thread & FAULTS.map(bit).into_iter().sum::<u64>(), 0);
        assert_eq!(blocked(), before);
    }
}
