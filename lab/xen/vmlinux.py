"""The kernel inside of a bzImage: one that unpacks itself takes a minute to where QEMU translates.

The fields of the header: Linux, Documentation/arch/x86/boot.rst (setup_sects, payload_offset and payload_length).
"""

import lzma
import struct
from pathlib import Path

from lab.command import LabError


def take_out(image: Path, to: Path) -> None:
    """Writes the ELF file that a bzImage carries, packed by xz as Debian has it. Raises LabError."""
    data = image.read_bytes()
    setup_sectors = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    try:
        # What follows xz's stream is the kernel's size.
        unpacked = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data[start : start + length])
    except lzma.LZMAError as error:
        raise LabError(f"{image} is no kernel packed by xz: {error}") from None
    if not unpacked.startswith(b"\x7fELF"):
        raise LabError(f"{image} packs no ELF file")
    to.write_bytes(unpacked)
