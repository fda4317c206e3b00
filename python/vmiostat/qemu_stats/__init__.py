"""Askers: what only a VMM can tell of its disks is asked beside the poll, never inside it."""
