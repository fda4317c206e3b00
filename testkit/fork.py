"""Runs code in a fork of the test's process."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable


def in_a_fork(work: Callable[[], None]) -> None:
    """Runs `work` in a fork of this process. Fails if it fails there, or takes 20 seconds."""
    with warnings.catch_warnings():
        # Python warns that this process has threads, which are missing in the fork: that is what these tests are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0, "see the output of the fork"
