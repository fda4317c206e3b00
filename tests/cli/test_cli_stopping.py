"""How the command ends: by Ctrl-C, SIGTERM, a closed pipe, a pipe that is not read."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from testkit.command import COMMAND, XEN, started, vmiostat


def test_ctrl_c_ends_after_a_whole_report_with_status_0() -> None:
    with started("--root", XEN, "--json", "0.001") as command:
        assert command.stdout is not None
        assert command.stderr is not None
        for _ in range(20):
            json.loads(command.stdout.readline())
        command.send_signal(signal.SIGINT)
        # Not communicate(): it reads past what readline() has in its buffer.
        rest, complaint = command.stdout.read(), command.stderr.read()
        assert command.wait(60) == 0
    assert complaint == ""
    assert rest == "" or rest.endswith("\n")
    for line in rest.splitlines():
        assert json.loads(line)["block"]


def test_ctrl_c_ends_the_command_quietly_while_it_starts() -> None:
    for delay in range(40, 240, 10):  # milliseconds
        with started("--root", XEN, "-b", "60") as command:
            assert command.stdout is not None
            time.sleep(delay / 1000)
            # Until the package is imported Python's own handler is there, which prints a traceback.
            ours = "vmiostat/_core" in Path(f"/proc/{command.pid}/maps").read_text()
            command.send_signal(signal.SIGINT)
            if ours:
                _, complaint = command.communicate(timeout=60)
                assert (command.returncode, complaint) == (0, "")
            else:
                command.kill()
                command.communicate()


def test_a_count_ends_with_the_averages() -> None:
    text = vmiostat("--root", XEN, "-b", "0.05", "3")
    assert text.count("\nAverage:\n") == 1
    assert text.count("Domain-1 xvda") == 4
    assert "Average:" not in vmiostat("--root", XEN, "-b", "-y", "0.05", "1")
    assert "Average" not in vmiostat("--root", XEN, "-b", "--csv", "0.05", "3")


def test_ctrl_c_prints_the_averages() -> None:
    with started("--root", XEN, "-b", "0.05") as command:
        assert command.stdout is not None
        assert command.stderr is not None
        reports = 0
        while reports < 4:
            reports += command.stdout.readline().startswith("Domain-1 xvda")
        command.send_signal(signal.SIGINT)
        rest, complaint = command.stdout.read(), command.stderr.read()
        assert (command.wait(60), complaint) == (0, "")
    average = rest.partition("\nAverage:\n")[2].split("\n")
    assert average[1].startswith("Domain ")
    assert average[2].split() == ["Domain-1", "xvda", *["0.00"] * 6, "-", "-", "-"]


def test_ctrl_c_ends_a_long_wait_at_once() -> None:
    with started("--root", XEN, "3600") as command:
        assert command.stdout is not None
        command.stdout.readline()
        time.sleep(0.2)
        command.send_signal(signal.SIGINT)
        _, complaint = command.communicate(timeout=60)
    assert (command.returncode, complaint) == (0, "")


def test_sigterm_is_what_the_exit_status_says() -> None:
    with started("--root", XEN, "--json", "1") as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.terminate()
        _, complaint = command.communicate(timeout=60)
    assert (command.returncode, complaint) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pipe_that_is_not_read_does_not_keep_the_command(number: signal.Signals) -> None:
    with started("--root", XEN, "--json", "0.0001") as command:
        assert command.stdout is not None
        os.read(command.stdout.fileno(), 1)
        time.sleep(1.5)  # until the pipe (64 KiB) is full, and the command waits in a write
        command.send_signal(number)
        assert command.wait(60) in (0, 128 + number)


@pytest.mark.alone  # other tests run what is only called like a VMM, which is a warning
@pytest.mark.parametrize(
    "options", [["0.01"], ["--json", "0.01"], ["--csv", "0.01"], ["--help"], ["devices", "--help"]]
)
def test_a_closed_pipe_is_no_error(options: list[str], tmp_path: Path) -> None:
    shell = 'mkfifo out; head -n 1 <out >/dev/null & "$@" >out; echo $?; wait'
    command = ["sh", "-c", shell, "sh", *COMMAND, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.alone  # other tests run what is only called like a VMM, which is a warning
@pytest.mark.parametrize("options", [["1"], ["devices"], ["--help"], ["--version"]])
def test_a_pipe_without_a_reader_is_no_error(options: list[str]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([*COMMAND, *options], stdout=theirs, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("options", [["--root", str(XEN)], ["--help"], ["devices", "--help"], ["--version"]])
def test_a_full_disk_is_an_error(options: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, *options], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr == b"vmiostat: standard output: No space left on device\n"


def test_a_pipe_that_does_not_block_gets_everything() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    command = subprocess.Popen([*COMMAND, "--root", XEN, "--json", "0.001", "200"], stdout=theirs)
    os.close(theirs)
    time.sleep(1)  # the pipe is full by now
    with os.fdopen(ours) as lines:
        assert sum(bool(json.loads(line)["block"]) for line in lines) == 200
    assert command.wait(60) == 0


def test_closed_descriptors_are_survived() -> None:
    def shell(redirection: str) -> tuple[int, str, str]:
        command = ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, "--root", str(XEN.parent), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    # A folder without proc and sys: there are warnings, and nothing to report.
    assert shell("2>&-") == (1, "", "")
    status, out, complaint = shell(f"--root {XEN} >&-")
    assert (status, out) == (1, "")
    assert complaint == "vmiostat: standard output: Bad file descriptor\n"
