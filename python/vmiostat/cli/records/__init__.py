"""Reports for programs: JSON and CSV, and the JSON Schema."""
