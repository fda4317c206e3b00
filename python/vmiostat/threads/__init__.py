"""Threads that survive forks, leave signals to the application, and may never return."""
