"""QEMU's answers become the fields of a struct, whatever is in them."""

from typing import Any

import pytest

from tests.fake_qemu import disk, stats
from vmiostat import BLOCK_FIELDS
from vmiostat.askers.qemu_answers import counters_by_name, sizes_by_node

ONLY_THE_KERNEL_S = {"errs", "in_flight", "busy_time", "queue_time"}
SIZES = {"capacity", "physical"}


def nested(depth: int) -> dict[str, Any]:
    return {"parent": nested(depth - 1)} if depth else {}


def test_every_counter_of_qemu_s_has_its_field() -> None:
    found = counters_by_name([disk("virtio-disk0", 100)], {})["virtio-disk0"]
    numbers = {field.name for field in BLOCK_FIELDS if field.kind != "row"}
    assert found.keys() == numbers - ONLY_THE_KERNEL_S - SIZES
    told = stats(100)
    assert (found["rd_req"], found["ds_time"]) == (told["rd_operations"], told["unmap_total_time_ns"])
    assert (found["fl_invalid"], found["ds_merged"]) == (told["invalid_flush_operations"], told["unmap_merged"])
    assert sorted(found.values()) == sorted({*(n for n in told.values() if type(n) is int), 1100})


def test_the_image_s_allocation_is_its_file_s() -> None:
    with_format = counters_by_name([disk("a", 100)], {})["a"]
    assert (with_format["wr_highest"], with_format["allocation"]) == (stats(100)["wr_highest_offset"], 1100)
    without = counters_by_name([{"qdev": "a", "stats": {"wr_highest_offset": 7}}], {})["a"]
    assert (without["wr_highest"], without["allocation"]) == (7, 7)


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ({"qdev": "/machine/peripheral/virtio-disk0/virtio-backend"}, ["virtio-disk0"]),
        ({"qdev": "scsi0-0-0-0", "device": ""}, ["scsi0-0-0-0"]),
        ({"qdev": "/machine/peripheral-anon/device[0]", "device": "drive-ide0"}, ["drive-ide0", "ide0"]),
        ({"device": "drive-virtio-disk0"}, ["virtio-disk0"]),
        ({"node-name": "libvirt-1-format"}, ["libvirt-1-format"]),
    ],
)
def test_a_disk_s_names(told: dict[str, Any], names: list[str]) -> None:
    found = counters_by_name([told | {"stats": {"rd_bytes": 5}}], {})
    assert [found[name] for name in names] == [{"rd_bytes": 5}] * len(names)


def test_a_device_s_id_goes_before_another_s_node() -> None:
    told = [{"node-name": "a", "stats": {"rd_bytes": 1}}, {"qdev": "a", "stats": {"rd_bytes": 2}}]
    assert counters_by_name(told, {})["a"] == {"rd_bytes": 2}


def test_a_disk_s_sizes_are_those_of_its_image_and_of_the_file_that_it_is_in() -> None:
    nodes = [
        {"node-name": "libvirt-1-format", "image": {"virtual-size": 1 << 30, "actual-size": 4096}},
        {"node-name": "libvirt-1-storage", "image": {"virtual-size": 200704}},
    ]
    sizes = sizes_by_node(nodes)
    assert sizes == {"libvirt-1-format": 1 << 30, "libvirt-1-storage": 200704}
    of_an_image = counters_by_name([disk("a", 100)], sizes)["a"]
    assert (of_an_image["capacity"], of_an_image["physical"]) == (1 << 30, 200704)
    of_a_file = counters_by_name([{"qdev": "a", "node-name": "libvirt-1-storage"}], sizes)["a"]
    assert (of_a_file["capacity"], of_a_file["physical"]) == (200704, 200704)
    through_a_filter = disk("a", 100)
    through_a_filter = {"qdev": "a", "node-name": "throttle", "parent": through_a_filter}
    found = counters_by_name([through_a_filter], sizes | {"throttle": 1 << 30})["a"]
    assert (found["capacity"], found["physical"], found["allocation"]) == (1 << 30, 200704, 1100)
    assert counters_by_name([{"qdev": "cd"}], sizes) == {"cd": {}}


@pytest.mark.parametrize("value", [-1, 1 << 63, 1e3, "7", True, None, [], {}])
def test_what_is_no_counter_is_left_out(value: object) -> None:
    assert counters_by_name([{"qdev": "a", "stats": {"rd_bytes": value, "wr_bytes": 1}}], {}) == {"a": {"wr_bytes": 1}}


@pytest.mark.parametrize(
    "answer",
    [None, 7, "x", {}, [None], [[]], [{"qdev": 7, "device": [], "stats": 1, "parent": [], "image": "x"}], [nested(99)]],
)
def test_what_is_no_answer(answer: object) -> None:
    assert not counters_by_name(answer, {})
    assert not sizes_by_node(answer)
