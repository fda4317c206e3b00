"""Reads definition files. One that is not a regular file, or too long for a definition, is not read at all."""

import os
import stat
from collections.abc import Iterable, Iterator

from vmiostat.errors import SourceError, TopologyError

StrPath = str | os.PathLike[str]

LIMIT = 4 << 20
"""Bytes, as in libvirt's protocol (REMOTE_STRING_MAX). A domain with a thousand disks takes a tenth of it."""


def check_paths(paths: StrPath | Iterable[StrPath]) -> None:
    """Raises SourceError for the first of these files and folders that does not exist or cannot be reached."""
    for path in _each(paths):
        try:
            os.stat(path)  # noqa: PTH116
        except OSError as error:
            raise SourceError(error.errno, error.strerror, path) from None


def definition_files(paths: StrPath | Iterable[StrPath]) -> tuple[list[str], list[TopologyError]]:
    """The files to read, each once: those given, and the *.xml files of folders given (not of folders inside them)."""
    files: dict[str, str] = {}
    problems = []
    for path in _each(paths):
        try:
            # Others in the folder are not definitions: libvirt renames NAME.xml.new to NAME.xml, editors leave backups.
            names = sorted(name for name in os.listdir(path) if name.endswith(".xml"))  # noqa: PTH208
            found = [os.path.join(path, name) for name in names]  # noqa: PTH118
            if not found:
                problems.append(TopologyError("this folder has no *.xml file", path))
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
        # O_NONBLOCK: opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise _unreadable(error, path) from error
    return read_descriptor(descriptor, path)


def read_descriptor(descriptor: int, path: str) -> bytes:
    """A definition's bytes. Closes the descriptor; `path` is for messages. Raises TopologyError."""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TopologyError("this is not a regular file, so it could not be read again at the next scan", path)
        size, data = status.st_size, b""
        # Check the size first, so that a long file costs nothing, and what was read as well, since a file can grow.
        if size <= LIMIT:
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(LIMIT + 1)
    except OSError as error:
        raise _unreadable(error, path) from error
    finally:
        os.close(descriptor)
    if max(size, len(data)) > LIMIT:
        raise TopologyError(
            f"{max(size, len(data))} bytes are too long for a domain's definition (the limit is {LIMIT})", path
        )
    return data


def _each(paths: StrPath | Iterable[StrPath]) -> Iterator[str]:
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        yield os.fspath(path)


def _unreadable(error: OSError, path: str) -> TopologyError:
    return TopologyError(f"cannot be read: {error.strerror}", path)
