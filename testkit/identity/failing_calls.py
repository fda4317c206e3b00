"""System calls that fail in one thread: by a seccomp filter, which a thread keeps until it ends."""

import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000

NUMBERS = {
    "x86_64": {
        "pread64": 17,
        "ioctl": 16,
        "recvfrom": 45,
        "preadv": 295,
        "recvmmsg": 299,
        "openat": 257,
        "openat2": 437,
    },
    "aarch64": {
        "pread64": 67,
        "ioctl": 29,
        "recvfrom": 207,
        "preadv": 69,
        "recvmmsg": 243,
        "openat": 56,
        "openat2": 437,
    },
}.get(platform.machine(), {})
"""System calls by name; none on other machines."""

_libc = ctypes.CDLL(None, use_errno=True)


def fail_in_this_thread(failures: Mapping[str, int]) -> None:
    """These system calls of the calling thread fail from now on, each with its errno."""
    steps = [(_LOAD, 0, 0, 0)]  # the number of the call
    for name, number in failures.items():
        steps += [(_JUMP_IF_EQUAL, 0, 1, NUMBERS[name]), (_RETURN, 0, 0, _ERRNO | number)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("H6xP", len(steps), ctypes.addressof(code)))
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0)):
        if _libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "prctl")


READS_FAIL = {"pread64": errno.EIO, "preadv": errno.EIO}
CHECKS_FAIL = {"ioctl": errno.ENOMEM, "openat": errno.EMFILE}
MESSAGES_FAIL = {"recvfrom": errno.ENOBUFS, "recvmmsg": errno.ENOBUFS}


@contextmanager
def few_descriptors(left: int) -> Iterator[None]:
    """This process can open about so many more. Others of its threads must not need any meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
