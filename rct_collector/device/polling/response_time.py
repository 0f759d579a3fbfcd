"""How long an answer is waited for: as long as this unit's answers take, with a good margin.

An answer that is lost costs its time, and a line that loses many has none to spare. So the wait
follows the measured latency, by the rule with which TCP sets its retransmission timer (RFC 6298):
smoothed latency plus four times its smoothed deviation. Each repeat of a request waits twice as
long, up to the configured timeout, unless the unit has answered a probe in between; and an answer
that comes after all is still taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: Usually never less, in seconds: the line is busy with other answers, too.
LEAST_S = 0.3

#: Weights of a new measurement, from the RFC.
_ALPHA, _BETA, _MARGIN = 0.125, 0.25, 4.0


@dataclass(slots=True)
class _Latency:
    """Smoothed latency and deviation of one kind of answers, in seconds.

    Attributes:
        likely: No answer takes longer, as far as is known; infinite before the first one.
    """

    mean: float | None = None
    deviation: float = 0.0
    likely: float = math.inf

    def add(self, seconds: float) -> None:
        """Take in one measurement."""
        if self.mean is None:
            self.mean, self.deviation = seconds, seconds / 2
        else:
            off = seconds - self.mean
            self.deviation += _BETA * ((off if off > 0 else -off) - self.deviation)
            self.mean += _ALPHA * off
        self.likely = self.mean + _MARGIN * self.deviation


@dataclass(slots=True)
class ResponseTime:
    """The wait for short and for long answers, which are sent alone and take longer.

    Attributes:
        limit: The configured timeout, never exceeded, in seconds.
        least: No wait is shorter than that, in seconds, unless the limit is.
    """

    limit: float
    least: float = LEAST_S
    _short: _Latency = field(default_factory=_Latency)
    _long: _Latency = field(default_factory=_Latency)

    def forget(self) -> None:
        """Another unit answers now."""
        self._short, self._long = _Latency(), _Latency()

    def measured(self, seconds: float, *, long: bool) -> None:
        """An answer took so long."""
        (self._long if long else self._short).add(seconds)

    def wait(self, attempt: int, *, long: bool) -> float:
        """How long to wait for an answer.

        Args:
            attempt: Which request for it this is, from 1.
            long: Whether the answer is a long one.
        """
        wait = (self._long if long else self._short).likely
        if wait < self.least:
            wait = self.least
        if attempt > 1:
            wait *= 1 << attempt - 1
        return wait if wait < self.limit else self.limit
