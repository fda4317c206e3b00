"""What is published never moves: old clients have compiled it."""

import json
from pathlib import Path

from docs.generate import abi
from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS, STATES, BlockStats, InterfaceStats

ROOT = Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/abi.json").read_text(encoding="utf-8"))


def test_no_published_field_moved_or_went() -> None:
    for part, fields in (("block", BLOCK_FIELDS), ("interface", INTERFACE_FIELDS)):
        now = {field.name: [field.offset, field.version] for field in fields}
        assert {name: now.get(name) for name in GOLDEN[part]} == GOLDEN[part]


def test_no_published_state_has_another_number() -> None:
    assert {word: [STATES.index(word)] if word in STATES else None for word in GOLDEN["states"]} == GOLDEN["states"]


def test_version_1_is_libvirts() -> None:
    block = ["rd_req", "rd_bytes", "wr_req", "wr_bytes", "errs"]
    interface = ["rx_bytes", "rx_packets", "rx_errs", "rx_drop", "tx_bytes", "tx_packets", "tx_errs", "tx_drop"]
    for part, names in (("block", block), ("interface", interface)):
        v1 = {name: place for name, place in GOLDEN[part].items() if place[1] == 1}
        assert v1 == {name: [8 * index, 1] for index, name in enumerate(names)}
    assert (BlockStats.V1_SIZE, InterfaceStats.V1_SIZE) == (40, 64)


def test_the_page_is_made_from_the_table() -> None:
    page = (ROOT / "docs/abi.md").read_text(encoding="utf-8")
    assert page == abi.page(), "run `make docs`"
    assert f"| `BlockStats` | 40 bytes | {BlockStats.SIZE} bytes |" in page
    assert f"| `InterfaceStats` | 64 bytes | {InterfaceStats.SIZE} bytes |" in page


def test_the_list_of_what_is_published_only_grows() -> None:
    assert abi.published(GOLDEN) == GOLDEN, "run `make docs`"
    moved = {"block": {"rd_req": [8, 1], "long_gone": [0, 1]}, "interface": {}, "states": {}}
    kept = abi.published(moved)["block"]
    assert kept["rd_req"] == [8, 1]
    assert kept["long_gone"] == [0, 1]
    assert kept["wr_req"] == [16, 1]
