"""What is said on a bus (RS485), to whoever only listens, and to its master.

Lines like these lose bytes, so a frame that is torn is given up when the line falls silent: what it
hides is found then, and what comes next is not taken for the rest of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from rct_collector.drivers.base import Event, Reply, Unfit
from rct_collector.drivers.solaredge import request
from rct_collector.drivers.solaredge.crypto import Tunnel
from rct_collector.drivers.solaredge.frame import Frame
from rct_collector.drivers.solaredge.functions import (
    ACK,
    GRANT,
    NACK,
    READ_STATUS,
    RELEASE,
    STATUS,
)
from rct_collector.drivers.solaredge.master import INTERVAL_S, TIMEOUT_S, Master
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.session import SolarEdgeSession, id_text

#: A frame is complete within so many seconds of silence, or never: the longest ever seen takes a
#: twentieth of a second, and serial servers pass on what they have within a fraction of one.
SILENCE_S = 0.5

#: What those on a bus say to each other so that one speaks at a time.
_TURNS = frozenset((ACK, NACK, GRANT, RELEASE, READ_STATUS, STATUS))


class ListeningSession(SolarEdgeSession):
    """Only listens, and answers nobody; see :class:`rct_collector.drivers.base.TimedSession`."""

    def __init__(
        self,
        options: SolarEdgeOptions,
        *,
        answers: bool = False,
        knows_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """Begin with an empty line; see the base class."""
        super().__init__(options, answers=answers, knows_time=knows_time)
        self._wall_ns = 0
        self._more = False
        self._given_up_at: float | None = None

    def reset(self) -> None:
        """The line is another one."""
        super().reset()
        self._more, self._given_up_at = False, None

    def receive(self, data: bytes, wall_ns: int) -> list[Event]:
        """Take bytes; see the base class."""
        self._wall_ns, self._more = wall_ns, True
        return super().receive(data, wall_ns)

    def next_due(self) -> float | None:
        """See the base class."""
        return self._given_up_at

    def pull(self, now: float) -> list[Event]:
        """Give up what is not completed any more; what it hid is told.

        Nobody is answered for that, since replies are sent at once here, and records are to be
        taken over before. Units say again what was not acknowledged.
        """
        if self._more:
            self._more = False
            self._given_up_at = now + SILENCE_S if self._reader.pending else None
        if self._given_up_at is None or now < self._given_up_at:
            return []
        self._given_up_at = None
        found = self._events(self._reader.give_up(), self._wall_ns)
        return [event for event in found if type(event) is not Reply]

    def _heard(self, frame: Frame, wall_ns: int, tunnel: Tunnel | None = None) -> Iterator[Event]:
        """What becomes of a frame."""
        return iter(()) if frame.function in _TURNS else super()._heard(frame, wall_ns, tunnel)


class MasterSession(ListeningSession):
    """Lets units speak in turn, and answers them."""

    def __init__(
        self,
        options: SolarEdgeOptions,
        units: Sequence[int],
        *,
        timeout_s: float = TIMEOUT_S,
        interval_s: float = INTERVAL_S,
        knows_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """Listen first.

        Args:
            options: Those of the device.
            units: Who is let speak.
            timeout_s: How long each is waited for.
            interval_s: How long after a round the next one begins.
            knows_time: Whether they can be told what time it is.
        """
        super().__init__(options, answers=True, knows_time=knows_time)
        self._master = Master(units, timeout_s=timeout_s, interval_s=interval_s)

    def reset(self) -> None:
        """The line is another one."""
        super().reset()
        self._master.reset()

    def next_due(self) -> float:
        """See the base class."""
        silent_at = super().next_due()
        return min(self._master.next_due(), math.inf if silent_at is None else silent_at)

    def pull(self, now: float) -> list[Event]:
        """Let the next unit speak, when it is time; see the base class."""
        events = super().pull(now)
        if grant := self._master.pull(now):
            events.append(Reply(grant))
        return events

    def may_say(self, reply: Reply) -> bool:
        """Whether nobody else has the bus; who misses an acknowledgement says it all again."""
        granted = self._master.granted
        return granted is None or id_text(granted) == reply.unit

    def _heard(self, frame: Frame, wall_ns: int, tunnel: Tunnel | None = None) -> Iterator[Event]:
        """What becomes of a frame."""
        if reason := self._master.heard(frame):
            yield Unfit(reason)
            return
        if frame.function == RELEASE and self._is_welcome(frame.source):
            yield Reply(b"", id_text(frame.source))  # a sign of life, of who has nothing to say
        to_us = frame.destination == request.SERVER
        for event in super()._heard(frame, wall_ns, tunnel):
            if to_us or type(event) is not Reply:
                yield event
