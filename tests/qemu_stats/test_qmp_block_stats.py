"""Converting QEMU's answers, valid or not, to the fields of BlockStats."""

from typing import Any

import pytest

from testkit.fakes.qemu import disk, stats
from vmiostat import BLOCK_FIELDS
from vmiostat.qemu_stats.qmp_block_stats import Counters, sizes_by_node, stats_by_name

KERNEL_ONLY = {"errs", "in_flight", "busy_time", "queue_time"}
SIZES = {"capacity", "physical"}


class EveryName:
    def __contains__(self, _: object) -> bool:
        return True


def counters_by_name(answer: object, sizes: dict[str, Counters]) -> dict[str, Counters]:
    return {name: disk.with_sizes(sizes) for name, disk in stats_by_name(answer, EveryName()).items()}


def nested(depth: int) -> dict[str, Any]:
    return {"parent": nested(depth - 1)} if depth else {}


def test_every_counter_of_qemu_has_a_field() -> None:
    found = counters_by_name([disk("virtio-disk0", 100)], {})["virtio-disk0"]
    numbers = {field.name for field in BLOCK_FIELDS if field.kind != "row"}
    assert found.keys() == numbers - KERNEL_ONLY - SIZES
    sent = stats(100)
    assert (found["rd_req"], found["ds_time"]) == (sent["rd_operations"], sent["unmap_total_time_ns"])
    assert (found["fl_invalid"], found["ds_merged"]) == (sent["invalid_flush_operations"], sent["unmap_merged"])
    assert sorted(found.values()) == sorted({*(n for n in sent.values() if type(n) is int), 1100})


def test_the_allocation_of_an_image_is_that_of_its_file() -> None:
    with_format = counters_by_name([disk("a", 100)], {})["a"]
    assert (with_format["wr_highest"], with_format["allocation"]) == (stats(100)["wr_highest_offset"], 1100)
    without = counters_by_name([{"qdev": "a", "node-name": "f", "stats": {"wr_highest_offset": 7}}], {})["a"]
    assert (without["wr_highest"], without["allocation"]) == (7, 7)


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({"qdev": "/machine/peripheral/virtio-disk0/virtio-backend"}, ["virtio-disk0"]),
        ({"qdev": "scsi0-0-0-0", "device": ""}, ["scsi0-0-0-0"]),
        ({"qdev": "/machine/peripheral-anon/device[0]", "device": "drive-ide0"}, ["drive-ide0", "ide0"]),
        ({"device": "drive-virtio-disk0"}, ["virtio-disk0"]),
        ({"node-name": "libvirt-1-format"}, ["libvirt-1-format"]),
    ],
)
def test_the_names_of_a_disk(members: dict[str, Any], names: list[str]) -> None:
    found = counters_by_name([members | {"stats": {"rd_bytes": 5}}], {})
    assert [found[name] for name in names] == [{"rd_bytes": 5}] * len(names)


def test_the_id_of_a_device_takes_precedence_over_the_node_of_another() -> None:
    disks = [{"node-name": "a", "stats": {"rd_bytes": 1}}, {"qdev": "a", "stats": {"rd_bytes": 2}}]
    assert counters_by_name(disks, {})["a"] == {"rd_bytes": 2}


def test_sizes_are_those_of_the_image_and_of_its_file() -> None:
    nodes = [
        {"node-name": "libvirt-1-format", "image": {"virtual-size": 1 << 30, "actual-size": 4096}},
        {"node-name": "libvirt-1-storage", "image": {"virtual-size": 200704, "actual-size": 4096}},
        {"node-name": "device", "image": {"virtual-size": 1 << 20, "actual-size": 0}},
    ]
    sizes = sizes_by_node(nodes)
    of_an_image = counters_by_name([disk("a", 100)], sizes)["a"]
    assert (of_an_image["capacity"], of_an_image["physical"]) == (1 << 30, 4096)
    of_a_device = counters_by_name([{"qdev": "a", "node-name": "device"}], sizes)["a"]
    assert of_a_device == {"capacity": 1 << 20, "physical": 1 << 20}
    sizes["libvirt-1-format"]["actual"] = 0
    of_an_empty_file = counters_by_name([disk("a", 100)], sizes)["a"]
    assert (of_an_empty_file["capacity"], of_an_empty_file["physical"]) == (1 << 30, 200704)
    behind_a_filter = {"qdev": "a", "node-name": "throttle", "parent": disk("a", 100)}
    found = counters_by_name([behind_a_filter], sizes | {"throttle": {"virtual": 1 << 30, "actual": 4096}})["a"]
    assert (found["capacity"], found["physical"], found["allocation"]) == (1 << 30, 4096, 1100)
    empty = {"qdev": "cd", "stats": {"rd_bytes": 0, "wr_highest_offset": 0}}
    assert counters_by_name([empty], sizes) == {"cd": {"rd_bytes": 0, "wr_highest": 0}}


@pytest.mark.parametrize("value", [-1, 1 << 63, 1e3, "7", True, None, [], {}])
def test_invalid_counters_are_left_out(value: object) -> None:
    assert counters_by_name([{"qdev": "a", "stats": {"rd_bytes": value, "wr_bytes": 1}}], {}) == {"a": {"wr_bytes": 1}}


@pytest.mark.parametrize(
    "answer",
    [None, 7, "x", {}, [None], [[]], [{"qdev": 7, "device": [], "stats": 1, "parent": [], "image": "x"}], [nested(99)]],
)
def test_invalid_answers(answer: object) -> None:
    assert not counters_by_name(answer, {})
    assert not sizes_by_node(answer)


def test_only_what_is_wanted_is_kept() -> None:
    others = [{"qdev": f"other{number}", "stats": {"rd_bytes": number}} for number in range(1000)]
    assert list(stats_by_name([disk("a", 100), *others], {"a", "b"})) == ["a"]
