"""The lab's command line: python -m lab.kernels up | down | status | run KERNEL COMMAND... | test WHEEL."""

import argparse
import sys
from pathlib import Path

from lab.command import LabError
from lab.kernels import commands, guest_tests, lab
from lab.kernels.commands import Command
from lab.kernels.place import Place

_NOBODY = 65534


def main() -> int:
    """Does what the command line says; the exit status."""
    place = Place.chosen()
    options = _parser().parse_args()
    try:
        match options.command:
            case "up":
                for kernel in options.kernels or lab.KERNELS:
                    lab.up(place, kernel, again=options.again)
                    print(lab.status(place, kernel))
            case "down":
                for kernel in lab.KERNELS:
                    lab.down(place, kernel)
                if options.all:
                    lab.remove(place)
            case "status":
                for kernel in lab.KERNELS:
                    print(lab.status(place, kernel))
            case "run":
                return _run(place, options)
            case "test":
                return guest_tests.run_all(place, options.wheel, options.kernel or lab.KERNELS, options.words)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 124 if isinstance(error, commands.CommandTimeout) else 125
    return 0


def _run(place: Place, options: argparse.Namespace) -> int:
    command = Command(options.words, user=_NOBODY if options.nobody else 0)
    streams = {"out": sys.stdout.buffer, "err": sys.stderr.buffer}

    def tell(stream: str, data: bytes) -> None:
        streams[stream].write(data)
        streams[stream].flush()

    status = commands.follow(place.machine(options.kernel), command, tell, within=options.within)
    return status if status >= 0 else 128 - status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.kernels",
        description="Machines with Debian's kernels and this machine's root.",
        epilog="Exit status 124: a command had not ended in time; 125: the machine or the lab failed.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring machines up, all unless kernels are named")
    up.add_argument("--again", action="store_true", help="reboot a machine that is up, so that it sees changed files")
    up.add_argument("kernels", metavar="KERNEL", nargs="*", choices=[*lab.KERNELS, []], help=", ".join(lab.KERNELS))
    down = commands.add_parser("down", help="end them")
    down.add_argument("--all", action="store_true", help="remove also the kernels, which are kept for the next time")
    commands.add_parser("status", help="show what runs")
    run = commands.add_parser("run", help="run a program in a machine")
    run.add_argument("--nobody", action="store_true", help="run it as an unprivileged user")
    run.add_argument("--within", type=float, default=600, metavar="SECONDS", help="kill it after so long (600)")
    run.add_argument("kernel", choices=lab.KERNELS)
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    test = commands.add_parser("test", help="run tests in machines that are booted for them")
    test.add_argument("--kernel", action="append", choices=lab.KERNELS, help="only in this one (repeatable)")
    test.add_argument("wheel", type=Path)
    test.add_argument("words", nargs=argparse.REMAINDER, help="arguments for pytest (tests/kernels and a few more)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
