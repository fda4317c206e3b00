"""The lab's command line: python -m lab.xen up | down [--all] | status | dom0 CMD | guest NAME CMD | copy-in."""

import argparse
import sys
from pathlib import Path

from lab.command import LabError
from lab.xen import dom0, dom0_tests, lab
from lab.xen.place import Place


def main() -> int:
    """Does what the command line says; the exit status."""
    place = Place.chosen()
    options = _parser().parse_args()
    try:
        match options.command:
            case "up":
                lab.up(place)
                print(lab.status(place))
            case "down":
                lab.down(place, everything=options.all)
            case "status":
                print(lab.status(place))
                return 0 if lab.is_up(place) else 3
            case "dom0":
                return dom0.follow(place, " ".join(options.words), within=3600)
            case "guest":
                words = "' '".join([options.guest, *options.words])
                return dom0.follow(place, f"python3 /run/lab/console.py '{words}'", within=300)
            case "copy-in":
                dom0.copy_in(place, options.what, options.to)
            case "test":
                dom0_tests.install(place, options.wheel)
                return dom0_tests.run_all(place, options.words)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.xen", description="A real Xen with real guests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring it up")
    down = commands.add_parser("down", help="end it")
    down.add_argument("--all", action="store_true", help="also the images, which are kept for the next time")
    commands.add_parser("status", help="tell what runs")
    commands.add_parser("dom0", help="run a shell command in dom0").add_argument("words", nargs=argparse.REMAINDER)
    guest = commands.add_parser("guest", help=f"run a shell command in one of {', '.join(lab.GUESTS)}")
    guest.add_argument("guest")
    guest.add_argument("words", nargs=argparse.REMAINDER)
    copy = commands.add_parser("copy-in", help="copy a file or folder into a folder of dom0")
    copy.add_argument("what", type=Path)
    copy.add_argument("to", nargs="?", default="/root")
    test = commands.add_parser("test", help="install a wheel in dom0, and run tests there")
    test.add_argument("wheel", type=Path)
    test.add_argument("words", nargs=argparse.REMAINDER, help="arguments for pytest (tests/xen)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
