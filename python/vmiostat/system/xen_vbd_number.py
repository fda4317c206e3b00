"""Xen's device number of a disk's name, and back: xvda is 51712, and its backend's folder is vbd-DOMID-51712.

The schemes are those of Xen's docs (xen-vbd-interface) and of the toolstacks. Two names can have the same number (xvdf
and d5p0), and a guest may show another name than the configured one (Linux shows hda and sda as xvda). So a name made
from a number is the most common one for it.
"""

import re

_XVD_MAJOR = 202
_EXTENDED = 1 << 28
"""The scheme for disks beyond 16 x 16 minors: 1 << 28 | disk << 8 | partition."""
_DISKS = 1 << 20
_IDE_MAJORS = (3, 22, 33, 34, 56, 57, 88, 89, 90, 91)
_SCSI_MAJORS = (8, 65, 66, 67, 68, 69, 70, 71, 128, 129, 130, 131, 132, 133, 134, 135)

_LETTERS = re.compile(r"(xvd|hd|sd)([a-z]{1,5})([1-9][0-9]?)?", re.ASCII)
_DISK_AND_PARTITION = re.compile(r"d(0|[1-9][0-9]{0,6})p(0|[1-9][0-9]{0,2})", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,9}|0[xX][0-9a-fA-F]{1,8}", re.ASCII)


def xen_device_number(name: str) -> int | None:
    """The device number of a disk's name, with or without /dev/; None if Xen has no number for it.

    >>> xen_device_number("xvda"), xen_device_number("/dev/hdc"), xen_device_number("d5p0"), xen_device_number("51712")
    (51712, 5632, 51792, 51712)
    >>> xen_device_number("d0p16") == 1 << 28 | 16, xen_device_number("0xca00")
    (True, 51712)
    >>> xen_device_number("vda") is None
    True
    """
    name = name.removeprefix("/dev/")
    if found := _LETTERS.fullmatch(name):
        scheme, letters, partition = found[1], found[2], int(found[3] or 0)
        return _SCHEMES[scheme](_disk_of(letters), partition)
    if found := _DISK_AND_PARTITION.fullmatch(name):
        return _d(int(found[1]), int(found[2]))
    number = int(name, 0) if _NUMBER.fullmatch(name) else 0
    return number if 0 < number < _EXTENDED + (_DISKS << 8) else None


def disk_name(number: int) -> str:
    """The name for this number; if no scheme has one, the number itself in decimal, which is also a valid name.

    >>> disk_name(51712), disk_name(268439552), disk_name(5632), disk_name(1 << 28 | 16), disk_name(7)
    ('xvda', 'xvdq', 'hdc', 'd0p16', '7')
    """
    for prefix, disk, partition in _readings(number):
        for name in (f"{prefix}{_letters_of(disk)}{partition or ''}", f"d{disk}p{partition}"):
            if xen_device_number(name) == number:
                return name
    return str(number)


def _xvd(disk: int, partition: int) -> int | None:
    """libvirt's rule. libxl also accepts partitions above 15."""
    return None if partition > 15 else _d(disk, partition)


def _d(disk: int, partition: int) -> int | None:
    """libxl's rule."""
    if partition > 255 or disk >= _DISKS:
        return None
    fits = disk < 16 and partition < 16
    return _XVD_MAJOR << 8 | disk << 4 | partition if fits else _EXTENDED | disk << 8 | partition


def _hd(disk: int, partition: int) -> int | None:
    if partition > 63 or disk >= 2 * len(_IDE_MAJORS):
        return None
    return _IDE_MAJORS[disk // 2] << 8 | (disk % 2) << 6 | partition


def _sd(disk: int, partition: int) -> int | None:
    if partition > 15 or disk >= 16 * len(_SCSI_MAJORS):
        return None
    return _SCSI_MAJORS[disk // 16] << 8 | (disk % 16) << 4 | partition


_SCHEMES = {"xvd": _xvd, "hd": _hd, "sd": _sd}


def _readings(number: int) -> list[tuple[str, int, int]]:
    """The possible meaning of a number as (prefix, disk, partition), without checking its scheme's limits."""
    if number >= _EXTENDED:
        return [("xvd", (number & ~_EXTENDED) >> 8, number & 255)]
    major, minor = number >> 8, number & 255
    if major == _XVD_MAJOR:
        return [("xvd", minor >> 4, minor & 15)]
    if major in _IDE_MAJORS:
        return [("hd", 2 * _IDE_MAJORS.index(major) + (minor >> 6), minor & 63)]
    if major in _SCSI_MAJORS:
        return [("sd", 16 * _SCSI_MAJORS.index(major) + (minor >> 4), minor & 15)]
    return []


def _disk_of(letters: str) -> int:
    """a is 0, z is 25, aa is 26."""
    disk = 0
    for letter in letters:
        disk = disk * 26 + ord(letter) - ord("a") + 1
    return disk - 1


def _letters_of(disk: int) -> str:
    letters = ""
    disk += 1
    while disk > 0:
        disk, letter = divmod(disk - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters
