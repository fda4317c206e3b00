"""Threads that must survive forks, leave signals alone, and may never return."""
