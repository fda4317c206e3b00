"""The helper processes, seen from here: calls with a deadline, and what hangs is given up.

A thread in uninterruptible sleep cannot be killed, and keeps its process from ending. A process can be left behind.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vmiostat.errors import SourceError
from vmiostat.threads.fork import register_after_fork

DEADLINE = 1.0
"""Seconds that a call may take: it needs some microseconds."""
START = 10.0
"""Seconds in which a helper process has to start. It needs some milliseconds, but a busy host may have none for it."""
AT_ONCE = 2
"""Calls at a time, each in a helper of its own; further ones wait."""
WAIT = 3.0
"""Seconds that a call waits for its turn: longer than those that hang take."""
MOST_STUCK = 8
"""Helper processes that hang at a time. With so many no further one is started, until one of them has ended."""
MOST_STUCK_BY_A_USER = 2
"""Of those, by one user other than root: none keeps others' processes from being probed."""
MOST_HANGS_BY_A_USER = 4
"""Calls that hang within a minute, by one user other than root: none can make a scan longer and longer."""
LEFT_ALONE = 60.0
"""Seconds for which a path that hung is not probed again. A process that hung is left alone until it has ended."""

_SERVER = Path(__file__).with_name("server.py")
_ANSWER_LIMIT = 16 << 20
"""Bytes of an answer: the command line and 4,096 descriptors of a process are a tenth of it."""


class ProbeTimeout(SourceError):
    """The call did not return within the deadline, is not made since it hung before, or no helper is left for it."""


class Probe:
    """Makes calls that may hang in a helper process. May be used from several threads; in a fork it starts over.

    A key names what a call is about, a (pid, start time) or a path: one that hung is left alone.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._room = threading.Semaphore(AT_ONCE)
        self._idle: list[_Server] = []
        self._stuck: list[tuple[_Server, object]] = []
        """And the user who made it hang."""
        self._ending: list[_Server] = []
        self._hung: dict[object, float] = {}
        """When each key is probed again (time.monotonic)."""
        self._hangs: list[tuple[float, object]] = []
        """When calls hung, and the user who made them hang."""
        register_after_fork(self)

    def call(
        self, operation: str, *arguments: object, key: object, path: str, user: object
    ) -> tuple[Any, socket.socket | None]:
        """The operation's answer, and the socket that it hands over. `path` is for messages.

        `user` can make it hang: who runs the process that the call is about, or has named the path.

        Raises ProbeTimeout, and SourceError with the errno that the kernel gave.
        """
        self._check(key, path, user)
        if not self._room.acquire(timeout=WAIT):
            raise ProbeTimeout(errno.EAGAIN, f"{AT_ONCE} other calls have taken {WAIT:g} s", path)
        try:
            return self._call(operation, arguments, key, path, user)
        finally:
            self._room.release()

    def _call(
        self, operation: str, arguments: tuple[object, ...], key: object, path: str, user: object
    ) -> tuple[Any, socket.socket | None]:
        self._check(key, path, user)  # others may have hung while it waited
        server = self._server(path)
        try:
            server.wait_until_started()
            answer, handed = server.call((operation, arguments), time.monotonic() + self._deadline)
        except TimeoutError:
            self._give_up(server, key, user)
            hung = f"it has not answered in {self._deadline:g} s (a hung file system, or a lock that is held)"
            raise ProbeTimeout(errno.ETIMEDOUT, hung, path) from None
        except (OSError, ValueError) as error:
            self._leave(server)
            raise SourceError(errno.EIO, f"the helper process that probes it has failed: {error}", path) from error
        except BaseException:  # Ctrl-C
            self._leave(server)
            raise
        with self._lock:
            self._idle.append(server)
        if "value" in answer:
            return answer["value"], handed
        raise SourceError(answer["errno"], answer["why"], path)

    def forget(self, ended: Callable[[int, int | None], bool]) -> None:
        """Forgets the paths that are probed again, and the processes that hung and have ended since: given a pid and
        start time, `ended` says so.
        """
        with self._lock:
            now = time.monotonic()
            self._hung = {key: until for key, until in self._hung.items() if until > now}
            hung = [key for key in self._hung if isinstance(key, tuple) and isinstance(key[0], int)]
        for key in hung:
            if ended(*key):
                self._hung.pop(key, None)

    def forked(self) -> None:
        """The helper processes are the first process's."""
        self._lock = threading.Lock()
        self._room = threading.Semaphore(AT_ONCE)
        for server in (*self._idle, *(server for server, _ in self._stuck)):
            server.channel.close()
        self._idle, self._stuck, self._ending, self._hangs = [], [], [], []

    def close(self) -> None:
        """Ends the helpers that are idle; one that hangs ends once it can."""
        with self._lock:
            idle, self._idle = self._idle, []
        for server in idle:
            self._leave(server)

    def _leave(self, server: _Server) -> None:
        """Closes its socket, at which it ends; it is waited for later."""
        server.channel.close()
        with self._lock:
            self._ending.append(server)

    def _check(self, key: object, path: str, user: object) -> None:
        """Raises ProbeTimeout where the call may not be made, since this one has hung, or too many others have."""
        with self._lock:
            now = time.monotonic()
            if self._hung.get(key, 0.0) > now:
                raise ProbeTimeout(errno.ETIMEDOUT, "it is left alone, since it has hung before", path)
            self._stuck = [(server, of) for server, of in self._stuck if not server.ended()]
            self._hangs = [(when, of) for when, of in self._hangs if when > now - LEFT_ALONE]
            if user != 0 and sum(of == user for _, of in self._stuck) >= MOST_STUCK_BY_A_USER:
                hang = f"{_shown(user)} has made {MOST_STUCK_BY_A_USER} helper processes hang"
                raise ProbeTimeout(errno.EAGAIN, f"{hang}, and nothing of it is probed until one returns", path)
            if user != 0 and sum(of == user for _, of in self._hangs) >= MOST_HANGS_BY_A_USER:
                hang = f"{_shown(user)} has made {MOST_HANGS_BY_A_USER} calls hang within a minute"
                raise ProbeTimeout(errno.EAGAIN, f"{hang}, and nothing of it is probed until that has passed", path)
            if len(self._stuck) >= MOST_STUCK:
                hang = f"{MOST_STUCK} helper processes hang in the kernel, and no more are started"
                raise ProbeTimeout(errno.EAGAIN, hang, path)

    def _server(self, path: str) -> _Server:
        with self._lock:
            self._ending = [server for server in self._ending if not server.ended()]
            if self._idle:
                return self._idle.pop()
        try:
            return _Server()
        except OSError as error:
            raise SourceError(error.errno, f"no helper process can be started to probe it: {error}", path) from error

    def _give_up(self, server: _Server, key: object, user: object) -> None:
        server.kill()
        now = time.monotonic()
        with self._lock:
            self._stuck.append((server, user))
            self._hangs.append((now, user))
            self._hung = {hung: until for hung, until in self._hung.items() if until > now}
            self._hung[key] = float("inf") if _is_process(key) else now + LEFT_ALONE


