"""A line around another one, of any transport: what it does not see to itself, that one does."""

from __future__ import annotations

from rct_collector.transport.address import Address
from rct_collector.transport.base import Ends, Line


class LineAround:
    """A line around another one, which it may not have yet, or have no more.

    Attributes:
        ends: Those of the other one, see :class:`rct_collector.transport.base.Line`.
        peer: That of the other one.
    """

    def __init__(self) -> None:
        """Begin without one."""
        self._line: Line | None = None
        self.ends: Ends | None = None
        self.peer: Address | None = None

    def enclose(self, line: Line) -> None:
        """This is the other one."""
        self._line = line
        self.ends = getattr(line, "ends", None)
        self.peer = getattr(line, "peer", None)

    def pause(self) -> None:
        """See :class:`rct_collector.transport.base.Line`."""
        if self._line is not None:
            self._line.pause()

    def resume(self) -> None:
        """See :class:`rct_collector.transport.base.Line`."""
        if self._line is not None:
            self._line.resume()
