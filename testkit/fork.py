"""Work in a fork of the test's process."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable


def in_a_fork(work: Callable[[], None]) -> None:
    """Runs the work in a fork of this process; fails when it fails there, or takes 20 seconds."""
    with warnings.catch_warnings():
        # That there are other threads, which the fork does not have, is what is tested.
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
    assert status == 0, "see what the fork has printed"
