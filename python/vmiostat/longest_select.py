"""For how long one select may wait."""

LONGEST_SELECT = 86400.0
"""Seconds. The kernel counts milliseconds in 32 bits, some 24 days; whoever waits for longer selects again."""
