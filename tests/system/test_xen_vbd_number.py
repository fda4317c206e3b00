"""Xen's disk names and device numbers, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmiostat.system.xen_vbd_number import disk_name, xen_device_number

# From libvirt's own statstest, and from disks attached on a real Xen host (fixtures/xen-4.17-real).
NUMBERS = {
    "xvda": 51712,
    "xvda1": 51713,
    "xvda15": 51727,
    "xvdb": 51728,
    "xvdc1": 51745,
    "xvdp": 51952,
    "xvdq": 268439552,
    "xvdz": 268441856,
    "xvdaa": 268442112,
    "xvdiz15": 268501775,
    "xvdzz": 268614912,
    "hda": 768,
    "hdb": 832,
    "hdc": 5632,
    "hdd": 5696,
    "hdt63": 23423,
    "sda": 2048,
    "sdd": 2096,
    "sdp": 2288,
    "sdq": 16640,
    "sdaa": 16800,
    "sdiv15": 34815,
}
OTHER_SPELLINGS = {
    "/dev/xvda": 51712,
    "/dev/hdc": 5632,
    "d0p0": 51712,
    "d0p1": 51713,
    "d5p0": 51792,
    "d15p0": 51952,
    "d16p0": 268439552,
    "d0p16": 1 << 28 | 16,
    "d15p255": 1 << 28 | 15 << 8 | 255,
    "d16p16": 1 << 28 | 16 << 8 | 16,
    "51712": 51712,
    "0xca00": 51712,
    "0XCA00": 51712,
    "51968": 51968,
    "268442112": 268442112,
}
NO_NAMES = [
    "xvd", "xvd1", "xvda0", "xvda01", "xvda16", "xvda+1", "hdu", "hda64", "sdix", "sda16",  # libvirt's statstest
    "vda", "vdb", "", "/dev/", "/dev/dev/xvda", "xvdA", " xvda", "xvda ", "xvda\n", "xvda1٣", "sr0", "fda",
    "d5", "p0", "d5p", "d5p256", "d05p0", "d1048576p0", "xvdbhxka", "0", "051712", "-51712", "536870912",
    "0x0", "0x20000000", "0x", "ca00", "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize(("name", "number"), (NUMBERS | OTHER_SPELLINGS).items())
def test_a_name_has_its_number(name: str, number: int) -> None:
    assert xen_device_number(name) == number


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_a_number_has_its_name(name: str, number: int) -> None:
    assert disk_name(number) == name


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_xen_has_no_number_for(name: str) -> None:
    assert xen_device_number(name) is None


def test_xen_goes_on_where_the_oldest_libvirt_stopped() -> None:
    # libvirt 0.10's table ended at xvdiz; Xen attached xvdzz, so what lies between has its number too.
    assert xen_device_number("xvdja") == 1 << 28 | 260 << 8
    assert xen_device_number(disk_name(1 << 28 | (1 << 20) - 1 << 8)) == 1 << 28 | (1 << 20) - 1 << 8


def test_a_partition_above_15_is_named_as_libxl_alone_names_it() -> None:
    for name in ("d0p16", "d15p255", "d16p16"):
        assert disk_name(OTHER_SPELLINGS[name]) == name


@pytest.mark.parametrize("number", [0, 7, 255, 51968 << 3, 1 << 28, 1 << 28 | 1, 1 << 29, 1 << 40])
def test_a_number_outside_every_scheme_is_its_own_name(number: int) -> None:
    # Also those that a scheme could spell, but writes otherwise: disk 0 of the extended scheme is xvda, 51712.
    assert disk_name(number) == str(number)


@given(st.integers(min_value=1, max_value=(1 << 29) - 1))
def test_every_number_comes_back_from_its_name(number: int) -> None:
    assert xen_device_number(disk_name(number)) == number


@given(
    st.one_of(
        st.tuples(st.just("xvd"), st.integers(0, (1 << 20) - 1), st.integers(0, 15)),
        st.tuples(st.just("hd"), st.integers(0, 19), st.integers(0, 63)),
        st.tuples(st.just("sd"), st.integers(0, 255), st.integers(0, 15)),
    )
)
def test_every_name_comes_back_from_its_number(parts: tuple[str, int, int]) -> None:
    prefix, disk, partition = parts
    letters = ""
    rest = disk
    while rest >= 0:
        letters = chr(ord("a") + rest % 26) + letters
        rest = rest // 26 - 1
    name = f"{prefix}{letters}{partition or ''}"
    number = xen_device_number(name)
    assert number is not None
    assert disk_name(number) == name


@given(st.text())
def test_any_text_has_a_number_or_none(text: str) -> None:
    number = xen_device_number(text)
    assert number is None or 0 < number < 1 << 29
