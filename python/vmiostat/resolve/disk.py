"""What counts a disk's requests: the kernel's block layer, Xen's backend, or only the VMM.

A disk's target (vda) is its name in the guest and is never looked up on the host, which may have another vda.
"""

import re
from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockCounterSource, BlockDevice, Denied, Missing, Tapdisk, XenVbd, because
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Domain
from vmiostat.resolve.counting_layer import switched_off, uncounted
from vmiostat.resolve.not_running import not_running
from vmiostat.resolve.tapdisk_page import tapdisk_pid
from vmiostat.system.block_device import Number, device_number, device_number_seen_by, diskseq
from vmiostat.system.probe.pool import ProbeTimeout
from vmiostat.system.xen_backend import backend_folder, not_connected
from vmiostat.system.xen_vbd_number import xen_device_number

_VMM = dict.fromkeys(("kvm", "qemu", "hvf", "xen"), "QEMU")
_VMM_OF_DRIVER = {"cloud-hypervisor": "cloud-hypervisor", "firecracker": "Firecracker", "crosvm": "crosvm"}

_PASSED_ON = (
    "the guest's SCSI commands are passed on to the device ({source}): the kernel does not count them as requests, on "
    "the newest kernels unless the device's queue/iostats_passthrough is 1"
)

_REASONS = {
    "file": "in a file: only {vmm} counts its requests",
    "dir": "made from a folder by {vmm}: only {vmm} counts its requests",
    "network": "{vmm} connects to the storage ({source}) itself: only {vmm} counts its requests",
    "volume": "only libvirt knows the device or file of volume {source}: see virsh vol-path",
    "nvme": "{vmm} drives the NVMe device ({source}) itself: only {vmm} counts its requests",
    "vhostuser": "its requests go to another process through shared memory ({source}), which the kernel does not see",
    "vhostvdpa": "{vmm} drives the vDPA device ({source}) itself: only {vmm} counts its requests",
    "vdpa": "a vDPA device ({source}), a disk or a network card: the guest talks to it directly, and the kernel does "
    "not see its requests",
    "pci": "a PCI device ({source}) that the guest drives itself: the host's kernel does not see its requests",
    "vfiouser": "a PCI device that another process emulates (vfio-user, {source}), a disk or a network card: the "
    "kernel does not see its requests",
    "vhostscsi": "its requests go to the kernel's SCSI target ({source}), and are counted at the devices of the "
    "target's LUNs, if these are devices (targetcli ls)",
    "pmem": "persistent memory: the guest reads and writes the mapped file ({source}) without requests",
    "quorum": "{vmm} keeps copies of it ({source}): only {vmm} counts its requests",
    "scsi": _PASSED_ON,
    "null": "a null device of {vmm}: only {vmm} counts its requests",
}
_GENERIC = re.compile(r"/dev/(sg|bsg/)[0-9:]+", re.ASCII)
_NOT_THROUGH_QEMU = frozenset({"vhostuser", "vdpa", "vfiouser", "vhostscsi", "pmem", "scsi", "pci"})
_QUERY = "; --qemu-interval or Host.poller(qemu_interval=...) queries QEMU"
"""What helps if QEMU counts the requests; other VMMs cannot be queried."""
_DRIVES = ("cdrom", "floppy")
"""What may be without a medium."""
_FILE_SYSTEM_REASONS = {
    "mount": "a folder of the host ({source}): its requests are not counted separately",
    "bind": "a folder of the container ({source}): its requests are not counted separately",
    "template": "a folder made from template {source}: its requests are not counted separately",
    "ram": "a file system in memory makes no requests",
    "file": "a file ({source}), mounted through a loop or nbd device that the definition does not name",
}


def is_served_by_qemu(disk: Disk, domain: Domain) -> bool:
    """Whether the disk's requests pass through a QEMU, which counts them."""
    served = domain.type in _VMM and disk.driver not in _VMM_OF_DRIVER
    return served and disk.type not in _NOT_THROUGH_QEMU and disk.device != "filesystem"


