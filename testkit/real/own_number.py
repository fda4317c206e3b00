"""A number that no other test running now has, for names and numbers that are the whole machine's."""

import os

OWN_NUMBER = int(os.environ.get("VMIOSTAT_WORKER") or os.getpid())
"""tests/worker's process in the machine's own namespace: process numbers inside repeat from worker to worker."""
