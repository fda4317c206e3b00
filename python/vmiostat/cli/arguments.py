"""Options that several commands share, and how a wrong one is told: one sentence, exit status 2."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from vmiostat import Domain, Host


FOLDERS = ("proc", "sys", "dev", "run")
"""A machine's, each of which may be elsewhere than below its root."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        from vmiostat.cli.output import complain

        complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def parser(command: str, *, usage: str, description: str, epilog: str | None = None) -> Parser:
    """A parser with the options about which machine is meant and what of it."""
    made = Parser(
        prog=f"vmiostat {command}".rstrip(),
        usage=usage,
        description=description,
        epilog=epilog,
        allow_abbrev=False,  # an abbreviation that works today would be ambiguous tomorrow
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = made.add_argument_group("which devices")
    which.add_argument("-b", "--block", action="store_true", help="block devices (alone: no interfaces)")
    which.add_argument("-i", "--interface", action="store_true", help="interfaces (alone: no block devices)")
    which.add_argument(
        "--host",
        action="store_true",
        help="the host's own devices, too, as the domain `host`; without guests they are there in any case",
    )
    which.add_argument(
        "--view",
        choices=["guest", "host"],
        default="guest",
        help="whose rx and tx are meant: the guest's (its rx is its tap's tx), or the host's as /proc/net/dev has them",
    )
    machine = made.add_argument_group("which machine")
    where = machine.add_mutually_exclusive_group()
    where.add_argument(
        "--xml",
        metavar="PATH",
        type=_path,
        action="append",
        help="a libvirt domain XML file, a folder of them, or a file of Xen's (xl list -l, *.cfg), instead of what "
        "runs here (can be given several times)",
    )
    where.add_argument(
        "-c",
        "--connect",
        metavar="URI",
        type=_uri,
        help="ask libvirt, too, for the VMs that run here (qemu:///system)",
    )
    machine.add_argument(
        "--root",
        metavar="DIR",
        type=_path,
        default="/",
        help="a captured machine: the folder that holds its proc and sys",
    )
    for folder in FOLDERS:
        machine.add_argument(
            f"--{folder}", metavar="DIR", type=_path, help=f"where its /{folder} is, if not below the root"
        )
    made.add_argument("--version", action="store_true", help="print the version and end")
    return made


def machine(options: argparse.Namespace) -> Host:
    """The machine that the options mean."""
    from vmiostat import Host

    folders = {folder: getattr(options, folder) for folder in FOLDERS}
    return Host(options.root, **folders, xml=options.xml, libvirt=options.connect, view=options.view)


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an empty text is no path")
    return text


def _uri(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an empty text is no URI; libvirt's own is qemu:///system")
    return text


def asked(domain: Domain, options: argparse.Namespace) -> Domain:
    """The domain with the asked kinds of devices."""
    from dataclasses import replace

    if options.block and not options.interface:
        return replace(domain, interfaces=())
    if options.interface and not options.block:
        return replace(domain, disks=(), total=None)
    return domain


def find(options: argparse.Namespace) -> tuple[Host, list[Domain]]:
    """The machine that the options mean, and its domains with the asked kinds of devices.

    What could not be understood of a domain is told on standard error, a line each; the others go on.
    """
    from vmiostat.cli.warnings import Warnings

    host = machine(options)
    domains = host.domains(host=options.host)
    Warnings().tell(host.problems)
    return host, [asked(domain, options) for domain in domains]
