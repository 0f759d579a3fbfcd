"""Where a simulated line can be made to misbehave: one method per stage, none does anything here.

::

    bytes of a client ── on_bytes ──► frame reader ── on_request ──► unit
                                                                      │
    all clients ◄── on_answer (bytes at their times) ◄── on_payload ◄─┘
                ◄── on_time (bytes that nobody asked for)

A profile is a subclass that overrides what it needs; several form a chain, in which each takes
what the one before it left. Whatever looks like chance shall come from a seed of its own, so
that a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rct_collector.drivers.rct.frame import Frame


class Segment(NamedTuple):
    """Bytes on their way to all clients.

    Attributes:
        due: When the last of them has left the line, in seconds of the bridge's clock.
        data: The bytes.
        request: Number of the request that they answer; 0 for none.
    """

    due: float
    data: bytes
    request: int = 0


class Faults:
    """A line without faults, and the base of all others."""

    def on_bytes(self, data: bytes, now: float) -> bytes:
        """Bytes of one client, before they are merged with those of the others."""
        return data

    def on_request(self, request: Frame, now: float) -> Frame | None:
        """A whole request; None loses it."""
        return request

    def on_payload(self, request: Frame, payload: bytes, now: float) -> bytes | None:
        """A payload before it is framed; None loses the answer."""
        return payload

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """The bytes of one answer with their times; what is returned is sent."""
        return segments

    def on_time(self, now: float) -> list[Segment]:
        """Bytes that nobody asked for; called when :meth:`next_due` is over, and now and then."""
        return []

    def next_due(self) -> float | None:
        """When :meth:`on_time` wants to be called; None for never."""
        return None


class Chain(Faults):
    """Several profiles, one after the other."""

    def __init__(self, links: Sequence[Faults] = ()) -> None:
        """Put them in order."""
        self._links = tuple(links)

    def on_bytes(self, data: bytes, now: float) -> bytes:
        """See the base class."""
        for link in self._links:
            data = link.on_bytes(data, now)
        return data

    def on_request(self, request: Frame, now: float) -> Frame | None:
        """See the base class; a lost request is not shown to the links behind."""
        found: Frame | None = request
        for link in self._links:
            if found is None:
                break
            found = link.on_request(found, now)
        return found

    def on_payload(self, request: Frame, payload: bytes, now: float) -> bytes | None:
        """See the base class; a lost answer is not shown to the links behind."""
        found: bytes | None = payload
        for link in self._links:
            if found is None:
                break
            found = link.on_payload(request, found, now)
        return found

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """See the base class."""
        for link in self._links:
            segments = link.on_answer(request, segments, now)
        return segments

    def on_time(self, now: float) -> list[Segment]:
        """See the base class."""
        return [segment for link in self._links for segment in link.on_time(now)]

    def next_due(self) -> float | None:
        """See the base class."""
        times = [time for link in self._links if (time := link.next_due()) is not None]
        return min(times, default=None)
