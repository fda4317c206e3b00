"""Refused memory is an error of that call, and not the end of the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
from vmiostat import Poller, Roots

ROWS = 200_000
poller = Poller(Roots(), [("web1", "vda", None)] * ROWS, [])
before, after = poller.poll(), poller.poll()
kept = after.block.__arrow_c_array__()  # the columns of names are made once; memory that is freed could be used again
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
# Less than a word for each row.
resource.setrlimit(resource.RLIMIT_AS, (size + ROWS * 4, resource.RLIM_INFINITY))
calls = {"poll": poller.poll, "rates": lambda: after.rates(before), "arrow": lambda: after.block.__arrow_c_array__()}
try:
    calls[sys.argv[1]]()
except MemoryError as error:
    print(error)
"""


@pytest.mark.parametrize("call", ["poll", "rates", "arrow"])
def test_a_call_without_memory_fails_by_itself(call: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, call], capture_output=True, text=True, check=True, timeout=60)
    assert "200000 rows" in done.stdout
