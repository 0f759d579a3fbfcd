"""Which times of a device need nothing from its memory: what was handed over live, or restored.

Time is cut into slots of five minutes, as the memories of units are. A slot is covered when a round
that was answered in it was handed over, or when what the unit remembers of it was. What is missing
are the gaps. ::

    since                                                            now
      │ ████████████░░░░░░░░░░░░░░██████████████████░░░░███████████▒▒ │
                    a gap                          another       too new to be one

The host's clock may be set. Which of the two readings was right nobody can tell, so what was marked
live since the start, or since the clock was set before, is taken back; it costs nothing but
questions, as the same values come under the same times. So is what the unit remembers nothing of:
it may have been the future. What was restored has the unit's own times, and stays.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

log = logging.getLogger(__name__)

#: Seconds of a slot.
SLOT_S = 300

#: Intervals that are kept. With more, the oldest gap is given up.
MOST = 200

#: Events that are known again, those of a day before the newest one at most.
MOST_EVENTS, EVENTS_S = 200, 86400

#: What is older is in no memory: seconds.
LONGEST_S = 90 * 86400

#: A unit needs some time to write down what has just been, in seconds.
SETTLED_S = 600

#: The wall clock was set when it moved against the monotonic one by so many seconds.
STEP_S = 150.0

#: After so many seconds without that, what lies in the future was marked by a wrong clock.
STEADY_S = 3600.0


class SlotRange(NamedTuple):
    """Slots that follow each other, from the begin up to, not including, the end.

    Attributes:
        start: Unix seconds, a multiple of a slot.
        end: The same.
    """

    start: int
    end: int


class ToldEvent(NamedTuple):
    """One of the events that were handed over.

    Attributes:
        time_ns: When it began, nanoseconds since the epoch.
        said: Check sum of all that was known of it.
    """

    time_ns: int
    said: int


class SlotRanges:
    """Times that are known, as few spans as they take, in order."""

    def __init__(self, spans: Iterable[SlotRange] = ()) -> None:
        """Begin with some."""
        self._spans: list[SlotRange] = []
        for span in spans:
            self.add(span)

    def __iter__(self) -> Iterator[SlotRange]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def __contains__(self, time: float) -> bool:
        return any(start <= time < end for start, end in reversed(self._spans))

    def add(self, span: SlotRange) -> None:
        """Know one more, which may overlap those that are known; an empty one is none."""
        start, end = span
        if start >= end:
            return
        before = [s for s in self._spans if s.end < start]
        behind = [s for s in self._spans if s.start > end]
        if touched := self._spans[len(before) : len(self._spans) - len(behind)]:
            start, end = min(start, touched[0].start), max(end, touched[-1].end)
        self._spans = [*before, SlotRange(start, end), *behind]

    def clip(self, span: SlotRange) -> None:
        """Forget what is outside of a span."""
        cut = (SlotRange(max(s.start, span.start), min(s.end, span.end)) for s in self._spans)
        self._spans = [s for s in cut if s.start < s.end]

    def missing(self, span: SlotRange) -> Iterator[SlotRange]:
        """What is not known of a span, the oldest first."""
        at = span.start
        for start, end in self._spans:
            if end <= at:
                continue
            if start >= span.end:
                break
            if start > at:
                yield SlotRange(at, start)
            at = end
        if at < span.end:
            yield SlotRange(at, span.end)

    def shorten(self, most: int) -> int:
        """Take the oldest gaps for known until there are no more than so many spans.

        Returns:
            Seconds that were given up so.
        """
        given_up = 0
        while len(self._spans) > most:
            first, second, *rest = self._spans
            given_up += second.start - first.end
            self._spans = [SlotRange(first.start, second.end), *rest]
        return given_up


class Keeps(Protocol):
    """Where it is kept; see :class:`.state.Memory`."""

    def load(self) -> dict[str, Any]:
        """What an earlier run has kept."""

    def save(self, kept: dict[str, Any]) -> None:
        """Keep something, soon."""

    def tick(self, now: float) -> None:
        """Have written what is new, if it is time for that."""

    def close(self) -> None:
        """Have written what is new, now."""


class Coverage:
    """The times of one device that need nothing from its memory, and the events that were told.

    Attributes:
        events: Those that were handed over lately.
        events_from_ns: Older ones are nobody's business, or were handed over; nanoseconds since the
            epoch.
    """

    def __init__(self, device: str, memory: Keeps | None, *, wall: float, now: float) -> None:
        """Begin with what an earlier run has kept.

        Where nothing is kept, what was before is nobody's business: who cannot remember would
        restore it after each start.

        Args:
            device: Its name, for messages.
            memory: Where it is kept; None for nowhere.
            wall: Unix seconds.
            now: Monotonic seconds.
        """
        self._device = device
        self._memory = memory
        self._offset = wall - now
        self._steady_since = now
        self.events: set[ToldEvent] = set()
        self.events_from_ns = 0
        if memory is None:
            self._restored = SlotRanges([SlotRange(0, floor(wall))])
            self.events_from_ns = round(wall * 1e9)
        else:
            self._restored = SlotRanges(self._recall(memory.load()))
        self._known = SlotRanges(self._restored)

    @property
    def newest_event_ns(self) -> int | None:
        """When the newest event began that was handed over; None for none."""
        return max((event.time_ns for event in self.events), default=None)

    def __contains__(self, wall: float) -> bool:
        """Whether the slot of a time is covered."""
        return wall in self._known

    def gaps(self, wall: float, since_s: float) -> list[SlotRange]:
        """What is missing, the oldest first.

        Args:
            wall: Unix seconds at present.
            since_s: So many seconds back it is looked for.
        """
        end = floor(wall - SETTLED_S)
        return list(self._known.missing(SlotRange(floor(wall - min(since_s, LONGEST_S)), end)))

    def handed_over(self, wall: float) -> None:
        """What was read at a time was handed over."""
        if wall not in self._known:
            slot = floor(wall)
            self._known.add(SlotRange(slot, slot + SLOT_S))
            self._keep()

    def followed(self, spans: Iterable[SlotRange], events_to_ns: int) -> None:
        """What another process read in some spans was handed over, and some events.

        Args:
            spans: The times.
            events_to_ns: When the newest of the events began, nanoseconds since the epoch; 0 for
                none.
        """
        for span in spans:
            self._known.add(span)
        if events_to_ns:
            self.events_from_ns = max(self.events_from_ns, events_to_ns + 1)
        self._keep()

    def restored(self, span: SlotRange) -> None:
        """What the unit remembers of a span was handed over: it is on the disk soon."""
        self._restored.add(span)
        self._known.add(span)
        self._keep()
        self.close()

    def searched(self, span: SlotRange) -> None:
        """The unit remembers nothing of a span, which is the past only if the clock is right."""
        self._known.add(span)
        self._keep()

    def happened(self, events: Iterable[ToldEvent]) -> None:
        """Some events were handed over."""
        self.events.update(events)
        if not self.events:
            return
        oldest_ns = max(event.time_ns for event in self.events) - EVENTS_S * 1_000_000_000
        kept = sorted(event for event in self.events if event.time_ns >= oldest_ns)
        self.events = set(kept[-MOST_EVENTS:])
        if len(kept) > MOST_EVENTS:
            oldest_ns = kept[-MOST_EVENTS].time_ns
        self.events_from_ns = max(self.events_from_ns, oldest_ns)
        self._keep()
        self.close()

    def tick(self, wall: float, now: float) -> bool:
        """Look at the clock, and have written what is new.

        Args:
            wall: Unix seconds.
            now: Monotonic seconds.

        Returns:
            Whether the clock was set since the last time.
        """
        is_set = abs(wall - now - self._offset) > STEP_S
        if is_set:
            self._known = SlotRanges(self._restored)
            self._offset, self._steady_since = wall - now, now
            self._keep()
        elif now - self._steady_since >= STEADY_S:
            self._forget_future(wall)
        if self._memory is not None:
            self._memory.tick(now)
        return is_set

    def close(self) -> None:
        """Have written what is new, for nothing will come any more."""
        if self._memory is not None:
            self._memory.close()

    def _forget_future(self, wall: float) -> None:
        """Forget what a wrong clock has marked beyond the present, and what nobody remembers."""
        span = SlotRange(floor(wall - LONGEST_S) - SLOT_S, floor(wall) + SLOT_S)
        for spans in (self._known, self._restored):
            spans.clip(span)

    def _keep(self) -> None:
        if lost := self._known.shorten(MOST):
            log.warning(
                "%s: has more than %d gaps; the oldest, of %d minutes together, are not restored",
                self._device,
                MOST - 1,
                lost // 60,
            )
        self._restored.shorten(MOST)
        if self._memory is not None:
            kept = {"covered": list(self._known), "events": sorted(self.events)}
            self._memory.save({**kept, "events_from_ns": self.events_from_ns})

    def _recall(self, kept: Mapping[str, Any]) -> list[SlotRange]:
        """Take up what a file says; nothing of it if some of it cannot be."""
        try:
            spans = [SlotRange(start, end) for start, end in kept.get("covered", [])]
            events = [ToldEvent(at, said) for at, said in kept.get("events", [])]
            since = kept.get("events_from_ns", 0)
            _examine(spans, events, since)
        except (TypeError, ValueError) as error:
            text = "%s: which times are covered is not known, and all is restored: %s"
            log.warning(text, self._device, error)
            return []
        self.events, self.events_from_ns = set(events), since
        return spans


def floor(wall: float) -> int:
    """When the slot of a time begins, in Unix seconds."""
    return math.floor(wall / SLOT_S) * SLOT_S


def _examine(spans: list[SlotRange], events: list[ToldEvent], since: Any) -> None:
    """Refuse what no coverage of ours can have written.

    Raises:
        ValueError: With what is wrong.
    """
    for number, most, what in (
        (len(spans), MOST, "intervals"),
        (len(events), MOST_EVENTS, "events"),
    ):
        if number > most:
            raise ValueError(f"{number} {what} are more than {most}")
    for number in (since, *(number for item in (*spans, *events) for number in item)):
        if type(number) is not int or not 0 <= number < 1 << 64:
            raise ValueError(f"{number!r} is no time")
    for span in spans:
        if span.start % SLOT_S or span.end % SLOT_S or span.start >= span.end:
            raise ValueError(f"{list(span)} is no interval of whole {SLOT_S} seconds")
