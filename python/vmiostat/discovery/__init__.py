"""Finds domains and their devices. `scan` lists the providers; each says in its docstring what it reads."""
