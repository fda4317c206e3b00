"""`vmiostat devices`: where the counters of each device come from, or why it has none, and which way rx is."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from vmiostat.cli import arguments, qemu_queries
from vmiostat.cli.names import cell, one_line, valid, width
from vmiostat.cli.output import sentence

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from vmiostat import Disk, Domain, Interface, Poller, Sample
    from vmiostat.cli.stopping import StopSignals

EPILOG = """\
With --json, each domain is an object on a line of its own, with its "block"
and "interface" devices: "counter_source" is what is read, or null for a reason
in "reason"; "state" is from a poll made just now.
"""


def parser() -> arguments.Parser:
    """The options of `vmiostat devices`."""
    made = arguments.parser(
        "devices",
        usage="vmiostat devices [options] [DOMAIN ...]",
        description="Shows where each device's counters come from, or why it has none.",
        epilog=EPILOG,
    )
    qemu_queries.add_options(made)
    made.add_argument("--json", action="store_true", help="one JSON object per domain, each on a line of its own")
    return made


def run(options: argparse.Namespace, signals: StopSignals) -> None:
    """Prints the domains and their devices."""
    if options.interval is not None:
        parser().error("`vmiostat devices` shows devices once, and takes no interval")
    qemu_queries.check(options, parser())
    host, domains = arguments.find(options)
    from vmiostat.cli.output import write

    queries = qemu_queries.on_demand(options)
    with host.poller(domains, qemu_interval=queries, block_source=options.block_source) as poller:
        if queries is not None:
            poller.query(qemu_queries.FIRST)
        found = list(explained(poller))
    if options.json:
        from vmiostat.cli.records.json_lines import line

        text = "".join(line(_valid(domain)) for domain in found)
    else:
        text = "\n".join(map(_paragraph, found))
    with signals.whole():
        write(text or "there are no domains\n")


def explained(poller: Poller) -> Iterator[dict[str, Any]]:
    """Each domain with its devices: how they were found, and their state in a poll now."""
    sample = poller.poll()
    # Rows are in the order of the domains, and within each in that of its disks, its total and its interfaces.
    blocks, interfaces = count(), count()
    for domain in poller.domains:
        disks = domain.disks if domain.total is None else (*domain.disks, domain.total)
        yield {
            "domain": domain.name,
            "id": domain.id,
            "uuid": domain.uuid,
            "type": domain.type,
            "provider": domain.provider,
            "title": domain.title,
            "nova_name": domain.nova_name,
            "block": [_disk(disk, domain) | _now(poller, sample, "block", next(blocks)) for disk in disks],
            "interface": [_nic(nic) | _now(poller, sample, "interface", next(interfaces)) for nic in domain.interfaces],
        }


def _disk(disk: Disk, domain: Domain) -> dict[str, Any]:
    return {
        "device": disk.target,
        "kind": "total" if disk is domain.total else "disk",
        "type": disk.type,
        "drive": disk.device,
        "source": _text(disk.source),
        "counter_source": _text(disk.counter_source),
        "reason": _text(disk.reason),
    }


def _nic(nic: Interface) -> dict[str, Any]:
    return {
        "device": nic.target,
        "kind": "interface",
        "type": nic.type,
        "mac": _text(nic.mac),
        "source": _text(nic.source),
        "counter_source": _text(nic.counter_source),
        "reason": _text(nic.reason),
        "swap_rx_tx": nic.swap_rx_tx,
        "rx_tx_view": _text(nic.rx_tx_view),
    }


def _now(poller: Poller, sample: Sample, table: Literal["block", "interface"], row: int) -> dict[str, Any]:
    stats = (sample.block if table == "block" else sample.interface)[row]
    problem = poller.problem(table, row)
    return {"state": stats.state, "problem": None if problem is None else sentence(problem)}


def _text(thing: object) -> str | None:
    return str(thing) if thing not in (None, "") else None


def _valid(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _valid(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_valid(value) for value in found]
    return valid(found) if isinstance(found, str) else found


def _paragraph(domain: dict[str, Any]) -> str:
    facts = [domain["type"], f"id {domain['id']}" if domain["id"] is not None else None]
    facts += [f"uuid {domain['uuid']}" if domain["uuid"] else None]
    facts += [f"found by {domain['provider']}" if domain["provider"] != domain["type"] else None]
    lines = [f"{cell(domain['domain'])} ({one_line(', '.join(fact for fact in facts if fact))})"]
    devices = domain["block"] + domain["interface"]
    widest = max((width(cell(device["device"])) for device in devices), default=0)
    for device in devices:
        name = cell(device["device"])
        facts = [device["type"], device.get("drive"), device.get("mac"), device["source"]]
        lines.append(f"  {name}{' ' * (widest - width(name))}  {one_line(' '.join(fact for fact in facts if fact))}")
        lines += [" " * (widest + 4) + one_line(text) for text in _sentences(device)]
    return "\n".join(lines if devices else [*lines, "  no devices"]) + "\n"


def _sentences(device: dict[str, Any]) -> Iterator[str]:
    if device["counter_source"]:
        yield f"counters: {device['counter_source']}"
        if device["state"] != "ok":
            # For a device that is gone the reason says more than the kernel.
            problem = None if device["state"] == "gone" and device["reason"] else device["problem"]
            yield f"{device['state']} now" + (f": {problem}" if problem else "")
        if device["reason"]:
            yield device["reason"]
    else:
        yield f"no counters ({device['state']}){': ' if device['reason'] else ''}{device['reason'] or ''}"
    if device.get("rx_tx_view"):
        yield f"{'swapped' if device['swap_rx_tx'] else 'not swapped'}: {device['rx_tx_view']}"
