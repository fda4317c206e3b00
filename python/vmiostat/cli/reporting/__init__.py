"""Makes a report: its rows, and the form that they are printed in."""
