"""Where a disk's requests are counted: by the kernel's block layer or Xen's backend, or by nobody but the VMM.

A disk's target (vda) is the guest's name of it and is never looked up on the host, which may have a vda of its own.
"""

from dataclasses import replace

from vmiostat._core import Roots
from vmiostat.counter_sources import BlockCounterSource, BlockDevice, Tapdisk, XenVbd
from vmiostat.errors import SourceError
from vmiostat.model import Disk, Domain
from vmiostat.resolve.tapdisk_page import tapdisk_pid
from vmiostat.system.block_device import Number, device_number, diskseq
from vmiostat.system.xen_backend import backend_folder, not_connected
from vmiostat.system.xen_vbd_number import xen_device_number

_VMM = {"kvm": "QEMU", "qemu": "QEMU", "hvf": "QEMU", "xen": "QEMU"}
_VMM_OF_DRIVER = {"cloud-hypervisor": "cloud-hypervisor", "firecracker": "Firecracker", "crosvm": "crosvm"}

_REASONS = {
    "file": "a file: only {vmm}, which reads and writes it, counts the disk's requests",
    "dir": "made from a folder by {vmm}, which alone counts its requests",
    "network": "{vmm} speaks to the storage ({source}) itself and alone counts the requests",
    "volume": "which device or file is behind volume {source} only libvirt knows: see virsh vol-path",
    "nvme": "{vmm} drives the NVMe device ({source}) itself and alone counts the requests",
    "vhostuser": "its requests go to another process, through memory shared with the guest ({source})",
    "vhostvdpa": "its requests go from the guest to the device ({source}, vDPA), past the host's kernel",
}
_PAST_QEMU = ("vhostuser", "vhostvdpa")
_ASKED = "; --qemu-interval, or Host.poller(qemu_interval=...), asks QEMU"
"""What helps where QEMU counts the requests. No asker knows another VMM."""
_FILE_SYSTEM_REASONS = {
    "mount": "a folder of the host ({source}): its requests are not told from others'",
    "bind": "a folder of the container ({source}): its requests are not told from others'",
    "template": "a folder made from template {source}: its requests are not told from others'",
    "ram": "a file system in memory has no requests",
    "file": "a file ({source}), mounted through a loop or nbd device that the definition does not name",
}


def resolve_disk(disk: Disk, domain: Domain, roots: Roots) -> Disk:
    """The disk with its counters, and perhaps a reason to mistrust them, or with the reason why it has none."""
    if disk.counter_source is None and not disk.reason:
        find = _xen_counters if domain.type == "xen" else _host_counters
        found = find(disk, domain, roots)
        disk = replace(disk, reason=found) if isinstance(found, str) else replace(disk, counter_source=found)
    if isinstance(device := disk.counter_source, BlockDevice):
        found_as = replace(device, diskseq=diskseq((device.major, device.minor), roots))
        return replace(disk, counter_source=found_as, reason=disk.reason or _switched_off(found_as, roots))
    if isinstance(disk.counter_source, XenVbd) and not disk.reason:
        return replace(disk, reason=not_connected(backend_folder(str(disk.counter_source), roots), roots))
    return disk


def _host_counters(disk: Disk, domain: Domain, roots: Roots) -> BlockCounterSource | str:
    reasons = _REASONS
    if disk.device == "filesystem":
        reasons = _REASONS | _FILE_SYSTEM_REASONS
    elif disk.source is None:
        return "an empty drive"
    source = disk.source or ""
    # A file is looked at below /dev only: elsewhere it may lie on a file system that hangs.
    if disk.type == "block" or (disk.type == "file" and source.startswith("/dev/")):
        found = _block_device(source, domain, roots)
        if disk.type == "block" or isinstance(found, BlockDevice):
            return found
    reason = reasons.get(disk.type, "of type {kind!r}: what counts that is not known here")
    vmm = _VMM_OF_DRIVER.get(disk.driver or "") or _VMM.get(domain.type, "its VMM")
    asked = _ASKED if vmm == "QEMU" and disk.type not in _PAST_QEMU else ""
    return reason.format(source=source, kind=disk.type, vmm=vmm) + asked


def _block_device(path: str, domain: Domain, roots: Roots) -> BlockDevice | str:
    try:
        number = device_number(path, roots)
    except SourceError as error:
        number = _as_its_process_sees_it(path, domain, roots)
        if number is None:
            return f"{path} cannot be looked at: {error.strerror}"
    return f"{path} is no block device" if number is None else BlockDevice(*number)


def _as_its_process_sees_it(path: str, domain: Domain, roots: Roots) -> Number | None:
    """libvirt gives QEMU a /dev of its own, and a container has one: the names are its own, the numbers the host's."""
    if domain.process is None or not path.startswith("/"):
        return None
    try:
        return device_number(f"/proc/{domain.process.pid}/root{path}", roots)
    except SourceError:  # not there either, or not ours to see (CAP_SYS_PTRACE)
        return None


def _xen_counters(disk: Disk, domain: Domain, roots: Roots) -> BlockCounterSource | str:
    if domain.id is None:
        return "the domain is not running as far as its definition says (it has no id)"
    number = xen_device_number(disk.target)
    if number is None:
        return f"Xen has no device number for a disk called {disk.target!r}"
    place = f"{domain.id}-{number}"
    if backend_folder(f"vbd-{place}", roots):
        return XenVbd("vbd", domain.id, number)
    if backend_folder(f"tap-{place}", roots):
        return XenVbd("tap", domain.id, number)
    if backend_folder(f"vbd3-{place}", roots):
        pid = tapdisk_pid(domain.id, number, roots)
        if pid is not None:
            return Tapdisk(pid, domain.id, number)
        page = roots.shown(f"/dev/shm/td3-PID/vbd-{place}")
        return f"its backend is tapdisk (vbd3-{place}), whose statistics ({page}) are not there, or only root's to see"
    if backend_folder(f"qdisk-{place}", roots):
        if disk.type == "block":
            return _host_counters(disk, domain, roots)
        return f"its backend is QEMU (qdisk-{place}), which alone counts its requests{_ASKED}"
    if disk.source is None:
        return "an empty drive"
    return f"the host has no backend for it (vbd-{place}): it is not set up yet, has gone, or is in another domain"


def _switched_off(counters: BlockDevice, roots: Roots) -> str:
    """queue/iostats=0 stops a device's counters without a trace in them. A partition's queue is its disk's."""
    folder = f"/sys/dev/block/{counters.major}:{counters.minor}"
    for path in (f"{folder}/queue/iostats", f"{folder}/../queue/iostats"):
        setting = roots.read_or_none(path)
        if setting is not None:
            off = setting.strip() == b"0"
            return f"its counters stand still: {roots.shown(path)} is 0 (echo 1 into it to start them)" if off else ""
    return ""
