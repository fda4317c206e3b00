"""What processes are not allowed here, there and in containers: each function takes it from the caller for good."""

import ctypes
import os
import socket
import struct

_NOBODY = 65534
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 4, 38, 22
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWNS, _CLONE_NEWNET, _CLONE_NEWPID = 0x20000, 0x40000000, 0x20000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def not_root() -> None:
    """Becomes nobody, without groups and capabilities."""
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    # Who was root is secret even to himself, unlike who began as nobody.
    _checked(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "PR_SET_DUMPABLE")


def hidden_processes() -> None:
    """/proc does not show other users' processes (hidepid); takes effect for who is not root."""
    _own_mounts()
    _mount("proc", "/proc", "proc", 0, "hidepid=2")


def read_only_sys() -> None:
    """/sys as containers have it."""
    _own_mounts()
    _mount("/sys", "/sys", None, _MS_BIND | _MS_REC)
    _mount(None, "/sys", None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def own_namespaces() -> None:
    """Sees only the processes and interfaces of its own namespaces, as in a container; its child does, to be exact."""
    _own_mounts()
    _checked(_libc.unshare(_CLONE_NEWNET | _CLONE_NEWPID), "unshare")
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status))
    _mount("proc", "/proc", "proc")
    _mount("sysfs", "/sys", "sysfs")


def no_netlink() -> None:
    """socket(AF_NETLINK) is refused, as by systemd's RestrictAddressFamilies= and some container runtimes."""
    number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]  # of the system call
    data, family, allow, refuse = 0, 16, 0x7FFF0000, 0x00050000 | 1  # EPERM
    load, equal, answer = 0x20, 0x15, 0x06  # struct seccomp_data: nr at 0, args at 16
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (load, 0, 0, data),
            (equal, 0, 3, number),
            (load, 0, 0, family),
            (equal, 0, 1, socket.AF_NETLINK),
            (answer, 0, 0, refuse),
            (answer, 0, 0, allow),
        )
    )
    memory = ctypes.create_string_buffer(program)
    filters = struct.pack("@HP", len(program) // 8, ctypes.addressof(memory))
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filters, 0, 0), "PR_SET_SECCOMP")


def _own_mounts() -> None:
    _checked(_libc.unshare(_CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def _mount(source: str | None, target: str, kind: str | None, flags: int = 0, options: str | None = None) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    _checked(_libc.mount(*words, flags, None if options is None else options.encode()), f"mount {target}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


ALL = {
    function.__name__: function for function in (not_root, hidden_processes, read_only_sys, own_namespaces, no_netlink)
}
