"""The arguments of a QEMU, as /proc/PID/cmdline has them: all are read, and each disk has a name."""

import os
import sys

import atheris

with atheris.instrument_imports(include=["vmiostat"]):
    from vmiostat.discovery.vmm.qemu.command_line import command_line


def check(data: bytes) -> None:
    arguments = [os.fsdecode(word) for word in data.split(b"\0")]
    found = command_line(arguments)
    if found is None:
        return
    targets = [disk.target for disk in found.disks]
    assert all(targets)
    assert found.read_only <= set(targets)
    assert found.type in ("xen", "kvm", "qemu")
    assert command_line(arguments) == found


atheris.Setup(sys.argv, check)
atheris.Fuzz()
