"""Runs tests/xen in dom0, which has no network: all that they need is brought along, as wheels."""

import shutil
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from tests.lab.command import LabError, run
from tests.lab.xen import dom0
from tests.lab.xen.place import Place

_PROJECT = Path(__file__).parents[3]
_PYTHON = "3.11"
"""What Debian's suite has."""
_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(17, 37)]
"""glibc 2.36, and all that older ones can run. pip does not know that, if it is told a platform."""
_WITHIN = 1800


def install(place: Place, wheel: Path) -> None:
    """Installs the wheel in dom0, and what it and the tests need. Raises LabError."""
    place.wheels.mkdir(exist_ok=True)
    for old in place.wheels.glob("vmiostat-*"):
        old.unlink()
    run(
        *(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--dest", place.wheels),
        *("--only-binary", ":all:", "--python-version", _PYTHON),
        *(f"--platform={platform}" for platform in _PLATFORMS),
        *("--group", f"{_PROJECT / 'pyproject.toml'}:dom0", wheel),
    )
    dom0.copy_in(place, place.wheels, "/root")
    # Debian forbids pip to touch what its packages own; here nothing else is.
    pip = "python3 -m pip install --quiet --root-user-action=ignore --break-system-packages --no-index --no-compile"
    dom0.run(place, f"{pip} --find-links /root/wheels --force-reinstall --no-deps /root/wheels/*.whl", within=300)


def run_all(place: Place, arguments: Sequence[str]) -> int:
    """Runs them with these arguments for pytest; its exit status, and 1 where a test skipped. Raises LabError."""
    dom0.run(place, "rm -rf /root/project && mkdir /root/project")
    dom0.copy_in(place, _PROJECT / "tests", "/root/project")
    dom0.copy_in(place, _PROJECT / "pyproject.toml", "/root/project")
    options = '-o addopts="-ra --import-mode=importlib" -p no:cacheprovider --junitxml=/shared/junit.xml'
    words = " ".join(arguments) or "tests/xen"
    status = dom0.follow(
        place,
        f"cd /root/project && VMIOSTAT_XEN=1 PYTHONUNBUFFERED=1 python3 -m pytest {options} {words}",
        within=_WITHIN,
    )
    result = place.shared / "junit.xml"
    if not result.exists():
        raise LabError(f"the tests have not run in dom0 (exit status {status})")
    shutil.copyfile(result, place.folder / "junit.xml")
    skipped = [
        case.get("name") for case in ElementTree.parse(result).iter("testcase") if case.find("skipped") is not None
    ]
    if skipped:
        print(f"These skipped, and in dom0 none may: {', '.join(map(str, skipped))}")
    return status or bool(skipped)
