"""A machine's first process once it has its root: runs commands from serial ports, one at a time on each port.

A request is a line of JSON: the id of the boot it is meant for, a word that names the client, and what to do: "run",
"end", or nothing, to check that the machine is alive. Each answer is a line with this boot's id and the client's word.
If a command hangs in the kernel, where no signal ends it, the answer says so, and the port takes the next command.

It has one thread, and waits for nothing but its own descriptors. Nothing that a command does can hang it.
"""

import base64
import contextlib
import errno
import json
import os
import select
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DM_DISABLE_UDEV": "1",  # libdevmapper makes its device files itself
}
_AFTER_KILL = 5.0
"""Seconds after a kill in which the kernel has to end a command; later it hangs."""
_CLIENT = 60.0
"""Seconds without a request after which a client is gone, and its command killed. Clients send one every 5 seconds."""
_MOST_WAITING = 1 << 20
"""Bytes of unsent answers. Above this, a command's output is not read."""


@dataclass
class Command:
    """A running command: the leader of a session of its own."""

    pid: int
    streams: dict[int, str]
    """Its pipes, and the name of each in answers."""
    killed: float | None = None
    """When it was killed, by the monotonic clock."""
    status: int | None = None


@dataclass
class Port:
    """A serial port, and its command."""

    fd: int
    events: select.epoll
    received: bytes = b""
    waiting: bytearray = field(default_factory=bytearray)
    command: Command | None = None
    word: str = ""
    heard: float = 0.0
    """When the last request came, by the monotonic clock."""

    def answer(self, **said: object) -> None:
        self.waiting += json.dumps({"boot": BOOT, "word": self.word} | said).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        while self.waiting:
            try:
                del self.waiting[: os.write(self.fd, self.waiting)]
            except BlockingIOError:  # the client does not read, or there is none
                return

    def read(self) -> list[dict[str, Any]]:
        """The requests that have arrived.

        A read returns nothing if no client is connected, but that says nothing about the requests before it: data and
        connection changes reach the guest's driver over different queues, in any order.
        """
        while True:
            try:
                part = os.read(self.fd, 65536)
            except BlockingIOError:
                break
            if not part:
                break
            self.received += part
        *lines, self.received = self.received.split(b"\n")
        # A client that disconnected in the middle of a line leaves a part of it.
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]

    def do(self, request: dict[str, Any]) -> None:
        self.heard = time.monotonic()
        if request["word"] != self.word:  # another client
            self.word = request["word"]
            self.waiting = bytearray(b"\n")
            kill(self.command)
            self.let_go()
        if request["boot"] in (None, BOOT):
            match request.get("do"):
                case "run":
                    self.command = started(request)
                    for stream in self.command.streams:
                        self.events.register(stream, select.EPOLLIN | select.EPOLLET)
                case "end":
                    kill(self.command)
        self.answer()

    def let_go(self) -> None:
        if self.command is not None:
            for stream in self.command.streams:
                os.close(stream)
        self.command = None

    def take_output(self) -> None:
        """Sends what the command has printed, and how it ended."""
        command = self.command
        if command is None:
            return
        for stream in list(command.streams):
            while len(self.waiting) < _MOST_WAITING:
                try:
                    data = os.read(stream, 65536)
                except BlockingIOError:
                    break
                if not data:
                    del command.streams[stream]
                    os.close(stream)
                    break
                self.answer(**{command.streams[stream]: base64.b64encode(data).decode()})
        if len(self.waiting) >= _MOST_WAITING:
            return
        left = session(command.pid) if command.killed is not None else []
        if command.status is not None and not left:
            self.let_go()
            self.answer(exit=os.waitstatus_to_exitcode(command.status))
        elif command.killed is not None and time.monotonic() > command.killed + _AFTER_KILL:
            self.let_go()
            self.answer(hangs=hanging(left))


def started(request: dict[str, Any]) -> Command:
    """Forks a process that becomes the program. Only the child waits for exec, which may hang."""
    source = os.memfd_create("input")
    os.write(source, base64.b64decode(request["input"]))
    os.lseek(source, 0, os.SEEK_SET)
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
    pid = os.fork()
    if pid == 0:
        become(request, [source, pipes[0][1], pipes[1][1]])
    for fd in (source, pipes[0][1], pipes[1][1]):
        os.close(fd)
    for reader, _ in pipes:
        os.set_blocking(reader, False)
    return Command(pid, {pipes[0][0]: "out", pipes[1][0]: "err"})


def become(request: dict[str, Any], standard: list[int]) -> None:
    """This process, just forked, becomes the program."""
    try:
        os.setsid()
        for number, fd in enumerate(standard):
            os.dup2(fd, number)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if request["user"]:
            os.setgroups([])
            os.setresgid(*3 * (request["user"],))
            os.setresuid(*3 * (request["user"],))
        os.chdir(request["folder"])
        words = request["words"]
        os.execvpe(words[0], words, ENVIRONMENT | request["environment"])
    except OSError as error:
        os.write(2, f"lab: cannot run {request['words']}: {error}\n".encode())
    finally:
        os._exit(127)


def kill(command: Command | None) -> None:
    """Kills all of a command's session, once."""
    if command is None or command.killed is not None:
        return
    command.killed = time.monotonic()
    for pid in session(command.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def session(leader: int) -> list[int]:
    """The processes of a session. Unlike cmdline, /proc/PID/stat takes no lock that a hanging process can hold."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        after_name = read(process / "stat").rpartition(")")[2].split()
        if after_name and int(after_name[3]) == leader:
            found.append(int(process.name))
    return found


def hanging(pids: list[int]) -> list[str]:
    """The threads of processes, each with where it waits in the kernel."""
    found = []
    for thread in [thread for pid in pids for thread in Path(f"/proc/{pid}/task").glob("*")]:
        before, _, after = read(thread / "stat").rpartition(")")
        if after:
            pid, _, name = before.partition(" (")
            found.append(f"{name} ({pid}): state {after.split()[0]}, in {read(thread / 'wchan') or '?'}")
    return found


def read(path: Path) -> str:
    """The text of a file of /proc; empty if its process has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH):
            raise
        return ""


def opened_ports(events: select.epoll) -> list[Port]:
    """All ports, each with a first answer: the machine is up."""
    ports = []
    for device in Path("/sys/class/virtio-ports").iterdir():
        port = Port(os.open(f"/dev/{device.name}", os.O_RDWR | os.O_NONBLOCK), events)
        # Level-triggered, a port without a client would wake this process for ever.
        events.register(port.fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        port.answer()
        ports.append(port)
    return ports


def reap(ports: list[Port]) -> None:
    """Collects ended processes, orphans too: this is process 1."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for port in ports:
            if port.command is not None and port.command.pid == pid:
                port.command.status = status


def main() -> None:
    events = select.epoll()
    woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    events.register(woken, select.EPOLLIN)
    ports = opened_ports(events)
    while True:
        events.poll(0.5 if any(port.command for port in ports) else None)
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        for port in ports:
            port.flush()
            for request in port.read():
                port.do(request)
        reap(ports)
        for port in ports:
            port.take_output()
            if time.monotonic() > port.heard + _CLIENT:
                kill(port.command)


if __name__ == "__main__":
    main()
