"""What helps against libvirt's errors."""

from typing import Any

# From libvirt/virterror.h; their numbers are libvirt's ABI.
_NO_CONNECT = 5
_AUTH = (45, 79, 94)
"""VIR_ERR_AUTH_FAILED, _AUTH_CANCELLED, _AUTH_UNAVAILABLE"""
NO_DOMAIN = 42

_NOT_RUNNING = ("No such file or directory", "Connection refused")
_CLOSED = ("Permission denied", "Operation not permitted")


def code(error: BaseException) -> int | None:
    """The number of a libvirt error; None for any other error."""
    number = getattr(error, "get_error_code", None)
    return None if number is None else number()


def sentence(error: BaseException) -> str:
    """The error's text on one line, and what helps."""
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text}{_what_helps(text, code(error))}"


def _what_helps(text: str, number: Any) -> str:
    if number in _AUTH:
        return "; run as root or in the group libvirt, or add a polkit rule that allows org.libvirt.unix.monitor"
    if number == _NO_CONNECT:
        return "; libvirt has no driver for this URI: is it spelled right, and the driver's package installed?"
    if any(phrase in text for phrase in _CLOSED):
        return "; run as root or in the group libvirt"
    if any(phrase in text for phrase in _NOT_RUNNING):
        return "; is libvirtd (or virtqemud) running, and its socket where the URI says?"
    return ""
