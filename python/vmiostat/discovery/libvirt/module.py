"""The module libvirt, which is there or not, and its event loop, of which there is one a process."""

import atexit
import importlib
import os
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any

from vmiostat.errors import TopologyError
from vmiostat.threads.signal_mask import block_signals_in_this_thread

_one_at_a_time = threading.Lock()

_AT_END = 0.5
"""Seconds that the end of the process waits for the event loop to stop."""


def load(uri: str) -> Any:
    """The module. Raises TopologyError where it is not installed; `uri` is for its text.

    libvirt prints every error on standard error unless a handler, one for the process, is told of it. Ours says
    nothing, since errors become problems; a program that has loaded libvirt before us keeps what it had.
    """
    loaded_by_others = "libvirt" in sys.modules
    try:
        libvirt = importlib.import_module("libvirt")
    except ModuleNotFoundError:
        raise TopologyError(
            "the Python module libvirt is not installed: pip install 'vmiostat[libvirt]' (it is built from source, and "
            "needs a C compiler and libvirt's headers), or the distribution's own package of it (python3-libvirt)",
            uri,
        ) from None
    except ImportError as error:
        raise TopologyError(f"the Python module libvirt cannot be loaded: {error}", uri) from error
    if not loaded_by_others:
        libvirt.registerErrorHandler(_say_nothing, None)
    return libvirt


def run_event_loop(libvirt: Any) -> bool:
    """Sees to it that an event loop is registered, and that ours runs if it is ours; whether it is.

    This comes before a connection that is to tell of events is opened. A loop that somebody registered before us is
    theirs to run: a second one could not be registered, and events then come on their thread.
    """
    with _one_at_a_time:
        return _run_event_loop(libvirt)


@cache
def _run_event_loop(libvirt: Any) -> bool:
    if _is_registered(libvirt):
        return False
    libvirt.virEventRegisterDefaultImpl()
    _Loop(libvirt)
    return True


def _is_registered(libvirt: Any) -> bool:
    """libvirt has no question for this, but without a loop there is nowhere to add a timer."""
    try:
        timer = libvirt.virEventAddTimeout(-1, _say_nothing, None)
    except libvirt.libvirtError:
        return False
    libvirt.virEventRemoveTimeout(timer)
    return True


class _Loop:
    """A thread that runs libvirt's own event loop until the process ends."""

    def __init__(self, libvirt: Any) -> None:
        self._libvirt = libvirt
        self._stopped = False
        self._process = os.getpid()
        # Wakes the loop up when it is to end, and never else.
        self._timer = libvirt.virEventAddTimeout(-1, _say_nothing, None)
        self._thread = threading.Thread(target=self._run, name="vmiostat-libvirt-events", daemon=True)
        self._thread.start()
        # An event that came while the interpreter is taken down would be delivered into it.
        atexit.register(self._stop)

    def _run(self) -> None:
        block_signals_in_this_thread()
        while not self._stopped:
            try:
                self._libvirt.virEventRunDefaultImpl()
            except self._libvirt.libvirtError:
                time.sleep(1)  # it has nothing to wait for: not to spin

    def _stop(self) -> None:
        if os.getpid() != self._process:  # forked: the thread stayed behind, and maybe with the loop's lock
            return
        self._stopped = True
        with suppress(self._libvirt.libvirtError):
            self._libvirt.virEventUpdateTimeout(self._timer, 0)
        self._thread.join(_AT_END)


def _say_nothing(*_: object) -> None:
    pass
