"""A fake QMP socket: it serves one client at a time, and misbehaves as a test wants it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

GREETING = {"QMP": {"version": {"qemu": {"micro": 2, "minor": 2, "major": 9}, "package": ""}, "capabilities": ["oob"]}}
EVENT = {"event": "RTC_CHANGE", "data": {"offset": 0}, "timestamp": {"seconds": 1, "microseconds": 2}}

FIRST = 100
"""The value of a disk's first counter."""

Serve = Callable[["FakeQemu", socket.socket], None]


def line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\r\n"


def stats(number: int) -> dict[str, object]:
    """BlockDeviceStats whose numbers all differ."""
    kinds = ("rd", "wr", "flush", "unmap")
    names = [f"{kind}_operations" for kind in kinds] + [f"{kind}_total_time_ns" for kind in kinds]
    names += [f"{kind}_bytes" for kind in ("rd", "wr", "unmap")] + [f"{kind}_merged" for kind in ("rd", "wr", "unmap")]
    names += [f"{bad}_{kind}_operations" for bad in ("failed", "invalid") for kind in kinds] + ["wr_highest_offset"]
    return {name: number + place for place, name in enumerate(names)} | {"account_failed": True, "timed_stats": []}


class FakeQemu:
    """Listens at `path`, and calls `serve` for each client; by default that does what QEMU does."""

    def __init__(self, path: Path, serve: Serve | None = None) -> None:
        self.path = path
        self.serve = serve or answer
        self.disks: list[dict[str, Any]] = [disk("virtio-disk0", FIRST)]
        self.images: list[dict[str, Any]] = []
        self.clients = 0
        self.commands: list[str] = []
        self.go_on = threading.Event()
        """Lets a server continue that does not answer."""
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        self.go_on.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def returned(self, command: str) -> object:
        match command:
            case "query-blockstats":
                return self.disks
            case "query-named-block-nodes":
                return self.images
            case _:
                return {}

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed, or this process has no descriptor left
                time.sleep(0.01)
                continue
            self.clients += 1
            with client, suppress(OSError):
                self.serve(self, client)


def disk(name: str, number: int) -> dict[str, Any]:
    """One disk as query-blockstats returns it."""
    parent = {"stats": {"wr_highest_offset": number + 1000}, "node-name": "libvirt-1-storage"}
    qdev = f"/machine/peripheral/{name}/virtio-backend"
    return {"device": "", "node-name": "libvirt-1-format", "qdev": qdev, "stats": stats(number), "parent": parent}


def answer(qemu: FakeQemu, client: socket.socket) -> None:
    """Greets, and answers until the client closes the connection."""
    client.sendall(line(GREETING))
    for command in commands(qemu, client):
        client.sendall(line(EVENT) + line({"return": qemu.returned(command["execute"]), "id": command["id"]}))


def commands(qemu: FakeQemu, client: socket.socket) -> Iterator[dict[str, Any]]:
    with client.makefile("rb") as lines:
        for text in lines:
            command = json.loads(text)
            qemu.commands.append(command["execute"])
            yield command


def byte_by_byte(qemu: FakeQemu, client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    for byte in line(GREETING):
        client.sendall(bytes([byte]))
    for command in commands(qemu, client):
        for byte in line({"return": qemu.returned(command["execute"]), "id": command["id"]}):
            client.sendall(bytes([byte]))


def never_greet(qemu: FakeQemu, client: socket.socket) -> None:
    qemu.go_on.wait()


def never_answer(qemu: FakeQemu, client: socket.socket) -> None:
    client.sendall(line(GREETING))
    qemu.go_on.wait()


def answer_late(qemu: FakeQemu, client: socket.socket) -> None:
    qemu.go_on.wait()
    answer(qemu, client)


def send(*what: bytes) -> Serve:
    """Sends these bytes and then nothing."""

    def serve(qemu: FakeQemu, client: socket.socket) -> None:
        for text in what:
            client.sendall(text)
        qemu.go_on.wait()

    return serve


def hang_up(qemu: FakeQemu, client: socket.socket) -> None:
    client.sendall(line(GREETING)[:20])


def never_stop(qemu: FakeQemu, client: socket.socket) -> None:
    """Sends events without end."""
    client.sendall(line(GREETING))
    while True:
        client.sendall(line(EVENT) * 1000)


def endless_line(qemu: FakeQemu, client: socket.socket) -> None:
    while True:
        client.sendall(b'{"QMP": [' + b" " * 65536)


def refuse(qemu: FakeQemu, client: socket.socket) -> None:
    client.sendall(line(GREETING))
    for command in commands(qemu, client):
        error = {"class": "GenericError", "desc": "a guest's \x1b[31mname"}
        ok = command["execute"] == "qmp_capabilities"
        client.sendall(line({"id": command["id"]} | ({"return": {}} if ok else {"error": error})))


@contextmanager
def running(path: Path, serve: Serve | None = None) -> Iterator[FakeQemu]:
    qemu = FakeQemu(path, serve)
    try:
        yield qemu
    finally:
        qemu.close()
