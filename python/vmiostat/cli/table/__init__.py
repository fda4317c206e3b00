"""Reports for people: tables that fit into the terminal."""
