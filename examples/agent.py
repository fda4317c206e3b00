"""A monitoring agent: prints the rates of all guests every second, until SIGTERM or Ctrl-C.

python examples/agent.py [ROOT]
"""

import asyncio
import signal
import sys
from collections.abc import Iterator

import vmiostat


def lines(rates: vmiostat.Rates) -> Iterator[str]:
    """A line for each device that has rates; a new one has them from its second sample on."""
    disks, interfaces = rates.block, rates.interface
    for kind, (domain, device), disk in zip(disks.kinds, disks.keys(), disks, strict=True):  # a disk, or the total
        if disk.state == "ok":
            yield f"{domain} {kind} {device} read {disk.rd_bytes} B/s, written {disk.wr_bytes} B/s"
    for (domain, device), interface in interfaces.items():
        if interface.state == "ok":
            yield f"{domain} interface {device} received {interface.rx_bytes} B/s, sent {interface.tx_bytes} B/s"


async def main(host: vmiostat.Host) -> None:
    poller = await asyncio.to_thread(host.follow)  # waits for the first scan
    with poller:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, poller.close)  # which ends the samples
        before: vmiostat.Sample | None = None
        known: set[str] = set()
        async for sample in poller.samples(interval=1.0):
            if before is not None:
                for line in lines(sample.rates(before)):
                    print(line, flush=True)
            before = sample
            problems = {str(problem) for problem in poller.problems}
            for problem in problems - known:
                print(f"warning: {problem}", file=sys.stderr)
            known = problems


if __name__ == "__main__":
    asyncio.run(main(vmiostat.Host(*sys.argv[1:2])))
