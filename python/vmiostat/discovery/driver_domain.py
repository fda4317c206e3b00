"""Devices that another Xen domain than dom0 serves: a driver domain."""

_DOM0 = frozenset({"", "0", "Domain-0"})


def served_by(server: str) -> str:
    """Why a device has no counters here whose backend is in the domain `server` (name or domid); "" for dom0."""
    return "" if server in _DOM0 else not_counted_here(repr(server))


def not_counted_here(server: str) -> str:
    return f"its backend is in domain {server}, a driver domain, and counted only there"
