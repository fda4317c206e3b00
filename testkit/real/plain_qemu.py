"""A real QEMU of the test's own, without a guest: its monitor reads and writes its disks. No root, no KVM."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testkit.real.needs import need_program
from testkit.real.own_number import OWN_NUMBER

QEMU = "qemu-system-x86_64"
MIB = 1 << 20


class PlainQemu:
    """With a raw file (id raw0), a qcow2 image (qcow0) and an empty drive (cd0)."""

    DISKS = ("raw0", "qcow0", "cd0")

    def __init__(self, name: str, folder: Path) -> None:
        # Of no other test's that runs at the same time: of two machines of one name one is called otherwise.
        self.name = f"{name}-{OWN_NUMBER}"
        self.raw, self.qcow2 = folder / f"{name}.raw", folder / f"{name}.qcow2"
        self.qmp, self._control = folder / f"{name}.qmp", folder / f"{name}.control"
        _image(self.raw, "raw", 4 * MIB)
        _image(self.qcow2, "qcow2", 8 * MIB)
        words = [
            *(
                QEMU,
                "-name",
                self.name,
                "-machine",
                "pc,accel=tcg",
                "-m",
                "16",
                "-S",
                "-display",
                "none",
                "-nodefaults",
            ),
            *("-qmp", f"unix:{self.qmp},server=on,wait=off", "-qmp", f"unix:{self._control},server=on,wait=off"),
            *("-blockdev", f"raw,node-name=node0,file.driver=file,file.filename={self.raw}"),
            *("-device", "virtio-blk-pci,drive=node0,id=raw0"),
            *("-drive", f"if=none,id=drive-qcow0,format=qcow2,file={self.qcow2}"),
            *("-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=drive-qcow0,id=qcow0"),
            *("-device", "scsi-cd,id=cd0"),
        ]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pid = self._process.pid
        try:
            self._monitor = self._connected()
        except BaseException:
            self.close()
            raise

    def command(self, name: str, **arguments: object) -> Any:
        """What QEMU returns, over a socket that vmiostat does not use and by nothing of vmiostat's."""
        self._monitor.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._monitor.flush()
        return self._returned()

    def io(self, disk: str, command: str) -> None:
        """Has a disk read or written as a guest would: qemu-io's aio_read and aio_write count as requests."""
        device = self.stats()[disk]["qdev"]
        for line in (command, "aio_flush"):
            said = self.command("human-monitor-command", **{"command-line": f'qemu-io -d {device} "{line}"'})
            assert "rror" not in said, said

    def stats(self) -> dict[str, dict[str, Any]]:
        """query-blockstats's, by our id."""
        found = {disk["qdev"].removeprefix("/machine/peripheral/"): disk for disk in self.command("query-blockstats")}
        return {name.partition("/")[0]: disk for name, disk in found.items()}

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still: it neither runs its guest nor answers anybody."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _connected(self) -> Any:
        until = time.monotonic() + 20
        while True:
            assert self._process.poll() is None, f"{QEMU} ended at once: {self._process.communicate()[1].decode()}"
            assert time.monotonic() < until, f"{QEMU} does not come up"
            with socket.socket(socket.AF_UNIX) as connection:
                if connection.connect_ex(str(self._control)) == 0:
                    self._monitor = connection.makefile("rw")
                    assert "QMP" in json.loads(self._monitor.readline())
                    self.command("qmp_capabilities")
                    return self._monitor
            time.sleep(0.05)

    def _returned(self) -> Any:
        while True:
            message = json.loads(self._monitor.readline())
            assert "error" not in message, message
            if "return" in message:
                return message["return"]


@contextmanager
def plain_qemu(name: str, folder: Path) -> Iterator[PlainQemu]:
    need_program(QEMU)
    need_program("qemu-img")
    qemu = PlainQemu(name, folder)
    try:
        yield qemu
    finally:
        qemu.close()


def _image(path: Path, kind: str, size: int) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, str(path), str(size)], check=True)
