"""`python -m benches.capture FOLDER`: writes a busy host's counter files there, as the kernel gives them.

That is how fixtures/busy-host was made: devices of the run's own, with frames and blocks through them. It needs root.
"""

import argparse
import tempfile
from pathlib import Path

from benches.floor.program import running_floor
from benches.machine import made_machine
from testkit.real.devices import Tap, host_sends

INTERFACES, DISKS = 120, 60
FILES = {
    "proc-net-dev": "proc/net/dev",
    "diskstats": "proc/diskstats",
    "netlink-dump": "rtm-getstats-dump",
}
"""By the floor's way."""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benches.capture", description=__doc__)
    options.add_argument("folder", type=Path)
    target = options.parse_args().folder
    with tempfile.TemporaryDirectory() as name, made_machine(Path(name)) as machine:
        machine.grow(INTERFACES, DISKS)
        for number, interface in enumerate(machine.interfaces):
            count, size = number * 37 % 3000, 60 + number * 11 % 1400
            if interface.startswith("tap"):
                with Tap(interface) as tap:
                    tap.guest_sends(count, size)
            else:
                host_sends(interface, count, size)
        for number, loop in enumerate(machine.loops):
            for _ in range(number % 10):
                loop.write(200)
                loop.read(150)
            loop.flush()
        with running_floor(machine, machine.interfaces, machine.loops) as floor:
            for way, path in FILES.items():
                file = target / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(floor.show(way))


if __name__ == "__main__":
    main()
