"""A man in the middle: who calls is put through to the portal, and what units say is read.

Bytes pass unchanged, in both directions. Nothing of ours is put in between: what a unit waits for
is what the portal answers, and what we would answer stays unsaid. So the portal goes on to get all
that it ever got, and so do we.

While the portal cannot be reached, who calls is heard for as long as that takes to find out, and
then hung up on. Nobody acknowledges what was said, so units keep it and call again: nothing is lost
to the portal, and nothing to us. Answering in its place would have them forget what it never saw.
"""

from __future__ import annotations

import asyncio
import logging

from rct_collector.errors import TransportError
from rct_collector.lines.reconnect import CONNECT_TIMEOUT
from rct_collector.reports import Reports
from rct_collector.transport import Accept, Address, Line, Listen, ListeningServer, Opener
from rct_collector.transport.base import Ends, Lost, Receive

log = logging.getLogger(__name__)

#: Bytes of a caller that wait for the portal to answer; then no more are read.
MOST_WAITING = 1 << 16

#: Told of in an hour: that the portal cannot be reached, or that it is ourselves.
MOST_TOLD = 2


class Forwarding:
    """Puts callers through."""

    def __init__(
        self,
        listen: Listen,
        opener: Opener,
        portal: Address,
        *,
        name: str,
    ) -> None:
        """Prepare.

        Args:
            listen: Takes the calls.
            opener: Calls the portal.
            portal: Where that is.
            name: For messages.
        """
        self.portal = portal
        self.opener = opener
        self.reports = Reports(name)
        self._listen = listen
        self._reached: bool | None = None
        #: Our ends of the calls to the portal: who calls from one of them is ourselves.
        self.ours: set[tuple[str, int]] = set()

    async def listen(self, address: Address, accept: Accept) -> ListeningServer:
        """Take calls, and put each through; see :attr:`.transport.base.Listen`."""
        return await self._listen(address, lambda line: self._accept(line, accept))

    def _accept(self, line: Line, accept: Accept) -> tuple[Receive, Lost]:
        relay = _Relay(line, self)
        relay.receive, relay.lost = accept(relay)
        ends: Ends | None = getattr(line, "ends", None)
        if ends is not None and ends.remote in self.ours:
            text = "'forward' leads to where we listen ourselves; nobody can be put through"
            self.reports.say(log, logging.ERROR, "circle", text, most=MOST_TOLD)
            asyncio.get_running_loop().call_soon(relay.hang_up, "we have called ourselves")
        else:
            relay.begin()
        return relay.from_unit, relay.unit_lost

    def reached(self, why_not: str = "") -> None:
        """The portal has answered, or not: each change is told once."""
        if why_not and self._reached is not False:
            self.reports.say(
                log,
                logging.ERROR,
                "portal",
                "the portal %s cannot be reached (%s): units are not answered, and keep what they"
                " say until it can be; without 'forward' they would be answered by us",
                self.portal,
                why_not,
                most=MOST_TOLD,
            )
        elif not why_not and self._reached is False:
            log.info("%s: the portal %s answers again", self.reports.name, self.portal)
        self._reached = not why_not


class _Relay:
    """One call, put through: to whoever takes it, it is a line that swallows what it is sent.

    Attributes:
        receive: Takes what the unit says.
        lost: Is told of the end.
        ends: Those of the unit's call.
    """

    receive: Receive
    lost: Lost

    def __init__(self, line: Line, owner: Forwarding) -> None:
        self.ends: Ends | None = getattr(line, "ends", None)
        self._unit = line
        self._owner = owner
        self._portal: Line | None = None
        self._own_end: tuple[str, int] | None = None
        self._calling: asyncio.Task[None] | None = None
        self._waiting = bytearray()
        self._stopped = False
        self._over = False

    # -- to whoever takes the call ---------------------------------------------------------

    def send(self, data: bytes) -> None:
        """What we would answer stays unsaid: the portal answers."""

    def pause(self) -> None:
        self._unit.pause()

    def resume(self) -> None:
        if not self._stopped:
            self._unit.resume()

    def close(self) -> None:
        self._end()
        self._unit.close()

    # -- both calls ------------------------------------------------------------------------

    def begin(self) -> None:
        """Call the portal."""
        self._calling = asyncio.create_task(self._call(), name=f"call to {self._owner.portal}")

    async def _call(self) -> None:
        owner = self._owner
        try:
            portal = await owner.opener(
                owner.portal, self.from_portal, self.portal_lost, CONNECT_TIMEOUT
            )
        except TransportError as error:
            owner.reached(str(error))
            self.hang_up(f"the portal cannot be reached: {error}")
            return
        if self._over:
            portal.close()
            return
        owner.reached()
        self._portal = portal
        ends: Ends | None = getattr(portal, "ends", None)
        if ends is not None:
            self._own_end = ends.local
            owner.ours.add(ends.local)
        if self._waiting:
            portal.send(bytes(self._waiting))
            self._waiting.clear()
        if self._stopped:
            self._stopped = False
            self._unit.resume()

    def from_unit(self, data: bytes) -> None:
        """The unit says something."""
        if self._portal is not None:
            self._portal.send(data)
        else:
            self._waiting += data
            if len(self._waiting) > MOST_WAITING:
                self._stopped = True
                self._unit.pause()
        self.receive(data)

    def from_portal(self, data: bytes) -> None:
        """The portal says something."""
        if not self._over:
            self._unit.send(data)

    def unit_lost(self, reason: str) -> None:
        """The unit has hung up."""
        self._end()
        self.lost(reason)

    def portal_lost(self, reason: str) -> None:
        """The portal has hung up: so do we, and the unit calls again."""
        self.hang_up(f"the portal: {reason}")

    def hang_up(self, reason: str) -> None:
        """Hang up on the unit."""
        if not self._over:
            self.close()
            self.lost(reason)

    def _end(self) -> None:
        self._over = True
        portal, self._portal = self._portal, None
        if portal is not None:
            portal.close()
        if self._own_end is not None:
            self._owner.ours.discard(self._own_end)
        if self._calling is not None and self._calling is not asyncio.current_task():
            self._calling.cancel()
