"""What to know of a device's counters while its domain does not run: others may use the device."""

from vmiostat.model import Domain

_NOT_RUNNING = (
    "according to its definition the domain is not running (it has no id): these are the host device's counters, "
    "whoever uses it"
)


def not_running(domain: Domain) -> str:
    """The sentence; empty for a domain that runs, and for the host itself."""
    runs = domain.id is not None or domain.process is not None or domain.type == "host"
    return "" if runs else _NOT_RUNNING
