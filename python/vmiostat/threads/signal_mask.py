"""Signals belong to the threads of the application, not to those of vmiostat.

Python handles a signal in the main thread, which the kernel interrupts for it. But any thread that does not block the
signal may take it first, most likely one that has just started or that starts another. Then the main thread sleeps on,
and Ctrl-C has no effect until it wakes up for another reason.
"""

import signal

_SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP}
"""Raised by a fault of the thread itself."""


def block_signals_in_this_thread() -> None:
    """Blocks signals in the calling thread, and in each thread that it starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _SYNCHRONOUS)
