"""What the lab boots: the hypervisor, a kernel, and a disk with a Debian for dom0; made once a recipe."""

import gzip
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab import kernel, vmlinux
from lab.command import LabError, run
from lab.packages import only, unpack
from lab.xen import packages
from lab.xen.place import Place

_HERE = Path(__file__).parent
_RECIPE = (Path(__file__), _HERE / "packages.py", Path(vmlinux.__file__), Path(kernel.__file__))
_DISK_SIZE = "2G"  # a file with holes: 0.7 GB are written


@dataclass(frozen=True, slots=True)
class Images:
    """A recipe's folder, and what is where in it."""

    folder: Path

    @property
    def xen(self) -> Path:
        return self.folder / "xen"

    @property
    def kernel(self) -> Path:
        """dom0's and the guests' kernel, unpacked."""
        return self.folder / "vmlinux"

    @property
    def modules(self) -> Path:
        """The folder that has that kernel's lib/modules."""
        return self.folder / "kernel"

    @property
    def disk(self) -> Path:
        """dom0's ext4."""
        return self.folder / "dom0.img"


def make(place: Place) -> Images:
    """Makes them, unless they are there; those of another recipe go. Raises LabError."""
    recipe = hashlib.sha256(b"".join(file.read_bytes() for file in _RECIPE)).hexdigest()[:16]
    made = Images(place.images / recipe)
    if made.folder.exists():
        return made
    shutil.rmtree(place.images, ignore_errors=True)
    unfinished = Images(place.images / "unfinished")
    unfinished.folder.mkdir(parents=True)
    _take_xen(unfinished)
    kernel.take(packages.KERNEL, unfinished.modules)
    vmlinux.take_out(kernel.image(unfinished.modules), unfinished.kernel)
    _make_disk(unfinished)
    unfinished.folder.rename(made.folder)
    return made


def _take_xen(images: Images) -> None:
    unpacked = images.folder / "hypervisor"
    unpack(packages.HYPERVISOR, unpacked)
    images.xen.write_bytes(gzip.decompress(only(unpacked / "boot", "xen-*.gz").read_bytes()))
    shutil.rmtree(unpacked)


def _make_disk(images: Images) -> None:
    root = images.folder / "root"
    left_out = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*")
    run(
        # It mounts this machine's /sys and /dev below root. In a namespace of its own they are gone with it.
        *("unshare", "--mount", "mmdebstrap"),
        *("--mode=root", "--variant=minbase", "--format=directory"),
        "--aptopt=APT::Install-Recommends false",
        *("--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={path}" for path in left_out)),
        f"--include={','.join(packages.DOM0)}",
        *(packages.SUITE, root, "-"),
        typed=_sources(),
    )
    _add_kernel(images, root)
    _make_libvirt_start(root)
    # Made of a folder, without mounting anything.
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", root, images.disk, _DISK_SIZE)
    shutil.rmtree(root)


def _sources() -> str:
    """The archives that this machine's apt takes the suite from, its security updates too, as sources.list has them."""
    known = run("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Identifier: Packages")
    lines = [
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {uri} {codename} main"
        for codename, component, uri in (line.split() for line in known.splitlines())
        if codename in (packages.SUITE, f"{packages.SUITE}-security") and component == "main"
    ]
    if not lines:
        raise LabError(f"apt on this machine knows no archive of Debian {packages.SUITE}")
    return "\n".join(lines) + "\n"


def _add_kernel(images: Images, root: Path) -> None:
    """dom0 gets its modules, and the kernel for its guests: unpacked, since xl would unpack it for each of them."""
    for module in kernel.modules(images.modules, packages.DOM0_MODULES):
        inside = root / module.relative_to(images.modules)
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, inside)
    version = kernel.version(images.modules)
    for listed in (images.modules / "lib/modules" / version).glob("modules.*"):
        shutil.copy(listed, root / "lib/modules" / version)
    run("depmod", "-b", root, version)
    shutil.copy(images.kernel, root / "boot/vmlinux")


def _make_libvirt_start(root: Path) -> None:
    """Its Xen driver does not start on a processor of which it knows no model, and QEMU translates one without `vme`.

    Its driver for QEMU wants users that another package makes, and here is none of its business.
    """
    model = root / "usr/share/libvirt/cpu_map/x86_486.xml"
    model.write_text("".join(line for line in model.read_text().splitlines(True) if "'vme'" not in line))
    for driver in root.glob("usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so"):
        driver.unlink()
    run("chroot", root, "groupadd", "-f", "-r", "libvirt")
