"""For how long one select may wait."""

MAX_SELECT_TIMEOUT = 86400.0
"""Seconds. The kernel counts milliseconds in 32 bits, some 24 days; whoever waits for longer selects again."""
