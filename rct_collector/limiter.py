"""How often something is said that a device brings about.

A device can fail, come back and fail again at any pace, and somebody reads what is said of it.
So of each kind only so much passes in a span of time, and so much of all kinds together; of the
rest there is a count at the end of the span. Pure, on a given monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: Length of a span, in seconds, and how much of each kind passes in it.
SPAN_S = 3600.0
MOST_EACH = 6


@dataclass(slots=True)
class _Span:
    """What happened since a time, in monotonic seconds."""

    begin: float
    passed: int = 0
    withheld: int = 0


class Limiter:
    """Lets so much pass of each kind, and counts the rest.

    There should not be any number of kinds, since it remembers those of the last span.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        each: int = MOST_EACH,
        altogether: float = math.inf,
        seconds: float = SPAN_S,
    ) -> None:
        """Begin with nothing said.

        Args:
            clock: Monotonic seconds.
            each: How much of one kind passes in a span, which begins with the first.
            altogether: How much of all kinds together passes in a span.
            seconds: Length of a span.
        """
        self._clock = clock
        self._each = each
        self._altogether = altogether
        self._seconds = seconds
        self._kinds: dict[str, _Span] = {}
        self._all = _Span(-math.inf)

    def passes(self, kind: str, most: int | None = None) -> bool:
        """Whether one more may be said; if not, it is counted.

        Args:
            kind: What it is.
            most: How many of this kind pass in a span; None for as many as of others.
        """
        now = self._clock()
        if self._is_over(self._all, now):
            self._all = _Span(now)
        span = self._kinds.get(kind)
        if span is None or (self._is_over(span, now) and not span.withheld):
            span = self._kinds[kind] = _Span(now)
        most = self._each if most is None else most
        # What is withheld is told of first, by overdue(); until then the span goes on.
        if span.passed < most and self._all.passed < self._altogether:
            span.passed += 1
            self._all.passed += 1
            return True
        span.withheld += 1
        return False

    def overdue(self) -> Iterator[tuple[str, int]]:
        """The kinds of which something was withheld in a span that is over, and how many.

        Each is given once, and begins anew.
        """
        now = self._clock()
        for kind in [kind for kind, span in self._kinds.items() if self._is_over(span, now)]:
            withheld = self._kinds.pop(kind).withheld
            if withheld:
                yield kind, withheld

    def _is_over(self, span: _Span, now: float) -> bool:
        return now - span.begin >= self._seconds


def and_more(count: int) -> str:
    """The end of what is said at last of a kind: that it happened more often."""
    return f" … and {count} more in the last hour"
