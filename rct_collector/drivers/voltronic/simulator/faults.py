"""Where a simulated line can be made to misbehave: one method per stage, none does anything here.

::

    bytes of a client ── on_bytes ──► lines ── on_request ──► unit ── on_answer ──► frame
                                                                                     │
    all clients ◄── 8 bytes at a time ◄── delay ◄── on_frame (bytes) ◄───────────────┘
                ◄── unasked                 connections: access, cut

A profile is a subclass that overrides what it needs; several form a chain, in which each takes
what the one before it left. Whatever looks like chance comes from a seed of its own, so that a
run can be repeated. What :meth:`LineFaults.on_answer` changes is what the unit really says; what
:meth:`LineFaults.on_frame` changes is damage.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from rct_collector.drivers.disturbance import Disturbance, DisturbanceChain
from rct_collector.drivers.voltronic.simulator.answer import Saying


class Outgoing(NamedTuple):
    """An answer on its way.

    Attributes:
        data: Its bytes.
        answer: What it says.
        request: The bytes of the request, with their end.
    """

    data: bytes
    answer: Saying
    request: bytes


class LineView(Protocol):
    """What a profile may use of the line that it works on."""

    @property
    def rate(self) -> float:
        """Bytes per second."""

    def unit_time(self, now: float) -> float:
        """Unix time in the unit's world."""

    def line_time(self, unix: float) -> float:
        """When it is, or was, that time in the unit's world; seconds of the line's clock."""

    def hour(self, unix: float) -> float:
        """Hour of day by the unit's clock."""


class LineFaults(Disturbance):
    """A line without faults, and the base of all others."""

    def on_start(self, line: LineView, now: float) -> None:
        """The line is put into operation; called once, before all others."""

    def on_bytes(self, data: bytes, now: float) -> bytes:
        """Bytes of one client."""
        return data

    def on_request(self, line: bytes, now: float) -> bytes | None:
        """What stands before the end of a line; None loses it."""
        return line

    def on_answer(self, answer: Saying, now: float) -> Saying | None:
        """What the unit says; None leaves the request unanswered."""
        return answer

    def on_frame(self, frame: Outgoing, now: float) -> Outgoing:
        """The bytes that say so; empty for none."""
        return frame

    def delay(self, now: float) -> float:
        """Seconds by which an answer to a request of that time begins later."""
        return 0.0


class FaultChain(DisturbanceChain[LineFaults], LineFaults):
    """Several profiles, one after the other."""

    def on_start(self, line: LineView, now: float) -> None:
        """See the base class."""
        for link in self._links:
            link.on_start(line, now)

    def on_bytes(self, data: bytes, now: float) -> bytes:
        """See the base class."""
        for link in self._links:
            data = link.on_bytes(data, now)
        return data

    def on_request(self, line: bytes, now: float) -> bytes | None:
        """See the base class; a lost request is not shown to the links behind."""
        found: bytes | None = line
        for link in self._links:
            if found is None:
                break
            found = link.on_request(found, now)
        return found

    def on_answer(self, answer: Saying, now: float) -> Saying | None:
        """See the base class; a lost answer is not shown to the links behind."""
        found: Saying | None = answer
        for link in self._links:
            if found is None:
                break
            found = link.on_answer(found, now)
        return found

    def on_frame(self, frame: Outgoing, now: float) -> Outgoing:
        """See the base class."""
        for link in self._links:
            frame = link.on_frame(frame, now)
        return frame

    def delay(self, now: float) -> float:
        """See the base class."""
        return sum(link.delay(now) for link in self._links)
