"""From files to bytes, with a limit: what is no regular file, or too long for a definition, is not read at all."""

import os
import stat
from collections.abc import Iterable, Iterator

from vmiostat.errors import SourceError, TopologyError

StrPath = str | os.PathLike[str]

LIMIT = 4 << 20
"""Bytes. libvirt sends no longer XML either (REMOTE_STRING_MAX); a domain with a thousand disks has a tenth of it."""


def check_paths(paths: StrPath | Iterable[StrPath]) -> None:
    """Raises SourceError for the first of these files and folders that does not exist or cannot be reached."""
    for path in _each(paths):
        try:
            os.stat(path)  # noqa: PTH116
        except OSError as error:
            raise SourceError(error.errno, error.strerror, path) from None


def definition_files(paths: StrPath | Iterable[StrPath]) -> tuple[list[str], list[TopologyError]]:
    """The files to read: those given, and each *.xml of the folders given (not of folders below), each file once."""
    files: dict[str, str] = {}
    problems = []
    for path in _each(paths):
        try:
            # A folder's other files are none of ours: libvirt renames NAME.xml.new to NAME.xml, editors leave backups.
            names = sorted(name for name in os.listdir(path) if name.endswith(".xml"))  # noqa: PTH208
            found = [os.path.join(path, name) for name in names]  # noqa: PTH118
            if not found:
                problems.append(TopologyError("no *.xml file is in this folder", path))
        except NotADirectoryError:
            found = [path]
        except OSError as error:
            problems.append(_unreadable(error, path))
            continue
        for file in found:
            files.setdefault(os.path.realpath(file), file)
    return list(files.values()), problems


def read_file(path: str) -> bytes:
    """A definition's bytes. Raises TopologyError."""
    try:
        # Not to wait for ever for who writes into a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise _unreadable(error, path) from error
    return read_descriptor(descriptor, path)


def read_descriptor(descriptor: int, path: str) -> bytes:
    """A definition's bytes from its open file, which is closed; `path` is for messages. Raises TopologyError."""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TopologyError("this is no regular file; a definition is read again at each discovery", path)
        size, data = status.st_size, b""
        # The size is asked first, so that a long file costs nothing; what was read counts too, since a file can grow.
        if size <= LIMIT:
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(LIMIT + 1)
    except OSError as error:
        raise _unreadable(error, path) from error
    finally:
        os.close(descriptor)
    if max(size, len(data)) > LIMIT:
        raise TopologyError(
            f"{max(size, len(data))} bytes are too many for a domain's definition (at most {LIMIT} are read)", path
        )
    return data


def _each(paths: StrPath | Iterable[StrPath]) -> Iterator[str]:
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        yield os.fspath(path)


def _unreadable(error: OSError, path: str) -> TopologyError:
    return TopologyError(f"cannot be read: {error.strerror}", path)
