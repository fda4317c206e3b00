"""An initramfs: a gzipped cpio archive of the `newc` format (Linux: Documentation/driver-api/early-userspace)."""

import gzip
import stat
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes an archive of programs and other files, by their paths without the first slash, and of their folders."""
    folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
    entries = [(folder, stat.S_IFDIR | 0o755, b"") for folder in folders]
    entries += [(name, stat.S_IFREG | 0o755, data) for name, data in files.items()]
    entries.append(("TRAILER!!!", 0, b""))
    archive = b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))
    path.write_bytes(gzip.compress(archive, compresslevel=1, mtime=0))


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    named = name.encode() + b"\0"
    # inode, mode, uid, gid, links, time, size, device and node numbers (four), length of the name, no checksum
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(named), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _filled(header + named) + _filled(data)


def _filled(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
