"""`make soak`: one hour each unless SECONDS says otherwise, of steady polling and of changes under stress; prints the
figures, and fails where something grew or a row was not its device.

A minute of floods by unprivileged users follows.
"""

import signal
import sys
import tempfile
from pathlib import Path

from testkit.identity.stress import stress
from testkit.real.devices import network_namespace
from testkit.real.plain_qemu import plain_qemu
from tests.hostile.test_floods import flooded
from tests.soak.limits import check_figures
from tests.soak.soaking import soak

# Whoever ends it early: the devices and the mount go with it all the same.
signal.signal(signal.SIGTERM, signal.default_int_handler)
seconds = float(sys.argv[1])
with tempfile.TemporaryDirectory() as folder, network_namespace(Path(folder, "sys")) as sysfs:
    figures = soak(seconds, sysfs, Path(folder))
print(f"{seconds:,.0f} s: {figures}", flush=True)
check_figures(figures, seconds)
with tempfile.TemporaryDirectory() as folder, network_namespace(Path(folder, "sys")) as sysfs:
    print(stress(seconds, sysfs, Path(folder)), flush=True)
with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as everybodys:
    Path(everybodys).chmod(0o755)
    with plain_qemu("honest", Path(folder)) as qemu:
        flooded(qemu, Path(folder), Path(everybodys), min(60, round(seconds)), print)
