"""Each disk and interface of each guest: found under its right name, and counted as everybody else counts it."""

import pytest

from tests.xen import dom0
from tests.xen.devices import DISKS, MACS, NICS, PROVIDERS, UUIDS, all_nics, kernel_disks, nic, qemu_disks
from vmiostat import BlockStats, Domain, Host, InterfaceStats
from vmiostat.counter_sources import NetDevice, XenVbd


@pytest.fixture(scope="module")
def guests() -> dict[str, Domain]:
    """The guests by name, after each of their devices has done something that no other has done as often."""
    domains = {domain.name: domain for domain in Host().domains()}
    assert set(DISKS) <= set(domains), list(domains)
    for number, (name, disks) in enumerate(DISKS.items()):
        work = []
        for count, disk in enumerate(disks.values(), 10 * number + 2):
            work += [
                f"dd if=/dev/zero of=/dev/{disk.inside} bs=64k count={count} oflag=direct",
                f"dd if=/dev/{disk.inside} of=/dev/null bs=4k count={2 * count} iflag=direct",
            ]
        for interface, _ in enumerate(NICS[name]):
            work.append(f"ping -q -c {number + interface + 2} -i 0.05 -s 200 10.92.{interface}.1")
        do(name, work)
    # More goes out than comes in, and a wrong direction would show.
    with dom0.pings_ignored():
        for name, nics in NICS.items():
            do(
                name,
                [f"ping -q -c 30 -i 0.02 -W 1 -s 1000 10.92.{interface}.1 || true" for interface, _ in enumerate(nics)],
            )
    dom0.quiet()
    return domains


def do(name: str, work: list[str]) -> None:
    """Has a guest do this; what it says is told only when something failed."""
    dom0.guest(name, f"({' && '.join(work)}) > /tmp/work 2>&1 || {{ cat /tmp/work; false; }}")


@pytest.fixture(scope="module")
def xentop(guests: dict[str, Domain]) -> dict[tuple[str, str], dict[str, int]]:
    return dom0.xentop()


def block(domain: Domain, target: str) -> BlockStats:
    return domain.block_stats(target)


def interface(domain: Domain, number: int) -> InterfaceStats:
    return domain.interface_stats(domain.interfaces[number].target)


@pytest.mark.parametrize("name", DISKS)
def test_a_guest_has_its_name_and_all_its_devices(guests: dict[str, Domain], name: str) -> None:
    domain = guests[name]
    assert (domain.id, domain.uuid, domain.type) == (dom0.domid(name), UUIDS[name], "xen")
    assert domain.provider == PROVIDERS[name]
    assert sorted(disk.target for disk in domain.disks) == sorted(DISKS[name])
    for disk in domain.disks:
        backend, devid, _ = DISKS[name][disk.target]
        if backend == "vbd":
            assert disk.counter_source == XenVbd("vbd", domain.id or 0, devid)
            assert disk.reason == ""
    assert [nic.target for nic in domain.interfaces] == [
        nic(name, number, domain.id or 0) for number in range(len(NICS[name]))
    ]
    assert [nic.mac for nic in domain.interfaces] == list(MACS[name])
    for one in domain.interfaces:
        assert isinstance(one.counter_source, NetDevice)
        assert (one.counter_source.name, one.swap_rx_tx, one.reason) == (one.target, True, "")


@pytest.mark.parametrize(("name", "target"), kernel_disks())
def test_a_disk_counts_what_the_kernels_files_say(guests: dict[str, Domain], name: str, target: str) -> None:
    domain, stats = guests[name], block(guests[name], target)
    raw = dom0.vbd(domain.id or 0, DISKS[name][target].devid)
    assert stats.v1 == (raw["rd_req"], raw["rd_sect"] * 512, raw["wr_req"], raw["wr_sect"] * 512, raw["oo_req"])
    assert (stats.fl_req, stats.ds_req) == (raw["f_req"], raw["ds_req"])
    assert stats.rd_bytes > 0
    assert stats.wr_bytes > 0


@pytest.mark.parametrize(("name", "target"), kernel_disks())
def test_a_disk_counts_what_the_guest_counts(guests: dict[str, Domain], name: str, target: str) -> None:
    inside = DISKS[name][target].inside
    words = [int(word) for word in dom0.guest(name, f"cat /sys/block/{inside}/stat").split()]
    stats = block(guests[name], target)
    told = (stats.rd_req, stats.rd_bytes, stats.wr_req, stats.wr_bytes)
    assert told == (words[0], words[2] * 512, words[4], words[6] * 512)


