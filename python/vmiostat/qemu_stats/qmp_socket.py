"""Which socket of a QEMU can be asked, from its command line: one at which it listens for QMP and that is nobody's own.

Proxmox gives each QEMU one (/var/run/qemu-server/VMID.qmp), to which its daemons connect for a moment at a time; plain
QEMU has what it was given; libvirt's keeps its monitor to itself, and has another one where the domain's XML gives it
one (<qemu:commandline>). Xen's has two, its toolstack's own and one that is meant for statistics.
"""

from collections.abc import Iterator, Sequence

from vmiostat.discovery.vmm.qemu.options import Values, options, values

_OTHERS = frozenset({"charmonitor", "monitor", "libxl-cmd"})
"""What libvirt and libxl call the socket of their own monitor. libvirt never leaves it, and nobody else is let in."""


def qmp_socket(arguments: Sequence[str]) -> str | None:
    """The path of the first such socket on a command line; None where it has none.

    A QEMU that waits at its start until somebody connects (`wait=on`, or neither `wait` nor `nowait`) is not let go by
    us: only a socket that it does not wait at is taken.

    >>> qmp_socket(["kvm", "-qmp", "unix:/run/vm1.qmp,server=on,wait=off"])
    '/run/vm1.qmp'
    """
    return next((path for socket in _monitors(arguments) if (path := _path(socket))), None)


def _monitors(arguments: Sequence[str]) -> Iterator[Values]:
    """The character devices that speak QMP."""
    devices: dict[str, Values] = {}
    monitors: list[Values | str] = []
    for name, text in options(arguments):
        match name:
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
        if not (isinstance(found, str) and found in _OTHERS):
            yield device


def _path(socket: Values) -> str | None:
    """Where it listens, if it does and can be asked."""
    listens = socket.get("backend") == "socket" and socket.get("server") == "on" and socket.get("wait") == "off"
    return socket.get("path") if listens and socket.get("abstract", "off") == "off" else None
