"""Options that several commands share. A wrong one is an error of one sentence, with exit status 2."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from vmiostat.cli.choose import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmiostat import Domain, Host
    from vmiostat.cli.choose.selection import Selection


FOLDERS = ("proc", "sys", "dev", "run")
"""Those of a machine, each of which may be elsewhere than below its root."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence. Options may stand anywhere, and `words` are the rest.

    They become `domains`, `interval` and `count`.
    """

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The options of a command line."""
        options = self.parse_intermixed_args(_joined(args or []), namespace)
        try:
            meant = words.split(options.words)
        except argparse.ArgumentTypeError as error:
            self.error(str(error))
        options.domains, options.interval, options.count = meant.domains, meant.interval, meant.count
        for command in words.COMMANDS:
            if command in options.domains:
                self.error(f"{command!r} is a command; put it first: vmiostat {command} ...")
        return options

    def print_help(self, file: Any = None) -> None:
        """Not as argparse does, which takes a full disk for a success."""
        from vmiostat.cli.output import write

        write(self.format_help())

    def error(self, message: str) -> NoReturn:
        from vmiostat.cli.output import complain

        complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def parser(command: str, *, usage: str, description: str, epilog: str | None = None) -> Parser:
    """A parser with the options for the machine and its devices."""
    made = Parser(
        prog=f"vmiostat {command}".rstrip(),
        usage=usage,
        description=description,
        epilog=epilog,
        allow_abbrev=False,  # one that is unique today may be ambiguous tomorrow
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "words",
        metavar="DOMAIN",
        nargs="*",
        help="a domain's name, a glob of names ('web*'), or a UUID; without one, all domains",
    )
    which = made.add_argument_group("which devices")
    which.add_argument(
        "--device",
        metavar="GLOB",
        action="append",
        default=[],
        help="only devices of this name, such as vda or 'vnet*' (can be given several times)",
    )
    which.add_argument(
        "--exclude",
        metavar="GLOB",
        action="append",
        default=[],
        help="no domain and no device of this name (can be given several times)",
    )
    which.add_argument("-b", "--block", action="store_true", help="block devices (alone: no interfaces)")
    which.add_argument("-i", "--interface", action="store_true", help="interfaces (alone: no block devices)")
    which.add_argument(
        "--host",
        action="store_true",
        help="report the host's own devices too, as the domain `host`; without guests they are reported anyway",
    )
    which.add_argument(
        "--view",
        choices=["guest", "host"],
        default="guest",
        help="rx and tx from the guest's side (its rx is the tx of its tap), or from the host's, as in /proc/net/dev",
    )
    machine = made.add_argument_group("which machine")
    where = machine.add_mutually_exclusive_group()
    where.add_argument(
        "--xml",
        metavar="PATH",
        type=_path,
        action="append",
        help="domains from a libvirt domain XML file, a folder of them, or a Xen file (xl list -l, *.cfg), instead of "
        "those that run here (can be given several times)",
    )
    where.add_argument(
        "-c",
        "--connect",
        metavar="URI",
        type=_uri,
        help="query libvirt, too, for the VMs that run here (qemu:///system)",
    )
    machine.add_argument(
        "--root",
        metavar="DIR",
        type=_path,
        default="/",
        help="a captured machine: a folder with its proc and sys",
    )
    for folder in FOLDERS:
        machine.add_argument(
            f"--{folder}", metavar="DIR", type=_path, help=f"where its /{folder} is, if not below the root"
        )
    machine.add_argument(
        "--vmm",
        metavar="PATH",
        type=_absolute_path,
        action="append",
        default=[],
        help="trust this VMM, too, which is not in a usual place (can be given several times; * in its last part)",
    )
    machine.add_argument(
        "--no-unverified",
        dest="unverified",
        action="store_false",
        help="do not show processes that are only called like a VMM",
    )
    made.add_argument("--version", action="store_true", help="print the version and exit")
    return made


def machine(options: argparse.Namespace) -> Host:
    """The machine of the options."""
    from vmiostat import Host

    folders = {folder: getattr(options, folder) for folder in FOLDERS}
    return Host(
        options.root,
        **folders,
        xml=options.xml,
        libvirt=options.connect,
        view=options.view,
        vmms=options.vmm,
        unverified=options.unverified,
    )


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a path must not be empty")
    return text


def _absolute_path(text: str) -> str:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with /")
    return text


def _uri(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a URI must not be empty; try qemu:///system")
    return text


def selection(options: argparse.Namespace) -> Selection:
    """Which domains and devices the options select."""
    from vmiostat.cli.choose.selection import Selection

    return Selection.of(options)


def find(options: argparse.Namespace) -> tuple[Host, list[Domain]]:
    """The machine of the options, and its domains with the devices that they select.

    Problems are printed on standard error; they cost no other domain. Raises Error for a domain that is not there.
    """
    from vmiostat.cli.warnings import Warnings

    host = machine(options)
    domains = host.domains(host=options.host)
    Warnings().update(host.problems)
    select = selection(options)
    select.check(domains)
    return host, [chosen for domain in domains if (chosen := select(domain)) is not None]


def _joined(arguments: Sequence[str]) -> list[str]:
    """`--sort -FIELD` as one word: argparse would take the second for an option."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] == "--sort" and word.startswith("-"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
