"""Runs tests/xen in dom0, which has no network: all that they need is brought along."""

import shutil
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from lab.command import run
from lab.xen import dom0
from lab.xen.place import Place

_PROJECT = Path(__file__).parents[2]
_PYTHON = "3.11"
"""What Debian's suite has."""
_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(17, 37)]
"""glibc 2.36, and all that older ones can run. pip does not know that, if it is told a platform."""
_PLACE = "/opt"
"""Where all of it is in dom0: a folder that everybody may read."""
_WITHIN = 3600


def install(place: Place, wheel: Path) -> None:
    """Installs the wheel by dom0's own pip, and puts what it and the tests need beside it. Raises LabError."""
    shutil.rmtree(place.python, ignore_errors=True)
    run(
        *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", place.python),
        *("--only-binary", ":all:", "--python-version", _PYTHON, *(f"--platform={one}" for one in _PLATFORMS)),
        *("--group", f"{_PROJECT / 'pyproject.toml'}:dom0", wheel),
    )
    for ours in place.python.glob("vmiostat*"):  # it was named for the sake of its dependencies
        shutil.rmtree(ours)
    dom0.copy_in(place, place.python, _PLACE)
    dom0.copy_in(place, wheel, _PLACE)
    # Debian forbids pip to touch what its packages own; here nothing else is.
    options = "--quiet --root-user-action=ignore --break-system-packages --no-index --no-deps --force-reinstall"
    dom0.run(place, f"python3 -m pip install {options} {_PLACE}/{wheel.name}", within=300)


def run_all(place: Place, arguments: Sequence[str]) -> int:
    """Runs them with these arguments for pytest; its exit status, and 1 where a test skipped. Raises LabError."""
    for part in ("tests", "testkit", "lab", "pyproject.toml"):
        dom0.copy_in(place, _PROJECT / part, _PLACE)
    environment = f"VMIOSTAT_XEN=1 PYTHONUNBUFFERED=1 PYTHONPATH={_PLACE}/{place.python.name}"
    options = f'-o addopts="-ra --import-mode=importlib" -p no:cacheprovider --junitxml={_PLACE}/junit.xml'
    words = " ".join(arguments) or "tests/xen"
    status = dom0.follow(
        place,
        f"cd {_PLACE} && rm -f junit.xml && {environment} python3 -m pytest {options} {words}",
        lambda line: print(line, end="", flush=True),
        within=_WITHIN,
    )
    result = place.folder / "junit.xml"
    result.write_text(dom0.run(place, f"cat {_PLACE}/junit.xml"))
    cases = ElementTree.parse(result).iter("testcase")
    skipped = [case.get("name", "") for case in cases if case.find("skipped") is not None]
    if skipped:
        print(f"These skipped, and in dom0 none may: {', '.join(skipped)}")
    return status or bool(skipped)
