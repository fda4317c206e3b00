"""All that the kernel counts of the lab's guests (docs/development/lab.md), read by us and by libvirt."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

from benches.column import Column, Counters, Here
from lab.kvm import running_lab
from testkit.beside_libvirt import GROUPS, known_to_the_kernel, libvirt_stats
from vmiostat import BlockStats, Host, InterfaceStats, Sample


@contextmanager
def guest_columns() -> Iterator[tuple[int, list[Column]]]:
    """How many guests there are, and the columns; none while the lab is down, or where libvirt-python is missing."""
    lab = running_lab.chosen()
    if lab is None or find_spec("libvirt") is None:
        yield 0, []
        return
    import libvirt

    with lab.quiet():
        connection = libvirt.openReadOnly(lab.uri)
        try:
            domains = [known_to_the_kernel(domain) for domain in lab.domains(Host(run=lab.run)).values()]
            with Host(run=lab.run).poller(domains) as poller:
                yield len(domains), _columns(poller, domains, connection)
        finally:
            connection.close()


def _columns(poller: Any, domains: list[Any], connection: Any) -> list[Column]:
    block = bytearray(poller.block_rows * BlockStats.SIZE)
    interface = bytearray(poller.interface_rows * InterfaceStats.SIZE)
    names = [nic.target for domain in domains for nic in domain.interfaces]

    def of_memory(_: None) -> Counters:
        rows = memoryview(interface)
        sizes = range(0, len(interface), InterfaceStats.SIZE)
        stats = [InterfaceStats.from_bytes(rows[at : at + InterfaceStats.SIZE]) for at in sizes]
        return {name: tuple(row.v1) for name, row in zip(names, stats, strict=True)}

    def of_sample(sample: Sample) -> Counters:
        return {name: tuple(row.v1) for name, row in zip(names, sample.interface, strict=True)}

    def of_libvirt(answer: list[Any]) -> Counters:
        by_name = {domain.name(): stats for domain, stats in answer}
        return {
            nic.target: libvirt_stats(nic.target, by_name[domain.name])
            for domain in domains
            for nic in domain.interfaces
        }

    return [
        Here("poll_into", partial(poller.poll_into, block=block, interface=interface), of_memory),
        Here("poll", poller.poll, of_sample),
        Here("libvirt: getAllDomainStats", partial(connection.getAllDomainStats, GROUPS), of_libvirt),
    ]
