"""What says that something on the machine has changed: one module a signal, and one thread that looks again."""

from typing import Protocol


class Signal(Protocol):
    """Somebody who says that something changed; not what: whoever hears it looks for himself."""

    def fileno(self) -> int:
        """A descriptor that can be read once there is something to drain."""

    def drain(self) -> bool:
        """Takes what has come; whether it is a reason to look again. Raises OSError when nothing will come any more."""

    def close(self) -> None: ...
