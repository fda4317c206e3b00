"""A made machine with Xen's backends, and the contents of its xenstore."""

import shutil
from pathlib import Path

NAMES = ("rd_req", "rd_sect", "wr_req", "wr_sect", "oo_req", "f_req", "ds_req")


class XenTree:
    """A machine below `root`; `store` is for a FakeXenstored."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: dict[str, str] = {"/local/domain/0/name": "Domain-0"}
        (root / "proc/net").mkdir(parents=True)
        self.interfaces({})

    def domain(self, domid: int, name: str, uuid: str) -> None:
        self.store |= {f"/local/domain/{domid}/name": name, f"/local/domain/{domid}/vm": f"/vm/{uuid}"}

    def vbd(self, domid: int, number: int, dev: str, count: int | None) -> None:
        """A disk with `count` as all its counters; None: without statistics yet."""
        self.store[f"/local/domain/0/backend/vbd/{domid}/{number}/dev"] = dev
        folder = self.folder(f"vbd-{domid}-{number}")
        folder.mkdir(parents=True, exist_ok=True)
        if count is not None:
            (folder / "statistics").mkdir(exist_ok=True)
            for name in NAMES:
                (folder / "statistics" / name).write_text(f"{count}\n")

    def vif(self, domid: int, number: int, name: str) -> None:
        """An interface, or a new name for it."""
        self.store[f"/local/domain/0/backend/vif/{domid}/{number}/handle"] = str(number)
        folder = self.folder(f"vif-{domid}-{number}") / "net"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / name).mkdir(parents=True)

    def interfaces(self, counts: dict[str, int]) -> None:
        """The lines of /proc/net/dev: each interface with one number for all counters."""
        lines = [f"{name}: {' '.join([str(count)] * 16)}\n" for name, count in counts.items()]
        (self.root / "proc/net/dev").write_text("Inter-|\n face |\n" + "".join(lines))

    def end(self, domid: int) -> None:
        backends = "/local/domain/0/backend"
        gone = (f"/local/domain/{domid}/", f"{backends}/vbd/{domid}/", f"{backends}/vif/{domid}/")
        for path in [path for path in self.store if path.startswith(gone)]:
            del self.store[path]
        for folder in (self.root / "sys/bus/xen-backend/devices").glob(f"*-{domid}-*"):
            shutil.rmtree(folder)

    def folder(self, backend: str) -> Path:
        return self.root / "sys/bus/xen-backend/devices" / backend
