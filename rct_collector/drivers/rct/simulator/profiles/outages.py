"""What happens to connections, and to the unit as a whole: cut, forgotten, refused, dark."""

from __future__ import annotations

from rct_collector.drivers.chance import Daily, Range, Windows, key
from rct_collector.drivers.rct.frame import Frame
from rct_collector.drivers.rct.simulator.clock import DAY
from rct_collector.drivers.rct.simulator.faults import Segment
from rct_collector.drivers.rct.simulator.profiles.answers import begin
from rct_collector.drivers.rct.simulator.profiles.chance import AtTimes
from rct_collector.drivers.tools import Access, Cut

_HOUR = 3600.0


class Outage(AtTimes):
    """Something that happens now and then, for some time."""

    #: What happens to connections when it begins.
    at_begin: Cut | None = None
    #: What happens while it lasts.
    meanwhile = Access.OPEN

    def __init__(self, every: float, lasting: Range = Range(0.0, 0.0), *, seed: int = 0) -> None:
        """Set the times.

        Args:
            every: Once in so many seconds, at no fixed time.
            lasting: Shortest and longest, in seconds.
            seed: When, follows from it.
        """
        super().__init__()
        self._every, self._lasting = every, lasting
        self._of = key(seed, type(self).__name__)

    def plan(self) -> Windows:
        """From the start of the line on."""
        return Windows(self._every, self._lasting, of=self._of, origin=self.began)

    def on_time(self, now: float) -> list[Segment]:
        """Cut the connections, where one begins."""
        begins = self.begun(now)
        return [Segment(time, b"", cut=self.at_begin) for time in begins if self.at_begin]

    def access(self, now: float) -> Access:
        """The state while it lasts."""
        if self.windows is None or self.windows.at(now) is None:
            return Access.OPEN
        return self.meanwhile


class ResetMidFrame(Outage):
    """The connections are reset in the middle of an answer: the first after a given time.

    Source: common experience with wireless links.
    """

    def __init__(self, every: float = 600.0, *, seed: int = 0) -> None:
        """See the base class; it lasts no time."""
        super().__init__(every, seed=seed)
        self._armed = False

    def on_time(self, now: float) -> list[Segment]:
        """Wait for the next answer."""
        self._armed |= bool(self.begun(now))
        return []

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """Send half of it, and reset."""
        self._armed |= bool(self.begun(now))
        if not self._armed or not segments:
            return segments
        self._armed = False
        last = segments[-1]
        half = last._replace(data=last.data[: max(len(last.data) // 2, 1)], cut=Cut.RESET)
        return self.line.lay([*segments[:-1], half], begin(self.line.rate, segments))


class HalfOpen(Outage):
    """The unit forgets its clients without telling them; who connects anew is served.

    Source: other collectors need a watchdog for it; routers and wireless modules do so.
    """

    at_begin = Cut.HALF_OPEN

    def __init__(self, every: float = 3600.0, *, seed: int = 0) -> None:
        """See the base class; it lasts no time."""
        super().__init__(every, seed=seed)


class Refusing(Outage):
    """The bridge restarts: connections are reset, and new ones refused for a while."""

    at_begin = Cut.RESET
    meanwhile = Access.REFUSED

    def __init__(
        self,
        every: float = 1800.0,
        lasting: Range = Range(5.0, 60.0),
        *,
        seed: int = 0,
    ) -> None:
        """See the base class."""
        super().__init__(every, lasting, seed=seed)


class Mute(Outage):
    """The unit lets everybody in and says nothing.

    Source: evcc issue 21327 (start-up blocked by a silent inverter), ioBroker.rct issue 46
    (silent for a quarter of an hour).
    """

    meanwhile = Access.SILENT

    def __init__(
        self,
        every: float = 3600.0,
        lasting: Range = Range(20.0, 300.0),
        *,
        seed: int = 0,
    ) -> None:
        """See the base class."""
        super().__init__(every, lasting, seed=seed)


class Night(Outage):
    """The unit switches itself off by night: its connections are dead, new ones refused.

    By the sun of its own world, so that a night passes as fast as everything else there.
    Source: ioBroker.rct issues 90, 124 and 136; units without battery, or with an empty one.
    """

    at_begin = Cut.HALF_OPEN
    meanwhile = Access.REFUSED

    def __init__(self, off: float = 22.0, on: float = 5.5) -> None:
        """Set the hours.

        Args:
            off: Hour of the sun's day at which it goes off.
            on: Hour at which it comes on again.
        """
        super().__init__(DAY)
        self._off, self._on = off, on

    def plan(self) -> Windows:
        """Every night, the one of the start included."""
        unit = self.line.unit
        sun = unit.world.clock.sun(unit.start)
        begin = unit.start - (sun - self._off * _HOUR) % DAY  # the last time that it was then
        second = self.line.bridge_time(unit.start + 1.0) - self.line.bridge_time(unit.start)
        lasts = (self._on - self._off) % 24.0 * _HOUR * second
        return Daily(self.line.bridge_time(begin), lasts, DAY * second)
