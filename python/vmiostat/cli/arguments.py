"""Options that several commands share. A wrong one is an error of one sentence, with exit status 2."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from vmiostat import Domain, Host


FOLDERS = ("proc", "sys", "dev", "run")
"""Those of a machine, each of which may be elsewhere than below its root."""


LONGEST_INTERVAL = 10**9
"""Seconds. A longer one is a typing error, and time.sleep would refuse it."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

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
    which = made.add_argument_group("which devices")
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


def interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        from vmiostat.cli.main import COMMANDS

        hint = f"; put it first: vmiostat {text} ..." if text in COMMANDS else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds{hint}") from None
    if not 0 < seconds <= LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"{text} is not an interval: it must be above 0 and at most {LONGEST_INTERVAL} seconds"
        )
    return max(seconds, 1e-9)  # the clock's unit: dividing by less can overflow


def selected(domain: Domain, options: argparse.Namespace) -> Domain:
    """The domain with the devices that the options select."""
    from dataclasses import replace

    if options.block and not options.interface:
        return replace(domain, interfaces=())
    if options.interface and not options.block:
        return replace(domain, disks=(), total=None)
    return domain


def find(options: argparse.Namespace) -> tuple[Host, list[Domain]]:
    """The machine of the options, and its domains with the devices that they select.

    Problems are printed on standard error; they cost no other domain.
    """
    from vmiostat.cli.warnings import Warnings

    host = machine(options)
    domains = host.domains(host=options.host)
    Warnings().update(host.problems)
    return host, [selected(domain, options) for domain in domains]
