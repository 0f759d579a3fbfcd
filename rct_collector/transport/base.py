"""What every transport offers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from rct_collector.transport.address import Address, Parameter


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


def look_again(loop: asyncio.AbstractEventLoop, size: int) -> None:
    """Where more waits than was read, have the loop look again at once.

    It does so by itself, unless it looks at the points of a grid (:mod:`rct_collector.beat`): what
    floods would be taken for one who speaks at a moderate pace, and all it says for old.

    Args:
        loop: It.
        size: Bytes that were read.
    """
    if size == READ_BYTES:
        loop.call_soon(_nothing)


def _nothing() -> None:
    """Something to do, so that the loop does not wait."""


class Line(Protocol):
    """An open line to one device.

    Lines of some transports also have ``ends``, the :class:`Ends` of a connection, and ``peer``,
    the :class:`Address` that the one of the configuration turned out to be. Either may be None.
    """

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


class ListeningServer(Protocol):
    """What waits for devices to dial in."""

    def close(self) -> None:
        """Take no more calls; those that were taken go on."""


#: What is kept open.
Held = TypeVar("Held", bound=Line | ListeningServer)
#: (address, receive, lost, timeout in seconds) → what is open now.
#: Raises TransportError with words for people.
Opening = Callable[[Address, Receive, Lost, float], Awaitable[Held]]
Opener = Opening[Line]


#: Called with each call that comes in; gives what takes its bytes, and what is told of its end.
Accept = Callable[[Line], tuple[Receive, Lost]]
#: (address, accept) → server. Raises TransportError with words for people.
Listen = Callable[[Address, Accept], Awaitable[ListeningServer]]


class Transport(Protocol):
    """What the module of a transport offers."""

    #: What is at such an address, in a short sentence, for the documentation.
    DESCRIPTION: str

    #: Options that may follow a question mark in an address: name → what it takes.
    PARAMETERS: Mapping[str, Parameter]

    def example(self, defaults: Mapping[str, str], /) -> str:
        """An address as a user may write it.

        Args:
            defaults: What the driver takes for granted.
        """

    def parse(self, text: str, defaults: Mapping[str, str], /) -> Address:
        """Read an address.

        Args:
            text: What follows ``scheme://``.
            defaults: What the driver takes for granted.

        Raises:
            Invalid: With what would be right.
        """

    def name(self, address: Address, /) -> str:
        """What to call a device there that has no name yet; any characters."""

    def descriptors(self, address: Address, /) -> int:
        """File descriptors that a line there takes at most, while it is opened or open."""

    async def open_line(
        self, address: Address, receive: Receive, lost: Lost, timeout: float, /
    ) -> Line:
        """Open a line.

        Args:
            address: One that this module has read.
            receive: Called with bytes as they arrive.
            lost: Called once when the line ends without our doing.
            timeout: Seconds.

        Raises:
            TransportError: With words for people.
        """
