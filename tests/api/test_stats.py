"""One row's struct: libvirt's rule of sizes, and what it is to Python."""

import copy
import pickle
import struct
from pathlib import Path

import pytest

from vmiostat import BLOCK_FIELDS, INTERFACE_FIELDS, BlockStats, Host, InterfaceStats, SizeError

XEN = Path("fixtures/xen-4.17-real/instant-1")
DOMAIN = Host(XEN).domain(1)
WORDS = range(1, 35)


def of_numbers(size: int) -> BlockStats:
    return BlockStats.from_bytes(struct.pack("34q", *WORDS)[:size])


def test_every_size_of_a_block_device_s_struct() -> None:
    whole = bytes(DOMAIN.block_stats("xvda"))
    assert len(whole) == BlockStats.SIZE
    time_ns = range(136, 144)  # no two reads are of one moment
    for size in range(BlockStats.SIZE + 1):
        stats = DOMAIN.block_stats("xvda", size=size)
        assert (stats.size, len(bytes(stats))) == (size, size)
        assert all(bytes(stats)[at] == whole[at] for at in range(size) if at not in time_ns)
        assert len(stats) == size // 8
    with pytest.raises(SizeError, match=f"0 to {BlockStats.SIZE} .*{BlockStats.SIZE + 1} was asked for"):
        DOMAIN.block_stats("xvda", size=BlockStats.SIZE + 1)
    with pytest.raises(ValueError, match="-1 was asked for"):
        DOMAIN.block_stats("xvda", size=-1)


def test_every_size_of_an_interface_s_struct() -> None:
    for size in range(InterfaceStats.SIZE + 1):
        assert DOMAIN.interface_stats("vif1.0", size=size).size == size
    with pytest.raises(SizeError):
        DOMAIN.interface_stats("vif1.0", size=InterfaceStats.SIZE + 1)


def test_the_first_structs_are_libvirt_s() -> None:
    rd_req, rd_bytes, wr_req, wr_bytes, errs = DOMAIN.block_stats("xvda").v1
    assert (rd_req, rd_bytes, wr_req, wr_bytes, errs) == (311, 20197376, 252, 16515072, 0)
    assert struct.unpack("5q", DOMAIN.block_stats("xvda", size=40)) == (311, 20197376, 252, 16515072, 0)
    assert DOMAIN.interface_stats("vif1.0").v1 == (101152, 192, 0, 0, 97920, 183, 0, 0)
    assert (BlockStats.V1_SIZE, InterfaceStats.V1_SIZE) == (40, 64)


def test_a_field_that_is_cut_or_beyond_is_no_attribute() -> None:
    stats = of_numbers(44)
    assert stats.errs == 5
    with pytest.raises(AttributeError, match=r"'fl_req' stands in bytes 40 to 48 .* was cut to 44"):
        _ = stats.fl_req
    assert not hasattr(of_numbers(39), "errs")
    assert tuple(of_numbers(39)) == (1, 2, 3, 4)
    assert bytes(of_numbers(39))[32:] == struct.pack("q", 5)[:7]


def test_every_field_has_its_own_place() -> None:
    stats = of_numbers(272)
    for word, field in zip(WORDS, BLOCK_FIELDS, strict=True):
        assert field.offset == 8 * (word - 1)
        if field.name != "state":
            assert getattr(stats, field.name) == word
    interface = InterfaceStats.from_bytes(struct.pack("20q", *range(18), 4, 19))
    assert [getattr(interface, field.name) for field in INTERFACE_FIELDS] == [*range(18), "gone", 19]
    assert interface[18] == 4


def test_it_compares_like_its_tuple() -> None:
    stats = of_numbers(40)
    assert stats == (1, 2, 3, 4, 5)
    assert [(1, 2, 3, 4, 5)].index(stats) == 0  # type: ignore[arg-type]  # the tuple is asked first
    assert stats != (1, 2, 3, 4)
    assert stats == of_numbers(40)
    assert stats != of_numbers(48)
    assert stats < of_numbers(48) <= of_numbers(48)
    assert stats > (1, 2, 3, 4, 4)
    assert stats != [1, 2, 3, 4, 5]
    assert stats != "text"
    with pytest.raises(TypeError):
        _ = stats < 3  # type: ignore[operator]
    assert hash(stats) == hash((1, 2, 3, 4, 5))
    assert {stats: "found"}[of_numbers(40)] == "found"
    assert (stats[0], stats[-1], len(stats)) == (1, 5, 5)
    with pytest.raises(IndexError):
        _ = stats[5]


def test_it_cannot_be_changed() -> None:
    stats = of_numbers(40)
    with pytest.raises(AttributeError):
        stats.rd_req = 7  # type: ignore[misc]
    with pytest.raises(AttributeError):
        stats.other = 7  # type: ignore[attr-defined]
    view = memoryview(stats)
    assert view.readonly
    assert (view.format, view.nbytes) == ("B", 40)


def test_people_can_read_it() -> None:
    assert repr(of_numbers(40)) == "BlockStats(rd_req=1, rd_bytes=2, wr_req=3, wr_bytes=4, errs=5)"
    assert "generation=0, state='ok', row_id=0)" in repr(DOMAIN.interface_stats("vif1.0"))


def test_a_field_s_help_is_about_the_attribute() -> None:
    assert "A word of STATES" in str(BlockStats.state.__doc__)
    assert "merged" in str(BlockStats.rd_merged.__doc__)


def test_copies_are_equal() -> None:
    for stats in (of_numbers(40), of_numbers(43), DOMAIN.interface_stats("vif1.0")):
        assert pickle.loads(pickle.dumps(stats)) == stats
        assert bytes(copy.deepcopy(stats)) == bytes(stats)


def test_bytes_that_are_no_struct() -> None:
    with pytest.raises(SizeError, match="must not exceed 272"):
        BlockStats.from_bytes(bytes(273))
    with pytest.raises(SizeError, match="no struct has a size of -1 bytes"):
        BlockStats.from_bytes(b"").cut(-1)
    with pytest.raises(TypeError):
        BlockStats.from_bytes("text")  # type: ignore[arg-type]
    assert BlockStats.from_bytes(b"") == ()
