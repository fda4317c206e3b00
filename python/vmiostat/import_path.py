"""Where the command imports from when root runs it: no folder that another user can write.

Python searches the current folder (`python -m vmiostat`) and the folders of PYTHONPATH before its own library. What it
imported from them at its start, before this, has already run: only `python -I` searches neither.

Ctrl-C ends the command quietly from here on, while the rest is imported; later `vmiostat.cli.stopping` handles it.
"""

import os
import sys


def is_the_command() -> bool:
    """Whether this process runs the command, and no other program that uses the package."""
    if not sys.argv:
        return False
    # What precedes the command's own arguments: the script, or with -m the name of the module.
    program = sys.orig_argv[-len(sys.argv)]
    return program.rpartition("/")[2] in ("vmiostat", "-mvmiostat")


def drop_writable_folders() -> None:
    """Removes the folders from sys.path that others than root can write, but for those of this package and of Python.

    If those can be written by others, this process has run their code already.
    """
    package = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    kept = [os.path.realpath(folder) for folder in (package, sys.prefix, sys.base_prefix)]
    sys.path[:] = [entry for entry in sys.path if _is_below(entry, kept) or (entry and _is_roots(entry))]


def _is_below(path: str, folders: list[str]) -> bool:
    real = os.path.realpath(path)
    return path != "" and any(real == folder or real.startswith(folder.rstrip("/") + "/") for folder in folders)


def _is_roots(path: str) -> bool:
    """Whether only root can change what is at the path. What does not exist may be made by others."""
    here = os.path.realpath(path)
    try:
        status = os.stat(here)  # noqa: PTH116
        if status.st_uid or status.st_mode & 0o022:
            return False
        while here != "/":
            here = os.path.dirname(here)  # noqa: PTH120
            status = os.stat(here)  # noqa: PTH116
            # In a folder like /tmp only the owner of a name can replace it.
            if status.st_uid or (status.st_mode & 0o022 and not status.st_mode & 0o1000):
                return False
    except OSError:
        return False
    return True


def end_quietly_by_ctrl_c() -> None:
    """Until `vmiostat.cli.stopping` handles it."""
    import signal  # now that no one else's can be found

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))


if is_the_command():
    if os.geteuid() == 0:
        drop_writable_folders()
    end_quietly_by_ctrl_c()
