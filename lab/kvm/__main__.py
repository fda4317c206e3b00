"""The lab's command line: python -m lab.kvm install | up [N] | down [--all] | status | guest, virsh, exec ..."""

import argparse
import os
import sys

from lab.command import LabError
from lab.kvm import console, domain_xml, lab, packages
from lab.kvm.place import Place


def main() -> int:
    """Does what the command line says; the exit status."""
    place = Place.chosen()
    options = _parser().parse_args()
    try:
        match options.command:
            case "install":
                packages.install()
            case "up":
                lab.up(place, options.guests)
                print(lab.status(place))
            case "down":
                lab.down(place, everything=options.all)
            case "status":
                print(lab.status(place))
                return 0 if lab.is_up(place) else 3
            case "guest":
                print(console.run(place, domain_xml.RICH, " ".join(options.words)), end="")
            case "virsh":
                os.execvp("virsh", ["virsh", "-c", place.uri, *options.words])
            case "exec":
                os.execvp(place.inside[0], [*place.inside, *options.words])
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.kvm", description="A real libvirtd with real guests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install the packages that it needs; up does so, too")
    up = commands.add_parser("up", help="bring it up with N guests; what is there already stays")
    up.add_argument("guests", metavar="N", type=int, nargs="?", default=lab.GUESTS)
    down = commands.add_parser("down", help="end what it started, and remove what it made")
    down.add_argument("--all", action="store_true", help="also the guest's kernel, which is kept for the next time")
    commands.add_parser("status", help="tell what runs")
    for name, does in (
        ("guest", "run a shell command in vm1"),
        ("virsh", "run virsh on the lab"),
        ("exec", "run a program where libvirtd runs: in its network namespace, with its /sys and /run"),
    ):
        commands.add_parser(name, help=does).add_argument("words", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
