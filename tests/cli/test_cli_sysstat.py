"""The same devices as iostat and sar show them: equal names of columns, equal numbers."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from testkit.command import COMMAND
from testkit.real.devices import Loop
from testkit.real.needs import need_devices, need_program, skip

ONLY_SAR = {"%ifutil"}
"""Columns that this command does not have."""
UNKNOWN_SINCE_BOOT = {"r_await", "w_await", "d_await", "f_await", "aqu-sz"}
"""The kernel's 32 bits of milliseconds may have wrapped since boot: this command does not say, iostat does."""


def table(text: str, *first: str) -> list[dict[str, str]]:
    """The rows of the first table whose heading begins with these words."""
    lines = text.split("\n")
    start = next(number for number, line in enumerate(lines) if tuple(line.split()[: len(first)]) == first)
    rows = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        rows.append(dict(zip(lines[start].split(), line.split(), strict=True)))
    return rows


def opened(*command: str | Path) -> subprocess.Popen[str]:
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


def printed(*commands: Sequence[str | Path]) -> list[str]:
    """What the commands print that run at the same time."""
    return [command.communicate(timeout=60)[0] for command in [opened(*words) for words in commands]]


@pytest.mark.alone  # other tests' disks change between two readings
@pytest.mark.parametrize("unit", ["-k", "-m"])
def test_disks_since_boot_as_iostat_shows_them(unit: str) -> None:
    need_program("iostat")
    ours, theirs = printed(
        [*COMMAND, "--host", "-b", "host", "-x", *(["-m"] if unit == "-m" else [])],
        ["iostat", "-d", "-x", unit, "--dec=2"],
    )
    disks = {row["Device"]: row for row in table(ours, "Domain") if row["Domain"] == "host"}
    compared = 0
    for row in table(theirs, "Device"):
        if (its := disks.get(row.pop("Device"))) is None:
            continue
        assert row.keys() <= its.keys()
        for heading, number in row.items():
            if its[heading] == "-":
                assert heading in UNKNOWN_SINCE_BOOT
            else:  # the time since boot is not the same to the second
                assert float(its[heading]) == pytest.approx(float(number), rel=0.05, abs=0.03), heading
                compared += 1
    if not compared:
        skip("iostat and this command have no disk in common")


def test_interfaces_have_the_headings_of_sar() -> None:
    need_program("sar")
    shown = printed(*(["sar", "-n", what, "1", "1"] for what in ("DEV", "EDEV")))
    headings = {heading for text in shown for heading in table(text, "Average:", "IFACE")[0]}
    page = (Path(__file__).parents[2] / "docs/command.md").read_text()
    assert headings - ONLY_SAR - {"Average:", "IFACE"} <= set(re.findall(r"[rt]x[a-zA-Z]+/s|coll/s", page))


@pytest.mark.alone  # counts what lo does
def test_an_interval_as_iostat_and_sar_show_it(tmp_path: Path) -> None:
    need_devices()
    need_program("sar")
    need_program("iostat")
    with Loop(tmp_path / "disk", size=4 << 20) as disk:
        definition = tmp_path / "me.xml"
        definition.write_text(
            "<domain type='kvm' id='1'><name>me</name><devices><disk type='block' device='disk'>"
            f"<source dev='{disk.path}'/><target dev='vda'/></disk>"
            "<interface type='bridge'><target dev='lo'/></interface></devices></domain>"
        )
        ours = opened(*COMMAND, "-y", "-x", "--xml", definition, "4", "1")
        assert ours.stdout is not None
        assert ours.stdout.readline().startswith("Linux ")  # the first poll follows
        sar = opened("sar", "-n", "DEV", "4", "1")
        iostat = opened("iostat", "-y", "-d", "-x", "-k", "--dec=2", Path(disk.path).name, "4", "1")
        time.sleep(1.5)
        with socket.socket(type=socket.SOCK_DGRAM) as to:
            for _ in range(2000):
                to.sendto(b"x" * 1000, ("127.0.0.1", 9))
        disk.write(400)
        our_text, sar_text, iostat_text = [command.communicate(timeout=60)[0] for command in (ours, sar, iostat)]
    (lo,) = [row for row in table(our_text, "Domain", "Interface") if row["Interface"] == "lo"]
    (sar_lo,) = [row for row in table(sar_text, "Average:", "IFACE") if row["IFACE"] == "lo"]
    for heading in ("rxpck/s", "txpck/s", "rxkB/s", "txkB/s"):
        assert float(sar_lo[heading]) > 450
        assert float(lo[heading]) == pytest.approx(float(sar_lo[heading]), rel=0.1)
    size = float(sar_lo["rxkB/s"]) * 1024 / float(sar_lo["rxpck/s"])
    assert float(lo["rxpck-sz"]) == pytest.approx(size, rel=0.1)
    (vda,) = [row for row in table(our_text, "Domain", "Device") if row["Device"] == "vda"]
    (theirs,) = table(iostat_text, "Device")
    assert float(theirs["w/s"]) > 50
    del theirs["Device"]
    for heading, number in theirs.items():
        if heading.startswith(("r", "d")) and vda[heading] == "-":
            assert float(number) == 0.0, "there were none"
        else:
            assert float(vda[heading]) == pytest.approx(float(number), rel=0.1, abs=0.05), heading
