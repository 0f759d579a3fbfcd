"""Where a simulated line can be made to misbehave: one method per stage, none does anything here.

::

    bytes of a client ── on_bytes ──► frame reader ── on_request ──► unit (on_unit, on_reading)
                                                                      │
    all clients ◄── on_answer (bytes at their times) ◄── on_payload ◄─┘
                ◄── on_time (bytes that nobody asked for)

    other clients of the same line: clients        connections: access, Segment.cut

A profile is a subclass that overrides what it needs; several form a chain, in which each takes
what the one before it left. Whatever looks like chance shall come from a seed of its own, so
that a run can be repeated.

What :meth:`Faults.on_unit` and :meth:`Faults.on_reading` change is what the unit really says;
what the later stages change is damage, and recorded as such (:mod:`.witness`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from rct_collector.drivers.rct.frame import Frame
from rct_collector.drivers.rct.simulator.unit import RctUnit
from rct_collector.drivers.tools import Access, Cut


@dataclass(slots=True, eq=False)
class Response:
    """What the unit says to one request.

    Attributes:
        oid: Object id.
        payload: What the unit says, before anything happens to it on its way.
        frame: The whole frame that says so, without lead-in.
        asked: When the request came, in seconds of the bridge's clock.
        client: Who asked; 0 for nobody.
        damaged: Part of it was sent, in a way that makes no frame.
    """

    oid: int
    payload: bytes
    frame: bytes
    asked: float
    client: int = 0
    damaged: bool = False


class Segment(NamedTuple):
    """Bytes on their way to all clients.

    Attributes:
        due: When the last of them has left the line, in seconds of the bridge's clock.
        data: The bytes.
        reply: What they are a part of; None for what nobody asked for.
        cut: What happens to all connections behind them.
    """

    due: float
    data: bytes
    reply: Response | None = None
    cut: Cut | None = None


class BridgeView(Protocol):
    """What a profile may use of the bridge that it works on.

    Attributes:
        unit: The unit as it was at the start.
    """

    unit: RctUnit

    @property
    def rate(self) -> float:
        """Bytes per second of the serial line."""

    @property
    def outstanding(self) -> int:
        """Requests whose answers are on their way."""

    def unit_time(self, now: float) -> float:
        """Unix time in the unit's world."""

    def bridge_time(self, unix: float) -> float:
        """When it is, or was, that time in the unit's world; seconds of the bridge's clock."""

    def say(self, data: bytes, now: float) -> list[Segment]:
        """Put bytes on the line, behind what is there."""

    def answer(self, oid: int, payload: bytes, now: float) -> list[Segment]:
        """Put an answer on the line that nobody asked for."""

    def lay(self, segments: Iterable[Segment], begins: float) -> list[Segment]:
        """Give segments new times: one behind the other, at the speed of the line."""

    def occupy(self, until: float) -> None:
        """Let nothing else begin before ``until``."""


class OtherClient(Protocol):
    """Somebody else on the line, with requests of his own."""

    def next_due(self) -> float | None:
        """When :meth:`send` will have something; None for never."""

    def send(self, now: float) -> list[tuple[float, bytes]]:
        """What was sent until ``now``, each with its time."""

    def hear(self, data: bytes, now: float) -> None:
        """Bytes that all clients get."""


class Faults:
    """A line without faults, and the base of all others."""

    def on_start(self, line: BridgeView, now: float) -> None:
        """The line is put into operation; called once, before all others but :meth:`clients`."""

    def clients(self) -> Sequence[OtherClient]:
        """Who else is on the line."""
        return ()

    def on_bytes(self, data: bytes, now: float) -> bytes:
        """Bytes of one client, before they are merged with those of the others."""
        return data

    def on_request(self, request: Frame, now: float) -> Frame | None:
        """A whole request; None loses it."""
        return request

    def on_unit(self, unit: RctUnit, unix: float) -> RctUnit:
        """The unit that answers at that Unix time of its world."""
        return unit

    def on_reading(self, unit: RctUnit, oid: int, payload: bytes, unix: float) -> bytes | None:
        """What the unit says of an object, right or wrong; None leaves the request unanswered."""
        return payload

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

    def access(self, now: float) -> Access:
        """What happens to those who want something. Its changes are times of next_due()."""
        return Access.OPEN


class Waiting(Protocol):
    """What does something at a time."""

    def next_due(self) -> float | None:
        """When; None for never."""


def earliest(waiting: Iterable[Waiting]) -> float | None:
    """When the first of several has something to do; None if none of them ever has."""
    first = None
    for one in waiting:
        due = one.next_due()
        if due is not None and (first is None or due < first):
            first = due
    return first


class Chain(Faults):
    """Several profiles, one after the other."""

    def __init__(self, links: Sequence[Faults] = ()) -> None:
        """Put them in order."""
        self._links = tuple(links)
        # Most profiles do one thing. Those that leave a matter to the base are not asked about it.
        self._on_bytes = self._with(Faults.on_bytes)
        self._on_request = self._with(Faults.on_request)
        self._on_unit = self._with(Faults.on_unit)
        self._on_reading = self._with(Faults.on_reading)
        self._on_payload = self._with(Faults.on_payload)
        self._on_answer = self._with(Faults.on_answer)
        self._on_time = self._with(Faults.on_time)
        self._next_due = self._with(Faults.next_due)
        self._access = self._with(Faults.access)

    def _with(self, base: Callable[..., Any]) -> tuple[Faults, ...]:
        """The links with a method of their own instead of one of the base."""
        return tuple(
            link for link in self._links if getattr(type(link), base.__name__, base) is not base
        )

    def on_start(self, line: BridgeView, now: float) -> None:
        """See the base class."""
        for link in self._links:
            link.on_start(line, now)

    def clients(self) -> Sequence[OtherClient]:
        """See the base class."""
        return [client for link in self._links for client in link.clients()]

    def on_bytes(self, data: bytes, now: float) -> bytes:
        """See the base class."""
        for link in self._on_bytes:
            data = link.on_bytes(data, now)
        return data

    def on_request(self, request: Frame, now: float) -> Frame | None:
        """See the base class; a lost request is not shown to the links behind."""
        found: Frame | None = request
        for link in self._on_request:
            if found is None:
                break
            found = link.on_request(found, now)
        return found

    def on_unit(self, unit: RctUnit, unix: float) -> RctUnit:
        """See the base class."""
        for link in self._on_unit:
            unit = link.on_unit(unit, unix)
        return unit

    def on_reading(self, unit: RctUnit, oid: int, payload: bytes, unix: float) -> bytes | None:
        """See the base class; an object left unanswered is not shown to the links behind."""
        found: bytes | None = payload
        for link in self._on_reading:
            if found is None:
                break
            found = link.on_reading(unit, oid, found, unix)
        return found

    def on_payload(self, request: Frame, payload: bytes, now: float) -> bytes | None:
        """See the base class; a lost answer is not shown to the links behind."""
        found: bytes | None = payload
        for link in self._on_payload:
            if found is None:
                break
            found = link.on_payload(request, found, now)
        return found

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """See the base class."""
        for link in self._on_answer:
            segments = link.on_answer(request, segments, now)
        return segments

    def on_time(self, now: float) -> list[Segment]:
        """See the base class."""
        return [segment for link in self._on_time for segment in link.on_time(now)]

    def next_due(self) -> float | None:
        """See the base class."""
        return earliest(self._next_due)

    def access(self, now: float) -> Access:
        """See the base class."""
        worst = Access.OPEN
        for link in self._access:
            worst = max(worst, link.access(now))
        return worst
