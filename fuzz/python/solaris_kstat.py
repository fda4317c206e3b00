"""What `kstat -p` prints: numbers that a counter can have, or -1."""

import sys

import atheris

with atheris.instrument_imports(include=["vmiostat"]):
    from vmiostat.solaris_kstat import parse


def check(data: bytes) -> None:
    found = parse(data.decode(errors="replace"))
    for disk in found.block.values():
        assert all(number >= -1 for number in disk)
    for link in found.interface.values():
        assert all(number >= -1 for number in link)


atheris.Setup(sys.argv, check)
atheris.Fuzz()
