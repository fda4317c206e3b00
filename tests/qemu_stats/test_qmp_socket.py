"""Which QMP sockets on a command line other clients may use."""

import pytest

from vmiostat.qemu_stats.qmp_socket import qmp_socket


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("-qmp unix:/run/vm1.qmp,server=on,wait=off", "/run/vm1.qmp"),
        ("-qmp unix:/run/vm1.qmp,server,nowait", "/run/vm1.qmp"),
        ("--qmp-pretty unix:vm1.qmp,server=on,wait=off", "vm1.qmp"),
        ("-qmp unix:path=/run/a,,b,server=on,wait=off", "/run/a,b"),
        ("-chardev socket,id=q,path=/run/q,server=on,wait=off -mon chardev=q,mode=control", "/run/q"),
        ("-mon q,mode=control -chardev socket,id=q,path=/run/q,server=on,wait=off", "/run/q"),
        ("-qmp chardev:q -chardev socket,id=q,path=/run/q,server=on,wait=off", "/run/q"),
        # Proxmox: one to connect to, and one through which QEMU connects to a daemon.
        (
            "-chardev socket,id=qmp,path=/var/run/qemu-server/100.qmp,server=on,wait=off -mon chardev=qmp,mode=control "
            "-chardev socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect=5 -mon chardev=qmp-event,mode=control",
            "/var/run/qemu-server/100.qmp",
        ),
        # libvirt: its own, inherited or by path, and an additional one.
        (
            "-chardev socket,id=charmonitor,fd=27,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control",
            None,
        ),
        (
            "-chardev socket,id=charmonitor,path=/var/lib/libvirt/qemu/domain-1-vm1/monitor.sock,server=on,wait=off "
            "-mon chardev=charmonitor,id=monitor,mode=control -qmp unix:/run/second,server=on,wait=off",
            "/run/second",
        ),
        # Xen: one for the toolstack, and one for statistics.
        (
            "-xen-domid 2 -chardev socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-2,server=on,wait=off "
            "-mon chardev=libxl-cmd,mode=control "
            "-chardev socket,id=libxenstat-cmd,path=/var/run/xen/qmp-libxenstat-2,server=on,wait=off "
            "-mon chardev=libxenstat-cmd,mode=control -nodefaults",
            "/var/run/xen/qmp-libxenstat-2",
        ),
        ("-qmp unix:/run/waits,server=on", None),
        ("-qmp unix:/run/waits,server", None),
        ("-qmp unix:/run/waits,server=on,wait=off,wait=on", None),
        ("-qmp unix:/run/waits,server=on,wait=off -set chardev.compat_monitor0.wait=on", None),
        ("-qmp unix:/run/vm1.qmp,server=on,wait=off -set device.net0.mac=52:54:00:00:00:01", "/run/vm1.qmp"),
        ("-S -qmp unix:/run/stopped,server=on,wait=off", "/run/stopped"),
        ("-qmp unix:/run/calls", None),
        ("-qmp unix:hidden,server=on,wait=off,abstract=on", None),
        ("-qmp tcp:localhost:4444,server=on,wait=off", None),
        ("-qmp stdio", None),
        ("-monitor unix:/run/people,server=on,wait=off", None),
        ("-chardev socket,id=m,path=/run/people,server=on,wait=off -mon chardev=m", None),
        ("-chardev pty,id=q,path=/run/q -mon chardev=q,mode=control", None),
        ("-mon chardev=missing,mode=control -qmp chardev:missing", None),
        ("", None),
    ],
)
def test_which_socket(words: str, path: str | None) -> None:
    assert qmp_socket(["qemu-system-x86_64", *words.split()]) == path
