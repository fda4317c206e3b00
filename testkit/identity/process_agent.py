"""The first process of a pid namespace: starts processes with the pid that it is told, and ends them.

python process_agent.py FOLDER mounts the namespace's /proc at FOLDER/proc. On a line `start PID BYTES` it starts a
process that reads so many bytes from a disk, and prints `started` when it has. On `end PID` it ends it, and prints
`ended`.
"""

import ctypes
import mmap
import os
import signal
import sys
from pathlib import Path

MAX_SIZE = 8 << 20
"""The most bytes that a process reads."""


def start(pid: int, size: int, folder: Path) -> None:
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        file = os.open(folder / "data", os.O_RDONLY | os.O_DIRECT)
        assert os.readv(file, [mmap.mmap(-1, size)]) == size  # O_DIRECT wants aligned memory, and a mapping is
        os.write(writing, b"r")
        signal.pause()
        os._exit(0)
    assert child == pid, f"got pid {child}, not {pid}"
    os.close(writing)
    assert os.read(reading, 1)
    os.close(reading)


def main() -> None:
    folder = Path(sys.argv[1])
    proc = folder / "proc"
    proc.mkdir()
    mounted = ctypes.CDLL(None).mount(b"proc", bytes(proc), b"proc", 0, None)
    with (folder / "data").open("wb") as data:
        data.write(os.urandom(MAX_SIZE))
        data.flush()
        os.fsync(data.fileno())
    print("mounted" if mounted == 0 else "not mounted", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["start", pid, size]:
                start(int(pid), int(size), folder)
                print("started", flush=True)
            case ["end", pid]:
                os.kill(int(pid), signal.SIGKILL)
                os.waitpid(int(pid), 0)
                print("ended", flush=True)


if __name__ == "__main__":
    main()
