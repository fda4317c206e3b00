"""Queries VMMs for the disk counters that only they have, in a thread beside the poll."""
