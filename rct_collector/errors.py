"""What can go wrong, by who can mend it.

::

    CollectorError
    ├── ConfigError        the user's configuration: path, what was found, what would be right
    ├── RefusedFrameError  somebody asked for a frame that must never leave the driver
    ├── BusyError          another process on this host already collects this device
    ├── TransportError     the line could not be opened, or was lost
    │   └── NobodyError    nobody on this host collects from the device
    ├── RpcError           whoever collects from the device has answered that it does not do this
    ├── CaptureError       a file with a recorded line cannot be read, or not be written
    └── MissingToolError   the device's family has no tool for what was wanted of it

Bad bytes from a device are no exceptions: sessions report them as events, and counters move.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class CollectorError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigError(CollectorError):
    """The configuration cannot be used.

    Attributes:
        problems: One sentence per mistake, each naming the path, what was found and what would
            be right. All mistakes of a file are reported together.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep the problems in the order in which they were found."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RefusedFrameError(CollectorError):
    """A frame was asked for that the driver does not send.

    Only reads of known objects, and the queries of the device's own logger, may leave.
    """


class BusyError(CollectorError):
    """Another process on this host holds the device.

    Attributes:
        door: Name of the socket at which that process can be asked; b"" where there is none.
    """

    def __init__(self, message: str, door: bytes = b"") -> None:
        """Keep the name for those who ask there."""
        super().__init__(message)
        self.door = door


class TransportError(CollectorError):
    """The line to the device could not be opened, or was lost.

    Attributes:
        kind: ``name`` (it cannot be resolved), ``timeout``, ``refused``, ``unreachable`` (no way
            to the network or host) or ``other``.
    """

    def __init__(self, message: str, kind: str = "other") -> None:
        """Keep the kind for those who tell causes apart."""
        super().__init__(message)
        self.kind = kind


class NobodyError(TransportError):
    """Nobody on this host collects from the device, so that nobody can be asked about it."""


class RpcError(CollectorError):
    """What was asked of whoever collects from a device was answered with an error.

    Attributes:
        code: Which; see :class:`rct_collector.control.messages.Code`.
        message: Why, in words.
        data: More of it, such as the rule that stands against a value; None for nothing.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        """Keep what was answered."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class CaptureError(CollectorError):
    """A file with a recorded line cannot be read, or not be written."""


class MissingToolError(CollectorError):
    """A device's family has no tool for what was wanted of it, such as a simulator."""
