"""The command `vmiostat`, by the package's public API alone. `report` and `devices` are a command each."""
