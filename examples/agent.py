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
    for domain, device, disk in zip(rates.block.domains, rates.block.devices, rates.block, strict=True):
        if disk.state == "ok":
            yield f"{domain} {device} read {disk.rd_bytes} B/s, written {disk.wr_bytes} B/s"
    for domain, device, nic in zip(rates.interface.domains, rates.interface.devices, rates.interface, strict=True):
        if nic.state == "ok":
            yield f"{domain} {device} received {nic.rx_bytes} B/s, sent {nic.tx_bytes} B/s"


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
