"""A virtual machine from the command line of its QEMU, as libvirt, Proxmox, Ganeti, Incus or a script wrote it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from uuid import UUID

from vmiostat.discovery.limits import DEVICES
from vmiostat.discovery.vmm.command_line import CommandLine
from vmiostat.discovery.vmm.configurations import Configurations
from vmiostat.discovery.vmm.pci_devices import pci_address
from vmiostat.discovery.vmm.qemu.disks import BlockOptions, beneath, disks
from vmiostat.discovery.vmm.qemu.netdevs import NetworkOptions, netdevs
from vmiostat.discovery.vmm.qemu.options import Values, options, values
from vmiostat.discovery.vmm.qemu.readconfig import sections

_NO_MACHINE = frozenset({"h", "help", "version"})
_NO_UUID = UUID(int=0)


def command_line(arguments: Sequence[str], files: Configurations | None = None) -> CommandLine | None:
    """The machine that it starts; None if it starts none, as when libvirt probes a QEMU's capabilities.

    >>> command_line(["kvm", "-id", "100", "-name", "web1,debug-threads=on"]).name
    'web1'
    """
    block, network = BlockOptions(), NetworkOptions()
    single: dict[str, str] = {}
    machine: dict[str, str] = {}
    accelerators = []
    identities = []
    for name, text in _with_files(arguments, files):
        block.add(name, text)
        network.add(name, text)
        match name:
            case "machine" | "M":
                machine |= values(text, "type")
            case "accel":
                accelerators.append(values(text, "accel").get("accel", ""))
            case "smbios":
                identities.append(values(text).get("uuid"))
            case _:
                single[name] = text
    if machine.get("type") == "none" or not _NO_MACHINE.isdisjoint(single):
        return None
    accelerators = [accelerator for accelerator in (*accelerators, machine.get("accel")) if accelerator]
    with_kvm = "enable-kvm" in single or any("kvm" in accelerator.split(":") for accelerator in accelerators)
    if not accelerators:  # then QEMU takes the one that its own name ends with (configure_accelerators, system/vl.c)
        with_kvm |= arguments[0].endswith("kvm")
    # One more than are shown, so that the cut is noticed.
    found = list(islice(disks(block, units=1 if "q35" in machine.get("type", "") else 2), DEVICES + 1))
    domid = _number(single.get("xen-domid"))
    return CommandLine(
        name=values(single.get("name", ""), "guest").get("guest"),
        # Proxmox sets the UUID only in the guest's SMBIOS tables.
        uuid=_uuid([single.get("uuid"), *identities]),
        id=_number(single.get("id")) if domid is None else domid,
        type="xen" if domid is not None else "kvm" if with_kvm else "qemu",
        disks=tuple(disk for disk, _ in found),
        read_only=frozenset(disk.target for disk, read_only in found if read_only),
        netdevs=tuple(islice(netdevs(network), DEVICES + 1)),
        beneath=tuple(islice(beneath(block, machine), DEVICES)),
        pci_devices=tuple(islice(_pci_devices(block.devices), DEVICES)),
        unread=() if files is None else tuple(files.unread),
    )


def _with_files(arguments: Sequence[str], files: Configurations | None) -> Iterator[tuple[str, str]]:
    """The options, with those of the configuration files where these are named."""
    for name, text in options(arguments):
        if name == "readconfig" and files is not None:
            yield from sections(files.read(text))
        else:
            yield name, text


def _pci_devices(devices: Iterable[Values]) -> Iterator[tuple[str, str]]:
    """-device vfio-pci,host=01:00.0 or sysfsdev=/sys/bus/pci/devices/0000:01:00.0"""
    for device in devices:
        is_vfio = device.get("driver", "").startswith("vfio-pci")
        if is_vfio and (address := pci_address(device.get("host") or device.get("sysfsdev", ""))):
            yield device.get("id") or address, address


def _uuid(texts: Iterable[str | None]) -> str | None:
    for text in texts:
        try:
            uuid = UUID(text or "")
        except ValueError:
            continue
        if uuid != _NO_UUID:
            return str(uuid)
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None
