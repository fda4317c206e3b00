"""Converts libvirt's block statistics (virDomainListGetStats) to the fields of BlockStats."""

from collections.abc import Mapping

Counters = dict[str, int]

_FIELDS = {
    "rd.reqs": "rd_req",
    "rd.bytes": "rd_bytes",
    "rd.times": "rd_time",
    "wr.reqs": "wr_req",
    "wr.bytes": "wr_bytes",
    "wr.times": "wr_time",
    "fl.reqs": "fl_req",
    "fl.times": "fl_time",
    "allocation": "allocation",
    "capacity": "capacity",
    "physical": "physical",
}
_INT64_MAX = (1 << 63) - 1


def counters_by_target(stats: Mapping[str, object]) -> dict[str, Counters]:
    """The counters of each disk, by its target, from a record with keys like block.0.rd.reqs.

    Leaves out a disk whose counters libvirt could not get because its domain was busy.

    >>> counters_by_target({"block.count": 1, "block.0.name": "vda", "block.0.rd.reqs": 7})
    {'vda': {'rd_req': 7}}
    """
    disks: dict[str, tuple[str, Counters]] = {}
    for key, value in stats.items():
        group, _, rest = key.partition(".")
        number, _, name = rest.partition(".")
        if group != "block":
            continue
        target, counters = disks.get(number, ("", {}))
        if name == "name" and isinstance(value, str):
            target = value
        elif name in _FIELDS and type(value) is int and 0 <= value <= _INT64_MAX:
            counters[_FIELDS[name]] = value
        disks[number] = target, counters
    return {target: counters for target, counters in disks.values() if target and "rd_req" in counters}