def resolve_disk(disk: Disk, domain: Domain, roots: Roots) -> Disk:
    """The disk with its counter source, and any caveat about that, or with the reason why it has none."""
    if disk.counter_source is None and not disk.reason:
        find = _xen_counters if domain.type == "xen" else _host_counters
        found = find(disk, domain, roots)
        disk = replace(disk, reason=found) if isinstance(found, str) else replace(disk, counter_source=found)
    if isinstance(device := disk.counter_source, BlockDevice):
        found_as = replace(device, diskseq=diskseq((device.major, device.minor), roots))
        if why := uncounted(found_as, roots):
            query = _QUERY if is_served_by_qemu(disk, domain) else ""
            return replace(disk, counter_source=None, reason=why + query)
        reason = disk.reason or switched_off(found_as, roots) or not_running(domain)
        return replace(disk, counter_source=found_as, reason=reason)
    if isinstance(disk.counter_source, XenVbd) and not disk.reason:
        return replace(disk, reason=not_connected(backend_folder(str(disk.counter_source), roots), roots))
    return disk


def _host_counters(disk: Disk, domain: Domain, roots: Roots) -> BlockCounterSource | str:
    reasons = _REASONS
    if disk.device == "filesystem":
        reasons = _REASONS | _FILE_SYSTEM_REASONS
    elif disk.source is None and disk.type in (*_REASONS, "block"):
        return "an empty drive" if disk.device in _DRIVES else "its definition names no storage"
    source = disk.source or ""
    if disk.type == "block" or (disk.type == "file" and source.startswith("/dev/")):
        found = _block_device(source, domain, roots)
        if disk.type == "block" or isinstance(found, BlockDevice):
            return found
    reason = reasons.get(disk.type, "of the unknown type {kind!r}")
    vmm = _VMM_OF_DRIVER.get(disk.driver or "") or _VMM.get(domain.type, "its VMM")
    query = _QUERY if is_served_by_qemu(disk, domain) else ""
    return reason.format(source=source, kind=disk.type, vmm=vmm) + query


def _block_device(path: str, domain: Domain, roots: Roots) -> BlockDevice | str:
    try:
        number = device_number(path, roots)
    except SourceError as error:
        hangs = isinstance(error, ProbeTimeout)
        number = None if hangs else _as_process_sees_it(path, domain, roots)
        if number is None:
            return because(error, f"{path} cannot be opened: {error.strerror}")
    if number is None:
        return _PASSED_ON.format(source=path) if _GENERIC.fullmatch(path) else f"{path} is not a block device"
    return BlockDevice(*number)


def _as_process_sees_it(path: str, domain: Domain, roots: Roots) -> Number | None:
    """In its own /dev, as libvirt gives QEMU one, and containers have one: paths differ, device numbers do not."""
    if domain.process is None or not path.startswith("/"):
        return None
    try:
        return device_number_seen_by(domain.process.pid, path, roots)
    except SourceError:  # not there either, or without CAP_SYS_PTRACE
        return None


def _xen_counters(disk: Disk, domain: Domain, roots: Roots) -> BlockCounterSource | str:
    if domain.id is None:
        return Missing("according to its definition the domain is not running (it has no id)")
    number = xen_device_number(disk.target)
    if number is None:
        return f"Xen has no device number for a disk named {disk.target!r}"
    backend = f"{domain.id}-{number}"
    if backend_folder(f"vbd-{backend}", roots):
        return XenVbd("vbd", domain.id, number)
    if backend_folder(f"tap-{backend}", roots):
        return XenVbd("tap", domain.id, number)
    if backend_folder(f"vbd3-{backend}", roots):
        pid = tapdisk_pid(domain.id, number, roots)
        if pid is not None:
            return Tapdisk(pid, domain.id, number)
        page = roots.shown(f"/dev/shm/td3-PID/vbd-{backend}")
        why = Denied if any(name.startswith("td3-") for name in roots.list_or_empty("/dev/shm")) else Missing
        return why(
            f"its backend is tapdisk (vbd3-{backend}), whose statistics ({page}) do not exist or take root to read"
        )
    if backend_folder(f"qdisk-{backend}", roots):
        if disk.type == "block":
            return _host_counters(disk, domain, roots)
        return f"its backend is QEMU (qdisk-{backend}): only QEMU counts its requests{_QUERY}"
    if disk.source is None and disk.device in _DRIVES:
        return "an empty drive"
    return Missing(
        f"the host has no backend for it (vbd-{backend}): it is not set up yet, is gone, or is in another domain"
    )
