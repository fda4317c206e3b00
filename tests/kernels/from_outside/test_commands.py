"""The host side reports how a command ended, or what happened to its machine, and never waits for ever."""

import os
import signal
import sys
import threading

import pytest

from lab.kernels import commands
from lab.kernels import machine as qemu
from lab.kernels.commands import Command
from lab.kernels.initial_files import PROJECT
from lab.kernels.place import MachinePlace

pytestmark = pytest.mark.timeout(600)

WITHIN = 300.0
"""Seconds in which a machine reboots, even on a busy host."""
HANGS = """
import pathlib, subprocess
from tests.kernels.hanging_fuse import Operation, hanging_fuse
with hanging_fuse(pathlib.Path("/run/hanging"), Operation.GETATTR) as hanging:
    hanging.hang()
    subprocess.run(["stat", "-L", hanging.descriptor])
"""


def shell(line: str) -> Command:
    return Command(["sh", "-c", line])


def test_output_input_and_status(machine: MachinePlace) -> None:
    script = 'cat; echo "$LAB" >&2; pwd; id -u; kill -TERM $$'
    command = Command(["sh", "-c", script], user=65534, folder="/usr", environment={"LAB": "7"}, input=b"\xff\n")
    assert commands.run(machine, command) == commands.Done(-signal.SIGTERM, b"\xff\n/usr\n65534\n", b"7\n")


def test_much_output(machine: MachinePlace) -> None:
    assert len(commands.run(machine, shell("head -c 3000000 /dev/zero")).out) == 3_000_000


def test_no_such_program(machine: MachinePlace) -> None:
    done = commands.run(machine, Command(["no-such-program"]))
    assert done.status == 127
    assert b"cannot run ['no-such-program']: [Errno 2] No such file or directory" in done.err


def test_several_at_a_time(machine: MachinePlace) -> None:
    waits = threading.Thread(target=commands.run, args=(machine, shell("until [ -e /run/go ]; do sleep 0.1; done")))
    waits.start()
    assert commands.run(machine, shell("touch /run/go")).status == 0
    waits.join()


def test_a_command_that_takes_too_long_is_killed(machine: MachinePlace) -> None:
    with pytest.raises(commands.CommandTimeout, match="'sh -c sleep 1234; true' had not ended in time"):
        commands.run(machine, shell("sleep 1234; true"), within=1)
    assert commands.run(machine, Command(["pgrep", "-f", "sleep 1234"])).status == 1


def test_a_command_that_hangs_in_the_kernel_is_said_to(machine: MachinePlace) -> None:
    command = Command([sys.executable, "-c", HANGS], folder=str(PROJECT))
    with pytest.raises(commands.CommandHangs, match=r"stat \(\d+\): state D, in request_wait_answer"):
        commands.run(machine, command, within=30)
    assert commands.run(machine, Command(["true"])).status == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("echo b > /proc/sysrq-trigger", "Resetting"),
        ("echo c > /proc/sysrq-trigger", "Kernel panic"),
        ("modprobe softdog soft_margin=1 && exec sleep 600 > /dev/watchdog", "softdog: Initiating system reboot"),
        ("modprobe i6300esb heartbeat=2 && exec sleep 600 > /dev/watchdog", "has rebooted"),
    ],
    ids=["reboot", "panic", "softdog", "i6300esb"],
)
def test_a_machine_that_reboots_is_said_to(machine: MachinePlace, line: str, said: str) -> None:
    with pytest.raises(commands.MachineRebooted, match=said):
        commands.run(machine, shell(line), within=WITHIN)
    with pytest.raises(commands.MachineRebooted):  # the next command too
        commands.run(machine, Command(["true"]))
    commands.wait_until_up(machine, within=WITHIN)
    assert commands.run(machine, Command(["true"])).status == 0


def test_a_machine_that_powers_off_is_said_to(machine: MachinePlace) -> None:
    for line in ("echo o > /proc/sysrq-trigger; sleep 600", "true"):
        with pytest.raises(commands.MachineEnded, match=f"{machine.kernel} is down"):
            commands.run(machine, shell(line), within=WITHIN)


def test_a_machine_that_does_not_answer_is_said_to(machine: MachinePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_PING", 1.0)
    monkeypatch.setattr(commands, "_SILENCE", 5.0)
    process = qemu.pid(machine)
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(commands.MachineHangs, match="has not answered for 5 s"):
            commands.run(machine, Command(["true"]), within=WITHIN)
    finally:
        os.kill(process, signal.SIGCONT)
