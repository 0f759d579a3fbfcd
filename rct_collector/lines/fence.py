"""A fence in front of lines: nothing is sent over them any more once that is not allowed.

It wraps what opens the lines, or takes the calls, of any transport. Where there is no fence nothing
is wrapped, so that sending costs nothing more::

    device ── fence ── transport ── wire
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rct_collector.lines.around import LineAround
from rct_collector.transport.address import Address
from rct_collector.transport.base import (
    Accept,
    Line,
    Listen,
    ListeningServer,
    Lost,
    Opener,
    Receive,
)

#: Whether anything may be sent now; asked just before each time.
MaySend = Callable[[], bool]

#: Why a line is closed of which the fence has kept a request.
REASON = "nothing may be sent to the device from here any more"


class _Fenced(LineAround):
    """An open line over which nothing goes that the fence forbids."""

    def __init__(self, line: Line, lost: Lost, may_send: MaySend) -> None:
        super().__init__()
        self.enclose(line)
        self._lost = lost
        self._may_send = may_send

    def hand_on(self, lost: Lost) -> None:
        """From now on, that is told of the end."""
        self._lost = lost

    def send(self, data: bytes) -> None:
        line = self._line
        if line is None:
            return
        if self._may_send():
            line.send(data)
            return
        # What the line itself has not sent yet goes with it; whoever sends is told afterwards.
        self._line = None
        line.close()
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        """It is lost, unless whoever had it has closed it meanwhile."""
        self._lost(REASON)

    def close(self) -> None:
        line, self._line, self._lost = self._line, None, _nobody
        if line is not None:
            line.close()


def fenced(opener: Opener, may_send: MaySend) -> Opener:
    """The same opener with a fence in front of every line that it opens.

    Args:
        opener: Of any transport.
        may_send: Asked before anything is sent; once it says no, the line is closed instead, and
            told of as lost.
    """

    async def open_fenced(address: Address, receive: Receive, lost: Lost, timeout: float) -> Line:
        return _Fenced(await opener(address, receive, lost, timeout), lost, may_send)

    return open_fenced


def fenced_calls(listen: Listen, may_send: MaySend) -> Listen:
    """The same for devices that dial in.

    Args:
        listen: Of any transport.
        may_send: As for :func:`fenced`.
    """

    async def listen_fenced(address: Address, accept: Accept) -> ListeningServer:
        def accept_fenced(line: Line) -> tuple[Receive, Lost]:
            fence = _Fenced(line, _nobody, may_send)
            receive, lost = accept(fence)
            fence.hand_on(lost)
            return receive, lost

        return await listen(address, accept_fenced)

    return listen_fenced


def _nobody(_reason: str) -> None:
    """Nobody is to be told."""
