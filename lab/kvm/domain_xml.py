"""Definitions of the lab's guests.

vm1 is rich: a Linux with every kind of interface and disk that this machine can give it. All others are tiny, paused
and without a system: for libvirt and for the host's kernel they are guests like any other.
"""

from pathlib import Path

from lab.command import run
from lab.kvm import guest_image, loops, network
from lab.kvm.place import Place

RICH = "vm1"
NETWORK = "klabnet"
_MIB = 1 << 20


def number(name: str) -> int:
    """vm17: 17."""
    return int(name.removeprefix("vm"))


def definition(place: Place, name: str) -> str:
    """The definition of a guest; its images and loop devices are made."""
    return _rich(place) if name == RICH else _tiny(place, name)


def network_definition() -> str:
    """A network of libvirt's that only stands for the bridge."""
    return f"<network><name>{NETWORK}</name><forward mode='bridge'/><bridge name='{network.BRIDGE}'/></network>"


def mac(name: str, nic: int) -> str:
    """The MAC address of a guest's interface."""
    return f"52:54:00:91:{number(name):02x}:{nic:02x}"


def _tiny(place: Place, name: str) -> str:
    disk = _block(loops.attach(place.images / f"{name}-a.raw", 4 * _MIB), "vda", "virtio")
    return _domain(name, 16, 4, "", [disk, _nic(name, 0, "bridge", f"<source bridge='{network.BRIDGE}'/>")])


def _rich(place: Place) -> str:
    images = place.images
    boot = (
        f"<kernel>{guest_image.kernel(place)}</kernel><initrd>{guest_image.initial_files(place)}</initrd>"
        "<cmdline>console=ttyS0 quiet loglevel=0 panic=1</cmdline>"
    )
    devices = [
        _block(loops.attach(images / f"{RICH}-a.raw", 64 * _MIB), "vda", "virtio", cache="none"),
        _file(_qcow2(images / f"{RICH}-b.qcow2", _qcow2(images / "base.qcow2")), "vdb", "virtio", "qcow2"),
        _file(_raw(images / f"{RICH}-c.raw", 64 * _MIB), "sda", "scsi", "raw", cache="none"),
        _block(loops.attach(images / f"{RICH}-d.raw", 64 * _MIB), "hda", "ide", cache="writeback"),
        "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>",
        "<controller type='scsi' model='virtio-scsi'/>",
        _nic(RICH, 0, "bridge", f"<source bridge='{network.BRIDGE}'/>"),
        _nic(RICH, 1, "ethernet", f"<target dev='{network.ETHERNET}'/>"),
        _nic(RICH, 2, "direct", f"<source dev='{network.LOWER}' mode='bridge'/>"),
        _nic(RICH, 3, "network", f"<source network='{NETWORK}'/>"),
        _nic(RICH, 4, "user", ""),
        f"<serial type='unix'><source mode='bind' path='{place.console(RICH)}'/></serial>",
    ]
    second_monitor = (
        "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'>"
        f"<arg value='-qmp'/><arg value='unix:{place.monitor(RICH)},server=on,wait=off'/></commandline>"
    )
    return _domain(RICH, 192, 64, boot, devices, second_monitor)


def _domain(name: str, memory: int, translated: int, boot: str, devices: list[str], more: str = "") -> str:
    """`memory` and `translated`, the room for translated code, are in MiB: by default the latter alone is 1 GiB."""
    return f"""\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os>
  <features><acpi/><tcg><tb-cache unit='MiB'>{translated}</tb-cache></tcg></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <memballoon model='none'/>
    {"".join(f"{device}{chr(10)}    " for device in devices).rstrip()}
  </devices>
  {more}
</domain>
"""


def _block(device: str, target: str, bus: str, cache: str = "none") -> str:
    return (
        f"<disk type='block' device='disk'><driver name='qemu' type='raw' cache='{cache}'/>"
        f"<source dev='{device}'/><target dev='{target}' bus='{bus}'/></disk>"
    )


def _file(image: Path, target: str, bus: str, kind: str, cache: str = "writeback") -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{kind}' cache='{cache}'/>"
        f"<source file='{image}'/><target dev='{target}' bus='{bus}'/></disk>"
    )


def _nic(name: str, nic: int, kind: str, attached: str) -> str:
    return f"<interface type='{kind}'><mac address='{mac(name, nic)}'/>{attached}<model type='virtio'/></interface>"


def _raw(image: Path, size: int) -> Path:
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(size)
    return image


def _qcow2(image: Path, backing: Path | None = None) -> Path:
    if not image.exists():
        below = () if backing is None else ("-b", backing, "-F", "qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", *below, image, 64 * _MIB)
    return image
