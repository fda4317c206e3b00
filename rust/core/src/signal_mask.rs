//! Threads that take no signal: signals are for the threads of whoever uses this.
//!
//! A signal that is blocked everywhere else, as by somebody who waits for it with sigwait or signalfd, would be delivered to
//! a thread that lets it in, and end the process. A thread begins with the mask of the one that starts it.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr;

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};

/// What a thread brings upon itself.
const OWN: [libc::c_int; 6] = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP];

/// Starts threads, as `start` does, that take no signal.
pub(crate) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    let _before = Blocked::all();
    start()
}

/// The mask that the thread had before.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Blocked {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: each set is written as a whole before it is read; only this thread's mask changes.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for signal in OWN {
                libc::sigdelset(all.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            Blocked(before.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the mask is one that this thread had.
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

    /// Which signals the calling thread has blocked.
    fn blocked() -> u64 {
        let status = read_to_string("/proc/thread-self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    }

    #[test]
    fn a_thread_takes_none_and_who_starts_it_all() {
        let before = blocked();
        let theirs = without_signals(|| thread::spawn(blocked)).join().unwrap();
        let bit = |signal: libc::c_int| 1 << (signal - 1);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGALRM, libc::SIGUSR1] {
            assert_ne!(theirs & bit(signal), 0);
        }
        assert_eq!(theirs & OWN.map(bit).into_iter().sum::<u64>(), 0);
        assert_eq!(blocked(), before);
    }
}
