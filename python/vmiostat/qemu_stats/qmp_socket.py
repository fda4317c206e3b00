"""Finds a QMP socket that other clients may use, on QEMU's command line.

Proxmox gives each QEMU one (/var/run/qemu-server/VMID.qmp), to which its daemons connect for a moment at a time.
libvirt keeps its monitor to itself, but the domain's XML may add another socket (<qemu:commandline>). Xen's QEMUs have
two: one for the toolstack, and one for statistics.
"""

from collections.abc import Iterator, Sequence

from vmiostat.discovery.vmm.qemu.options import Values, options, values

_RESERVED = frozenset({"charmonitor", "monitor", "libxl-cmd"})
"""Ids of the monitors of libvirt and libxl. libvirt stays connected to its own, and no other client can be served."""


def qmp_socket(arguments: Sequence[str]) -> str | None:
    """The path of the first such socket; None if there is none.

    Skips a socket at which QEMU waits for a client before it starts the guest (`wait=on`, or neither `wait` nor
    `nowait`): a connection of ours would start it. `-set` may change that afterwards, so with it no socket is used. A
    QEMU that has not begun to serve its monitor keeps a connection waiting, and one with `-S` stays stopped.

    >>> qmp_socket(["kvm", "-qmp", "unix:/run/vm1.qmp,server=on,wait=off"])
    '/run/vm1.qmp'
    """
    return next((path for socket in _monitors(arguments) if (path := _path(socket))), None)


def _monitors(arguments: Sequence[str]) -> Iterator[Values]:
    """The character devices of QMP monitors."""
    devices: dict[str, Values] = {}
    monitors: list[Values | str] = []
    for name, text in options(arguments):
        match name:
            case "set" if text.startswith("chardev."):
                return
            case "chardev":
                device = values(text, "backend")
                devices[device.get("id", "")] = device
            case "mon":
                monitor = values(text, "chardev")
                if monitor.get("mode") == "control":
                    monitors.append(monitor.get("chardev", ""))
            case "qmp" | "qmp-pretty":
                kind, _, rest = text.partition(":")
                if kind == "chardev":
                    monitors.append(rest)
                elif kind == "unix":
                    monitors.append(values(rest, "path") | {"backend": "socket"})
    for found in monitors:
        device = devices.get(found, {}) if isinstance(found, str) else found
        if not (isinstance(found, str) and found in _RESERVED):
            yield device


def _path(socket: Values) -> str | None:
    """Where it listens, if it does so in the file system and without waiting for a client."""
    listens = socket.get("backend") == "socket" and socket.get("server") == "on" and socket.get("wait") == "off"
    return socket.get("path") if listens and socket.get("abstract", "off") == "off" else None