def _shown(user: object) -> str:
    return f"user {user}" if isinstance(user, int) else str(user or "a process that has ended")


def _is_process(key: object) -> bool:
    """Whether it is a (pid, start time)."""
    return isinstance(key, tuple) and isinstance(key[0], int)


PROBE = Probe()
"""That of this process: so many helpers and no more, however many hosts it has."""
atexit.register(PROBE.close)


class _Server:
    """One helper process, and the socket to it."""

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        with theirs:
            nothing = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), nothing, (os.POSIX_SPAWN_DUP2, 1, 2)]
            command = [sys.executable, "-I", "-S", str(_SERVER)]
            try:
                # A session of its own: Ctrl-C in a terminal is not for it. It ends when its socket is closed.
                self.pid = os.posix_spawn(sys.executable, command, {}, file_actions=actions, setsid=True)
            except BaseException:
                self.channel.close()
                raise
        self.channel.setblocking(False)
        self._started = False

    def wait_until_started(self) -> None:
        """Nothing that it does until then depends on others. Raises OSError where it has failed."""
        if self._started:
            return
        try:
            self._wait(select.POLLIN, time.monotonic() + START)
        except TimeoutError:
            raise OSError(errno.EIO, f"it has not started in {START:g} s") from None
        if not self.channel.recv(1):
            raise ConnectionError("it has ended")
        self._started = True

    def ended(self) -> bool:
        """Whether the process is no more; it is not waited for."""
        try:
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:  # the program waits for all its children
            return True

    def call(self, request: object, until: float) -> tuple[dict[str, Any], socket.socket | None]:
        """Raises TimeoutError, and OSError or ValueError where the helper has failed."""
        data = json.dumps(request).encode()
        data = b"%d\n" % len(data) + data
        while data:
            self._wait(select.POLLOUT, until)
            data = data[self.channel.send(data) :]
        received, handed = b"", []
        try:
            while True:
                self._wait(select.POLLIN, until)
                part, descriptors, _, _ = socket.recv_fds(self.channel, 1 << 16, 1)
                handed += descriptors
                if not part:
                    raise ConnectionError("it has ended")
                received += part
                head, newline, body = received.partition(b"\n")
                if newline and len(body) == int(head):
                    answer = json.loads(body)
                    return answer, socket.socket(fileno=handed.pop()) if handed else None
                if len(received) > _ANSWER_LIMIT:
                    raise ValueError("its answer is too long")
        finally:
            for descriptor in handed:
                os.close(descriptor)

    def kill(self) -> None:
        """Whether it dies at once is the kernel's affair: nobody waits for it."""
        self.channel.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _wait(self, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(self.channel, event)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError
