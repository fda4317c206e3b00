"""Queries VMMs for the disk counters that only they have, in a thread of its own, outside the poll."""
