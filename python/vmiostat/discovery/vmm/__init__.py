"""Virtual machines found by the processes of their VMMs."""
