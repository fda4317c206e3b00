"""The kernel inside of a bzImage: one that unpacks itself takes up to a minute where QEMU translates.

The fields of the header: Linux, Documentation/arch/x86/boot.rst (setup_sects, payload_offset and payload_length).
"""

import lzma
import struct
from pathlib import Path

from lab.command import LabError, run

_XZ, _ZSTD, _ELF = b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x7fELF"


def take_out(image: Path, to: Path) -> None:
    """Writes the ELF file that a bzImage carries, packed by xz or, since Debian's 6.12, by zstd. Raises LabError."""
    data = image.read_bytes()
    setup_sectors = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    packed = data[start : start + length]
    if packed.startswith(_XZ):
        _unpack_xz(image, packed, to)
    elif packed.startswith(_ZSTD):
        _unpack_zstd(packed, to)
    else:
        raise LabError(f"{image} is packed neither by xz nor by zstd")
    with to.open("rb") as unpacked:
        if unpacked.read(len(_ELF)) != _ELF:
            raise LabError(f"{image} packs no ELF file")


def _unpack_xz(image: Path, packed: bytes, to: Path) -> None:
    try:
        # What follows xz's stream is the kernel's size.
        to.write_bytes(lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed))
    except lzma.LZMAError as error:
        raise LabError(f"{image}: {error}") from None


def _unpack_zstd(packed: bytes, to: Path) -> None:
    """Python has zstd since 3.14 only."""
    source = to.with_suffix(".zst")
    source.write_bytes(packed[:-4])  # the kernel's size follows
    run("zstd", "-d", "-q", "-f", source, "-o", to)
    source.unlink()
