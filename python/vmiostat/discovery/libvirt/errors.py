"""What libvirt's errors mean to somebody who has to do something about them."""

from typing import Any

# From libvirt/virterror.h; their numbers are libvirt's ABI.
_NO_CONNECT = 5
_AUTH = (45, 79, 94)
"""VIR_ERR_AUTH_FAILED, _AUTH_CANCELLED, _AUTH_UNAVAILABLE"""
NO_DOMAIN = 42

_NOT_RUNNING = ("No such file or directory", "Connection refused")
_CLOSED = ("Permission denied", "Operation not permitted")


def code(error: BaseException) -> int | None:
    """The number of libvirt's error; None for any other error."""
    number = getattr(error, "get_error_code", None)
    return None if number is None else number()


def sentence(error: BaseException) -> str:
    """The error's own words on one line, and what helps."""
    words = " ".join(str(error).split()) or type(error).__name__
    return f"{words}{_what_helps(words, code(error))}"


def _what_helps(words: str, number: Any) -> str:
    if number in _AUTH:
        return (
            "; polkit must allow org.libvirt.unix.monitor to this user: be root or in the group libvirt, or add a rule"
        )
    if number == _NO_CONNECT:
        return "; this libvirt has no driver for such a URI: is it spelled right, and the driver's package installed?"
    if any(text in words for text in _CLOSED):
        return "; this takes root, or the group libvirt"
    if any(text in words for text in _NOT_RUNNING):
        return "; is libvirtd (or virtqemud) running, and is the socket where the URI says?"
    return ""
