"""The command `vmiostat`. One module a command; they know the public API of the package and nothing beneath it."""
