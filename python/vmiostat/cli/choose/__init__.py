"""What a command reports: of which domains and devices, and in which order."""
