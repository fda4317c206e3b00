"""Looks at the machine with less than root may, and tells as JSON: python -m tests.kvm.restricted RUN RESTRICTION..."""

import argparse
import json
from typing import Any

from tests.kvm import restrictions
from vmiostat import Domain, Host, Sample
from vmiostat.counter_sources import InterfaceSource


def seen(domain: Domain, sample: Sample) -> dict[str, Any]:
    """A domain and, of each of its devices, what counts it, why not, and the state of its row."""
    block, interface, name = sample.block, sample.interface, domain.name
    return {
        "name": name,
        "provider": domain.provider,
        "pid": domain.process and domain.process.pid,
        "disks": {
            disk.target: [str(disk.counter_source), disk.reason, block[name, disk.target].state]
            for disk in domain.disks
        },
        "nics": {
            nic.target: [str(nic.counter_source), nic.reason, interface[name, nic.target].state]
            for nic in domain.interfaces
        },
    }


def look(run: str, libvirt: str | None, interface_source: InterfaceSource) -> dict[str, Any]:
    """What there is to be seen of the machine, and what is said to be missing."""
    host = Host(run=run, libvirt=libvirt)
    domains = host.domains()
    with host.poller(domains, interface_source=interface_source) as poller:
        sample = poller.poll()
        explained = [f"{one.source}: {one.why}" for one in poller.explain()]
    with host.watch() as watch:
        watch.wait(timeout=10)
        unnoticed = [str(problem) for problem in watch.problems if str(problem) not in map(str, host.problems)]
    return {
        "domains": [seen(domain, sample) for domain in domains],
        "problems": [str(problem) for problem in host.problems],
        "unnoticed": unnoticed,
        "explained": explained,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("restrictions", nargs="*", choices=restrictions.ALL)
    parser.add_argument("--libvirt")
    parser.add_argument("--interface-source", default="auto")
    options = parser.parse_args()
    what = options.run, options.libvirt, options.interface_source
    look(*what)  # imports all that it takes, while everything can be read
    for name in options.restrictions:
        restrictions.ALL[name]()
    print(json.dumps(look(*what)))


if __name__ == "__main__":
    main()
