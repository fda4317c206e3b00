"""A socket between a client and libvirtd that can stop passing anything on, and be cut: libvirtd notices neither."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_MOST = 1 << 16


class LibvirtProxy:
    """Listens on a path of its own; `uri` is libvirtd's with that path in it."""

    def __init__(self, path: Path, uri: str) -> None:
        self._path = path
        before, _, self._libvirtd = uri.partition("?socket=")
        self.uri = f"{before}?socket={path}"
        self.connections = 0
        """How many have been made."""
        self._passing = threading.Event()
        self._passing.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.listen()

    def listen(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self) -> None:
        """From now on nothing is passed on, as if libvirtd was stopped."""
        self._passing.clear()

    def thaw(self) -> None:
        self._passing.set()

    def cut(self) -> None:
        """Closes everything, as if libvirtd was killed."""
        # A shutdown, since closing does not wake up who waits for a client.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink()
        pairs, self._pairs = self._pairs, []
        for end in (end for pair in pairs for end in pair):
            with suppress(OSError):  # its other end was closed before
                end.shutdown(socket.SHUT_RDWR)
        self.thaw()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.connections += 1
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._libvirtd)
                self._pairs.append((client, server))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_MOST):
                self._passing.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
