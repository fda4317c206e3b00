"""The program of benches/floor, which obeys a line at a time, so that it is measured interleaved with the others."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from benches.machine import Machine
from testkit.real.devices import Loop


class Floor:
    """A running floor, asked about some interfaces and disks of this network namespace."""

    def __init__(self, process: "subprocess.Popen[bytes]", to: IO[bytes], back: IO[bytes]) -> None:
        self._process, self._to, self._back = process, to, back

    def measure(self, way: str, rounds: int) -> float:
        return float(json.loads(self._ask(f"measure {way} {rounds}"))["min_ns"])

    def show(self, way: str) -> bytes:
        return self._back.read(int(self._ask(f"show {way}")))

    def _ask(self, command: str) -> bytes:
        self._to.write(f"{command}\n".encode())
        self._to.flush()
        answer = self._back.readline()
        if not answer:
            raise RuntimeError(f"the floor ended at {command!r} with exit code {self._process.wait()}")
        return answer


@contextmanager
def running_floor(machine: Machine, interfaces: list[str], loops: list[Loop]) -> Iterator[Floor]:
    """Runs the floor on some of the machine's devices."""
    names, numbers = machine.folder / "floor-interfaces", machine.folder / "floor-disks"
    names.write_text("".join(f"{name}\n" for name in interfaces))
    numbers.write_text("".join(f"{loop.major}:{loop.minor}\n" for loop in loops))
    command = [machine.floor, machine.sys, names, numbers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Floor(process, process.stdin, process.stdout)
