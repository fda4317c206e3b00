"""A virtual machine from the command line of its Firecracker: its id. Its devices are configured through its API."""

from collections.abc import Sequence

from vmiostat.discovery.vmm.command_line import CommandLine

_DEFAULT = "anonymous-instance"


def command_line(arguments: Sequence[str]) -> CommandLine:
    """The machine that it starts.

    >>> command_line(["/firecracker", "--id", "web1", "--api-sock", "/run/firecracker.socket"]).name
    'web1'
    """
    name = None
    for word, following in zip(arguments[1:], [*arguments[2:], ""], strict=False):
        if word == "--id":
            name = following
        elif word.startswith("--id="):
            name = word.removeprefix("--id=")
    return CommandLine(name=None if name == _DEFAULT else name or None, type="kvm")
