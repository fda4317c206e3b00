"""Signals belong to the threads of the application, not to those of vmiostat.

Python handles a signal in the main thread, which the kernel interrupts for it. But any thread that does not block the
signal may take it first, most likely one that has just started or that starts another. Then the main thread sleeps on,
and Ctrl-C has no effect until it wakes up for another reason.
"""

import signal
import threading

_SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP}
"""Raised by a fault of the thread itself."""


def start_without_signals(thread: threading.Thread) -> None:
    """Starts a thread that takes no signal from its first moment on, nor does any thread that it starts.

    A thread has the mask of its creator. Raises RuntimeError if no thread can start.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _SYNCHRONOUS)
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