@pytest.mark.parametrize(("name", "target"), kernel_disks())
def test_a_disk_counts_what_xentop_shows(
    guests: dict[str, Domain], xentop: dict[tuple[str, str], dict[str, int]], name: str, target: str
) -> None:
    shown = xentop[name, f"vbd {DISKS[name][target].devid}"]
    stats = block(guests[name], target)
    told = (stats.rd_req, stats.rd_bytes // 512, stats.wr_req, stats.wr_bytes // 512, stats.errs)
    assert told == tuple(shown[column] for column in ("RD", "RSECT", "WR", "WSECT", "OO"))


@pytest.mark.parametrize(("name", "number"), all_nics())
def test_an_interface_counts_what_the_kernels_files_say(guests: dict[str, Domain], name: str, number: int) -> None:
    domain, stats = guests[name], interface(guests[name], number)
    raw = dom0.vif(nic(name, number, domain.id or 0))
    # The guest receives what the host sends.
    for ours, theirs in (("rx", "tx"), ("tx", "rx")):
        for column, file in (("bytes", "bytes"), ("packets", "packets"), ("errs", "errors"), ("drop", "dropped")):
            assert getattr(stats, f"{ours}_{column}") == raw[f"{theirs}_{file}"], (ours, column)


@pytest.mark.parametrize(("name", "number"), all_nics())
def test_an_interface_counts_what_the_guest_counts(guests: dict[str, Domain], name: str, number: int) -> None:
    inside = next(line for line in dom0.guest(name, "cat /proc/net/dev").splitlines() if f"eth{number}:" in line)
    words = [int(word) for word in inside.rpartition(":")[2].split()]
    stats = interface(guests[name], number)
    assert (stats.rx_packets, stats.tx_packets) == (words[1], words[9])
    # Each side leaves the header out of what it receives: 14 bytes a packet (docs/xen.md).
    assert stats.rx_bytes - 14 * stats.rx_packets == words[0]
    assert stats.tx_bytes + 14 * stats.tx_packets == words[8]
    assert stats.tx_packets > stats.rx_packets + 10 > 10


@pytest.mark.parametrize(("name", "number"), all_nics())
def test_an_interface_counts_what_xentop_shows(
    guests: dict[str, Domain], xentop: dict[tuple[str, str], dict[str, int]], name: str, number: int
) -> None:
    # xentop has the host's view.
    shown = xentop[name, f"net {number}"]
    stats = interface(guests[name], number)
    assert (stats.rx_bytes, stats.rx_packets) == (shown["tx_bytes"], shown["tx_packets"])
    assert (stats.tx_bytes, stats.tx_packets) == (shown["rx_bytes"], shown["rx_packets"])


def test_a_disk_counts_what_libvirt_counts(guests: dict[str, Domain]) -> None:
    stats = block(guests["lv1"], "xvda")
    told = _columns(dom0.virsh("domblkstat", "lv1", "xvda"))
    assert (stats.rd_req, stats.rd_bytes, stats.wr_req, stats.wr_bytes) == tuple(
        told[column] for column in ("rd_req", "rd_bytes", "wr_req", "wr_bytes")
    )
    assert stats.fl_req == told["flush_operations"]


def test_an_interface_counts_what_libvirt_counts_in_the_same_direction(guests: dict[str, Domain]) -> None:
    stats = interface(guests["lv1"], 0)
    told = _columns(dom0.virsh("domifstat", "lv1", guests["lv1"].interfaces[0].target))
    assert {name: getattr(stats, name) for name in told} == told


@pytest.mark.parametrize(("name", "target"), qemu_disks())
def test_a_disk_that_qemu_serves_says_so(guests: dict[str, Domain], name: str, target: str) -> None:
    disk = next(disk for disk in guests[name].disks if disk.target == target)
    assert disk.counter_source is None
    assert "QEMU" in disk.reason


@pytest.mark.parametrize(("name", "target"), qemu_disks())
def test_a_disk_that_qemu_serves_counts_what_qemu_counts(guests: dict[str, Domain], name: str, target: str) -> None:
    domain = guests[name]
    with Host().poller([domain], qemu_interval="on demand") as poller:
        assert poller.query(wait=10)
        stats = poller.poll().block[name, target]
    assert stats.state == "ok"
    devices = dom0.query_blockstats(domain.id or 0)
    told = next(one["stats"] for one in devices if str(one["node-name"]).startswith(f"{target}-"))
    assert (stats.rd_req, stats.rd_bytes) == (told["rd_operations"], told["rd_bytes"])
    assert (stats.wr_req, stats.wr_bytes) == (told["wr_operations"], told["wr_bytes"])
    assert stats.fl_req == told["flush_operations"]
    assert min(stats.rd_bytes, stats.wr_bytes) > 0


@pytest.mark.parametrize("target", [target for name, target in qemu_disks() if name == "lv1"])
def test_libvirt_has_no_numbers_of_a_disk_that_qemu_serves(guests: dict[str, Domain], target: str) -> None:
    with pytest.raises(AssertionError, match="unsupported disk driver"):
        dom0.virsh("domblkstat", "lv1", target)
    with Host().poller([guests["lv1"]], qemu_interval="on demand") as poller:
        assert poller.query(wait=10)
        stats = poller.poll().block["lv1", target]
    assert (stats.state, min(stats.rd_req, stats.wr_req) > 0) == ("ok", True)


def _columns(text: str) -> dict[str, int]:
    """Lines `DEVICE NAME NUMBER`."""
    return {words[1]: int(words[2]) for line in text.splitlines() if len(words := line.split()) == 3}
