"""The host interfaces of a Xen domain's vif: that of the backend, and the one that QEMU may emulate for it."""

from collections.abc import Collection, Iterator

from vmiostat._core import Roots
from vmiostat.model import Interface
from vmiostat.system.xen_backend import vif_name


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
    """The vif under its current name, and the tap that QEMU emulates for a guest without Xen's drivers.

    `there` are the host's interfaces; `configured` is the vif's name in the domain's configuration.
    """
    plain = f"vif{domid}.{number}"
    likely = [name for name in (configured, plain) if name is not None]
    name = vif_name(domid, number, roots) or next((name for name in likely if name in there), likely[0])
    yield Interface(name, "ethernet", mac=mac, source=bridge)
    # xl names QEMU's tap after the configured name, XenServer and xend after the domid.
    for emulated in dict.fromkeys((f"{configured or plain}-emu", f"{name}-emu", f"tap{domid}.{number}")):
        if emulated in there:
            yield Interface(emulated, "ethernet", mac=mac, source=bridge)
