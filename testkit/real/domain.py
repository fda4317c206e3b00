"""The definition of a made-up guest with real devices, as libvirt writes it while the guest runs."""

from collections.abc import Sequence
from pathlib import Path

from testkit.real.devices import Loop


def write_domain(
    folder: Path,
    name: str,
    *,
    bridge: Sequence[str] = (),
    ethernet: Sequence[str] = (),
    disks: Sequence[Loop | str] = (),
    kind: str = "kvm",
) -> Path:
    """Writes NAME.xml: interfaces named by the host's device, disks vda, vdb, ... on host block devices."""
    interfaces = [
        f"<interface type='bridge'><source bridge='br0'/><target dev='{device}'/><model type='virtio'/></interface>"
        for device in bridge
    ] + [
        f"<interface type='ethernet'><target dev='{device}'/><model type='virtio'/></interface>" for device in ethernet
    ]
    blocks = [
        "<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/>"
        f"<source dev='{disk if isinstance(disk, str) else disk.path}'/>"
        f"<target dev='{target(index)}' bus='virtio'/></disk>"
        for index, disk in enumerate(disks)
    ]
    path = folder / f"{name}.xml"
    path.write_text(
        f"<domain type='{kind}' id='1'><name>{name}</name><devices>\n"
        + "\n".join([*blocks, *interfaces])
        + "\n</devices></domain>\n"
    )
    return path


def target(index: int) -> str:
    """vda, vdb, ..., vdz, vdaa, ...: the guest's name of a disk."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"vd{letters}"
