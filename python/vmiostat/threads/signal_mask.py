"""Signals are for the threads of whoever uses this, not for ours.

Python acts on a signal in the main thread, which the kernel wakes up for it. But any thread that lets the signal in can
take it away before the main thread runs, and then that sleeps on: Ctrl-C would be seen when it wakes up by itself. A
thread that is started, or that starts one, is likely to.
"""

import signal

_OF_A_THREAD = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP}
"""What a thread brings upon itself."""


def block_signals_in_this_thread() -> None:
    """The calling thread, and each that it starts, takes no signal from now on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OF_A_THREAD)
