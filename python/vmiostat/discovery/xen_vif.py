"""The host's interfaces behind a Xen domain's vif: the backend's own, and what QEMU emulates beside it."""

from collections.abc import Collection, Iterator

from vmiostat._core import Roots
from vmiostat.errors import SourceError
from vmiostat.model import Interface
from vmiostat.xen_backend import device


def vif_interfaces(
    domid: int,
    number: int,
    there: Collection[str],
    roots: Roots,
    *,
    configured: str | None = None,
    mac: str | None = None,
    bridge: str | None = None,
) -> Iterator[Interface]:
    """The vif under the name that it has now, and what QEMU emulates for a guest without Xen's drivers.

    `there` are the host's interfaces, `configured` is the name that the domain's configuration gives it.
    """
    plain = f"vif{domid}.{number}"
    likely = [name for name in (configured, plain) if name is not None]
    name = _name_now(f"vif-{domid}-{number}", roots) or next((name for name in likely if name in there), likely[0])
    yield Interface(name, "ethernet", mac=mac, source=bridge)
    # xl names QEMU's tap after the configured name, XenServer and xend by the domid.
    for emulated in dict.fromkeys((f"{configured or plain}-emu", f"{name}-emu", f"tap{domid}.{number}")):
        if emulated in there:
            yield Interface(emulated, "ethernet", mac=mac, source=bridge)


def _name_now(backend: str, roots: Roots) -> str | None:
    """What the kernel calls it: any name by `vifname=`, and it can be renamed while it is up.

    None while the vif is being set up, when it is in another network namespace, and on kernels of 2007.
    """
    folder = device(backend, roots)
    try:
        return None if folder is None else next(iter(roots.list(f"{folder}/net")), None)
    except SourceError:
        return None
