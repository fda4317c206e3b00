"""Runs commands in a machine, over a serial port; guest_files/agent.py is the other end.

Whatever happens in the machine, the host side returns before a deadline, and says what happened.
"""

import base64
import fcntl
import json
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.command import LabError
from lab.kernels import machine as qemu
from lab.kernels.place import PORTS, MachinePlace

_PING = 5.0
_SILENCE = 60.0
"""Seconds without an answer after which the machine hangs: more than a reboot takes on a busy host."""
_END = 20.0
"""Seconds after the deadline in which the machine has to say whether the killed command has ended or hangs."""


class CommandTimeout(LabError):
    """A command had not ended at its deadline, and was killed."""


class CommandHangs(LabError):
    """A command was killed but has not ended: it waits in the kernel."""


class MachineRebooted(LabError):
    """The machine has rebooted since it was brought up."""


class MachineHangs(LabError):
    """The machine does not answer."""


class MachineEnded(LabError):
    """QEMU does not run."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: a program and its arguments, not a line of shell."""

    words: Sequence[str]
    user: int = 0
    folder: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    """In addition to PATH, HOME and LANG."""
    input: bytes = b""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a command."""

    status: int
    """-9 where it was killed by signal 9, as subprocess has it."""
    out: bytes
    err: bytes


def run(machine: MachinePlace, command: Command, *, within: float = 60) -> Done:
    """Runs it, and waits for it. Raises one of the errors above, but not because of an exit status."""
    said: dict[str, list[bytes]] = {"out": [], "err": []}
    status = follow(machine, command, lambda stream, data: said[stream].append(data), within=within)
    return Done(status, b"".join(said["out"]), b"".join(said["err"]))


def follow(
    machine: MachinePlace,
    command: Command,
    tell: Callable[[str, bytes], object],
    *,
    within: float,
    quiet: float | None = None,
) -> int:
    """Runs it, and calls `tell` with "out" or "err" and bytes for all that it prints; its exit status.

    It is killed after `within` seconds, or after `quiet` seconds without output. Raises one of the errors above.
    """
    request = {
        "do": "run",
        "words": list(command.words),
        "user": command.user,
        "folder": command.folder,
        "environment": dict(command.environment),
        "input": base64.b64encode(command.input).decode(),
    }
    with _port(machine) as port:
        port.send(**request)
        try:
            return _wait(machine, command, port, tell, within, quiet or within)
        except KeyboardInterrupt:
            port.send(do="end")
            raise


def _wait(
    machine: MachinePlace,
    command: Command,
    port: "_Port",
    tell: Callable[[str, bytes], object],
    within: float,
    quiet: float,
) -> int:
    now = time.monotonic()
    deadline, silent = now + within, now + quiet
    ending = False
    while True:
        answer = port.receive(min(deadline, silent))
        if answer is None:
            if ending:
                raise MachineHangs(f"{machine.kernel} does not end {_shown(command)}")
            ending = True
            port.send(do="end")
            deadline = silent = time.monotonic() + _END
            continue
        if "hangs" in answer:
            threads = "; ".join(answer["hangs"])
            raise CommandHangs(f"{machine.kernel}: {_shown(command)} was killed, and hangs in the kernel: {threads}")
        if "exit" in answer:
            if ending:
                raise CommandTimeout(f"{machine.kernel}: {_shown(command)} had not ended in time")
            return int(answer["exit"])
        for stream in answer.keys() & {"out", "err"}:
            tell(stream, base64.b64decode(answer[stream]))
            if not ending:
                silent = time.monotonic() + quiet


def wait_until_up(machine: MachinePlace, *, within: float) -> None:
    """Waits until a machine that boots takes commands, and keeps its boot's id. Raises one of the errors above."""
    machine.boot.unlink(missing_ok=True)
    with _port(machine) as port:
        port.send()
        answer = port.receive(time.monotonic() + within)
    if answer is None:
        raise MachineHangs(f"{machine.kernel} is not up after {within:g} s; its console:\n{last_words(machine)}")
    machine.boot.write_text(answer["boot"])


def last_words(machine: MachinePlace) -> str:
    """The end of the machine's console log."""
    return machine.console.read_text(errors="replace")[-6000:].replace("\r", "") if machine.console.exists() else ""


class _Port:
    """A connection to the agent, for one command."""

    def __init__(self, machine: MachinePlace, connection: socket.socket) -> None:
        self._machine = machine
        self._connection = connection
        self._word = secrets.token_hex(8)
        self._boot = machine.boot.read_text() if machine.boot.exists() else None
        self._received = b""
        self._asked = 0.0

    def send(self, **request: object) -> None:
        self._asked = time.monotonic()
        line = json.dumps({"boot": self._boot, "word": self._word} | request).encode()
        # The first newline ends a line that another client has left unfinished.
        try:
            self._connection.settimeout(_SILENCE)
            self._connection.sendall(b"\n" + line + b"\n")
        except TimeoutError:
            raise MachineHangs(f"{self._machine.kernel} reads nothing") from None
        except OSError:
            raise _ended(self._machine) from None

    def receive(self, until: float) -> dict[str, Any] | None:
        """The next answer with content; None at the deadline. Raises one of the errors above."""
        heard = time.monotonic()
        while (now := time.monotonic()) < until:
            if now > self._asked + _PING:
                self.send()
            if b"\n" in self._received:
                line, _, self._received = self._received.partition(b"\n")
                heard = now
                if (answer := self._understood(line)) is not None:
                    return answer
            elif self._boot is not None and now > heard + _SILENCE:
                raise MachineHangs(f"{self._machine.kernel} has not answered for {_SILENCE:g} s")
            else:
                self._read(min(until - now, _PING))
        return None

    def _understood(self, line: bytes) -> dict[str, Any] | None:
        """An answer, unless it is for another client, or only a sign of life."""
        if not (line.startswith(b"{") and line.endswith(b"}")):  # a part of an answer to another client
            return None
        answer: dict[str, Any] = json.loads(line)
        if self._boot is None:
            return answer
        if answer["boot"] != self._boot:
            raise MachineRebooted(f"{self._machine.kernel} has rebooted:\n{last_words(self._machine)}")
        return answer if answer["word"] == self._word and len(answer) > 2 else None

    def _read(self, within: float) -> None:
        self._connection.settimeout(max(0.001, within))
        try:
            part = self._connection.recv(1 << 20)
        except TimeoutError:
            return
        except OSError:
            part = b""
        if not part:
            raise _ended(self._machine)
        self._received += part


@contextmanager
def _port(machine: MachinePlace) -> Iterator[_Port]:
    """A free port of a machine. Raises MachineEnded, and LabError where none is free."""
    if qemu.pid(machine) is None:
        raise _ended(machine)
    for number in range(PORTS):
        with _lock(machine.port(number)) as free, socket.socket(socket.AF_UNIX) as connection:
            if not free:
                continue
            try:
                connection.connect(str(machine.port(number)))
            except OSError:
                raise _ended(machine) from None
            yield _Port(machine, connection)
            return
    raise LabError(f"{machine.kernel} runs {PORTS} commands, and cannot run more at a time")


@contextmanager
def _lock(port: Path) -> Iterator[bool]:
    with port.with_name(f"{port.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _ended(machine: MachinePlace) -> MachineEnded:
    return MachineEnded(f"{machine.kernel} is down; the last of its console:\n{last_words(machine)}")


def _shown(command: Command) -> str:
    return repr(" ".join(command.words))
