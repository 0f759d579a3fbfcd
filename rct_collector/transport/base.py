"""What every transport offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol


class Ends(NamedTuple):
    """Both ends of a line over a network.

    Attributes:
        local: Our address and port.
        remote: Those of the device.
    """

    local: tuple[str, int]
    remote: tuple[str, int]


#: Most bytes that are read, and handed on, at a time: what they cost is what all other lines wait.
READ_BYTES = 4096


class Line(Protocol):
    """An open line to one device."""

    def send(self, data: bytes) -> None:
        """Send bytes, without waiting. Bytes sent over a lost line vanish."""

    def pause(self) -> None:
        """Read nothing until :meth:`resume`; what arrives waits, and so does the device at last."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Close it; ``lost`` is not called any more."""


#: Called with bytes as they arrive.
Receive = Callable[[bytes], None]
#: Called once, with words for people, when the line is lost.
Lost = Callable[[str], None]
#: (host, port, receive, lost, timeout in seconds) → open line.
#: Raises TransportError with words for people.
Opener = Callable[[str, int, Receive, Lost, float], Awaitable[Line]]
