"""Processes of unprivileged users that flood scans and queries. Each runs Python under a QEMU's command line.

A Host with `VMMS` trusts them as it does a QEMU that its guest has taken over: what they say of themselves is believed
within the limits.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from testkit.real.plain_qemu import QEMU

VMMS = [os.path.realpath(sys.executable)]
FIRST_USER = 70_001
"""Users of the floods; no account has these numbers."""

_PROGRAM = """
import os, resource, select, socket, sys, time
user, folder, role, count = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
os.setgroups([]); os.setgid(user); os.setuid(user)
GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\\n'
def served(serve):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("qmp"); listener.listen(1)
    while 0 not in select.select([0, listener], [], [])[0]:
        client, _ = listener.accept()
        try:
            client.sendall(GREETING)
            serve(client)
        except OSError:
            pass
        client.close()
def late(client):
    text = b""
    while text.count(b"\\n") < 2:
        text += client.recv(4096)
    time.sleep(1.7)
    for number in range(text.count(b"\\n")):
        client.sendall(b'{"return": [], "id": %d}\\n' % number)
    client.recv(4096)
def events(client):
    while True:
        client.sendall(b'{"event": "E"}\\n')
def files(number):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for _ in range(min(hard - 100, 20000)):
        os.dup(0)
    os.read(0, 1)
def churn(number):
    while not select.select([0], [], [], 0.05)[0]:
        if os.fork() == 0:
            time.sleep(0.2); os._exit(0)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0): pass
        except ChildProcessError:
            pass
ROLES = {"late": lambda _: served(late), "events": lambda _: served(events), "files": files, "churn": churn,
         "idle": lambda _: os.read(0, 1)}
for number in range(count):
    os.makedirs(f"{folder}/{role}{number}", exist_ok=True)
    if os.fork():
        os.wait()
        continue
    if os.fork():
        os._exit(0)
    os.chdir(f"{folder}/{role}{number}")
    ROLES[role](number)
    os._exit(0)
print("ready", flush=True)
os.read(0, 1)
"""
"""Its processes are no children of each other: a VMM's child with the same command line is no virtual machine. Each
ends when its standard input does.
"""


@contextmanager
def processes(user: int, folder: Path, role: str, count: int, words: Sequence[str] = ()) -> Iterator[None]:
    """So many processes of the user, whose command line has these words."""
    place = folder / str(user)
    place.mkdir(exist_ok=True)
    os.chown(place, user, user)
    command = [QEMU, "-c", _PROGRAM, str(user), str(place), role, str(count), *words]
    home = {"PYTHONHOME": sys.base_prefix}
    with Popen(command, executable=sys.executable, env=home, stdin=PIPE, stdout=PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        yield


@contextmanager
def unverified(user: int, folder: Path, count: int) -> Iterator[None]:
    """So many processes that only have a VMM's name. Half of them end one after the other."""
    program = folder / QEMU
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    seconds = [str(600 if number % 2 else number // 4) for number in range(count)]
    started = [Popen([program, time], user=user, group=user, extra_groups=[]) for time in seconds]
    try:
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


QMP = ("-qmp", "unix:qmp,server=on,wait=off")


@contextmanager
def flood(folder: Path) -> Iterator[None]:
    """All floods at once, of four users. The folder must be one that they may enter."""
    drives = [word for number in range(20_000) for word in ("-drive", f"file=/i/{number},id=d{number}")]
    long = [word for number in range(6) for word in ("-drive", f"file=/i/{number},id={'n' * 100_000}{number}")]
    with ExitStack() as stack:
        late, noisy, large, fake = range(FIRST_USER, FIRST_USER + 4)
        stack.enter_context(processes(late, folder, "late", 200, ["-name", "web1", *QMP]))
        stack.enter_context(processes(noisy, folder, "events", 4, QMP))
        stack.enter_context(processes(noisy, folder, "files", 20))
        stack.enter_context(processes(large, folder, "idle", 40, drives))
        stack.enter_context(processes(large, folder, "churn", 1, long))
        stack.enter_context(unverified(fake, folder, 300))
        yield
