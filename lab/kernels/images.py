"""What the lab boots: a kernel and its modules, out of Debian's packages; made once for each recipe."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab import kernel, other_suite, vmlinux
from lab.kernels import packages
from lab.kernels.place import Place

_RECIPE = tuple(Path(file) for file in (kernel.__file__, other_suite.__file__, vmlinux.__file__, __file__))


@dataclass(frozen=True, slots=True)
class Images:
    """A recipe's folder, and the paths in it."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinux"

    @property
    def modules(self) -> Path:
        """The folder that has that kernel's lib/modules."""
        return self.folder / "kernel"

    @property
    def version(self) -> str:
        return kernel.version(self.modules)


def make(place: Place, name: str) -> Images:
    """Makes those of a kernel, unless they exist, and removes those of another recipe. Raises LabError."""
    suite = packages.SUITES[name]
    parts = (*(file.read_bytes() for file in _RECIPE), suite.encode(), packages.KERNEL.encode())
    recipe = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    made = Images(place.images / name / recipe)
    if made.folder.exists():
        return made
    shutil.rmtree(place.images / name, ignore_errors=True)
    unfinished = Images(place.images / name / "unfinished")
    unfinished.folder.mkdir(parents=True)
    apt = unfinished.folder / "apt"
    kernel.take(packages.KERNEL, unfinished.modules, *other_suite.known(suite, apt))
    shutil.rmtree(apt)
    vmlinux.take_out(kernel.image(unfinished.modules), unfinished.kernel)
    unfinished.folder.rename(made.folder)
    return made
