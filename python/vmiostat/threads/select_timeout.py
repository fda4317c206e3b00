"""The longest timeout of one select call."""

MAX_SELECT_TIMEOUT = 86400.0
"""Seconds. The kernel takes milliseconds in 32 bits, some 24 days; whoever waits longer selects again."""
