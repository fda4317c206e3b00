"""libvirtd, in the lab's namespaces, with settings for a machine without users, systemd and KVM."""

import signal
import time
from pathlib import Path

from lab.command import LabError, run
from lab.kvm import process
from lab.kvm.place import Place

_PROGRAM = "libvirtd"

_LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""

# Guests run as root since nobody gave their images to another user, and log into files: virtlogd is not needed then.
_QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
stdio_handler = "file"
max_queued = 0
"""

# libvirtd leaves its own group to its guests' processes: it joins one below the lab's, which stays free for settings.
_JOIN = 'for list in $(find /sys/fs/cgroup -path "*/daemons/cgroup.procs"); do echo $$ > "$list"; done; exec "$@"'


def start(place: Place) -> None:
    """Starts libvirtd if it does not run, and waits until it answers. Raises LabError."""
    if pid(place) is None:
        (place.folder / "etc/libvirtd.conf").write_text(_LIBVIRTD_CONF)
        (place.folder / "etc/qemu.conf").write_text(_QEMU_CONF)
        daemon = (_PROGRAM, "--daemon", "--pid-file", "/run/libvirtd.pid", "--config", "/etc/libvirt/libvirtd.conf")
        run(*place.inside, "sh", "-c", _JOIN, "sh", *daemon)
    until = time.monotonic() + 30
    while True:
        try:
            run("virsh", "-q", "-c", place.uri, "version")
            return
        except LabError as error:
            if time.monotonic() > until:
                raise LabError(f"libvirtd does not answer, see {place.folder}/log: {error}") from None
            time.sleep(0.1)


def pid(place: Place) -> int | None:
    """libvirtd's; None when it does not run."""
    return process.from_file(place, _pid_file(place), _PROGRAM)


def stop(place: Place, by: signal.Signals = signal.SIGTERM) -> None:
    """Ends libvirtd if it runs; its guests go on. Raises LabError."""
    running = pid(place)
    if running is not None:
        process.end(place, running, _PROGRAM, by=by)


def _pid_file(place: Place) -> Path:
    return place.run / "libvirtd.pid"
