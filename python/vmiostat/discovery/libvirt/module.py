"""Loads the optional module libvirt, and runs its event loop, of which there is one per process."""

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
from vmiostat.threads.signal_mask import start_without_signals

_one_at_a_time = threading.Lock()

_EXIT_TIMEOUT = 0.5
"""Seconds that interpreter exit waits for the event loop to stop."""


def load(uri: str) -> Any:
    """The module. Raises TopologyError if it is not installed; `uri` is for the message.

    libvirt prints every error to standard error unless an error handler is registered, one for the process. This
    registers one that ignores them, since errors become problems, unless the program has loaded libvirt before.
    """
    loaded_before = "libvirt" in sys.modules
    try:
        libvirt = importlib.import_module("libvirt")
    except ModuleNotFoundError:
        raise TopologyError(
            "the Python module libvirt is not installed: pip install 'vmiostat[libvirt]', which builds it from source "
            "and needs a C compiler and libvirt's headers, or install the distribution's package (python3-libvirt)",
            uri,
        ) from None
    except ImportError as error:
        raise TopologyError(f"the Python module libvirt cannot be loaded: {error}", uri) from error
    if not loaded_before:
        libvirt.registerErrorHandler(_ignore, None)
    return libvirt


def run_event_loop(libvirt: Any) -> bool:
    """Registers and runs libvirt's event loop, unless the program has registered one; returns whether it did.

    Must be called before a connection with events is opened. A loop that the program has registered is the program's to
    run: libvirt accepts no second one, and events then arrive on the program's thread.
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
    """libvirt has no function for this, but without an event loop it cannot add a timer."""
    try:
        timer = libvirt.virEventAddTimeout(-1, _ignore, None)
    except libvirt.libvirtError:
        return False
    libvirt.virEventRemoveTimeout(timer)
    return True


class _Loop:
    """A thread that runs libvirt's own event loop until interpreter exit."""

    def __init__(self, libvirt: Any) -> None:
        self._libvirt = libvirt
        self._stopped = False
        self._process = os.getpid()
        # Only to wake the loop when it is to end.
        self._timer = libvirt.virEventAddTimeout(-1, _ignore, None)
        self._thread = threading.Thread(target=self._run, name="vmiostat-libvirt-events", daemon=True)
        start_without_signals(self._thread)
        # An event during interpreter shutdown would call into it.
        atexit.register(self._stop)

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._libvirt.virEventRunDefaultImpl()
            except self._libvirt.libvirtError:
                time.sleep(1)  # it has nothing to wait for; do not spin

    def _stop(self) -> None:
        if os.getpid() != self._process:  # forked: the thread does not exist here, and may have held the loop's lock
            return
        self._stopped = True
        with suppress(self._libvirt.libvirtError):
            self._libvirt.virEventUpdateTimeout(self._timer, 0)
        self._thread.join(_EXIT_TIMEOUT)


def _ignore(*_: object) -> None:
    pass
