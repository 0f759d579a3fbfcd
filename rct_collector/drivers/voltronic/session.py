"""One dialogue with a Voltronic unit: one question at a time, and only answers that can be to it.

An answer does not name its question. So one is an answer only while a question is open, has the
head of the dialect and the shape of what was asked, and is not a repetition of the answer before::

    nothing asked ──ask──► asked ──right shape──► answered
                             ├──NAK────────────► refused
                             ├──CRC, shape─────► given up ─► silence, drain, probe (lines.recovery)
                             └──abandon────────►    "

What follows a damaged answer, or one to something else, may be an answer to anything. So the line
is silent then, drained, and probed (:mod:`.detection`), before the next question is asked. Units
answer in the order of the questions: what comes before the answer to the probe is the answer to
what was given up, if it has its shape and no other has that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from rct_collector.drivers.base import (
    Answer,
    Approved,
    Ask,
    Event,
    Fault,
    Garbled,
    Query,
    Refused,
    Resync,
)
from rct_collector.drivers.voltronic.command import PROTOCOL, Command, WriteCommand
from rct_collector.drivers.voltronic.detection import (
    RESYNC,
    Detection,
    is_consent,
    is_refusal,
)
from rct_collector.drivers.voltronic.frame import Bad, Frame, FrameReader, pack, pack_order
from rct_collector.drivers.voltronic.options import VoltronicOptions
from rct_collector.errors import RefusedFrameError

#: Part of an answer: what the unit's clock shows, in ISO 8601.
CLOCK = "device_time"

#: What the line needs where the answer that was given up looks like those to other questions, so
#: that only time tells it from theirs, if the unit says it after the answer to the probe.
_ALIKE = RESYNC._replace(silence_s=2.0)

#: Dialects whose answers have a head with a number in it.
_COUNTED = frozenset({"pi18", "pi17"})


@lru_cache(256)
def _packed(text: str, dialect: str, crc: bool) -> bytes:
    """A question, most of which are asked again and again."""
    return pack(text, dialect, crc=crc)


class VoltronicSession:
    """See :class:`rct_collector.drivers.base.Session`."""

    def __init__(
        self, options: VoltronicOptions, serial_number: str, commands: Sequence[Command]
    ) -> None:
        """Start with a line of which nothing is known.

        Args:
            options: As they are configured.
            serial_number: Of the unit that is meant; "" for any.
            commands: All that the family knows.
        """
        self._crc = options.request_crc
        self._detection = Detection(options, serial_number, commands)
        self._reader = FrameReader()
        self._asked: Ask | None = None
        self._late: Ask | None = None  # was given up, and may still be answered
        self._before: tuple[Query, str] | None = None
        self._doubted: Query | None = None
        self._clock: tuple[datetime, int] | None = None
        self._approved = 0  # number of what was sent last

    @property
    def pending(self) -> int:
        """Bytes held of half an answer."""
        return self._reader.pending

    # -- asking ----------------------------------------------------------------------------

    def request(self, ask: Ask) -> bytes:
        """The bytes that ask for something; what came before them is no answer to it.

        Raises:
            RefusedFrameError: It is no question of this family, or the dialect is not known yet.
        """
        query = ask.query
        if query is PROTOCOL:
            data = self._detection.question()
        elif isinstance(query, WriteCommand):
            data = self._order(query, ask.argument)
        elif isinstance(query, Command) and self._detection.dialect:
            text = query.asked(self._moment(ask)) if query.date else query.text
            data = _packed(text, self._detection.dialect, self._crc)
        else:
            text = f"{query.label} cannot be asked before it is known which dialect the unit speaks"
            raise RefusedFrameError(text)
        self._reader.reset()
        self._asked = ask
        if query is not PROTOCOL:
            self._late = None
        return data

    def _order(self, order: WriteCommand, approved: object) -> bytes:
        """The bytes that set something: of an approved value, once, and of the table alone.

        Raises:
            RefusedFrameError: It was not approved, was sent before, or is none of what this may be.
        """
        from rct_collector.drivers.voltronic.settings import WRITES  # few units are ever set

        dialect = self._detection.dialect
        if not isinstance(approved, Approved) or approved.setting.query is not order:
            raise RefusedFrameError(f"{order.label} is written through the gate of settings only")
        if order not in WRITES or dialect not in order.dialects or not order.fits(approved.text):
            raise RefusedFrameError(
                f"{approved.text!r} is not what {order.label} is in the dialect {dialect or '?'}"
            )
        if approved.number <= self._approved:
            raise RefusedFrameError(f"{order.label} is sent once, and was")
        self._approved = approved.number
        return pack_order(approved.text, dialect, crc=self._crc)

    def _moment(self, ask: Ask) -> datetime:
        """What the unit's clock shows when it is asked; as this host's, while it is not known.

        Args:
            ask: With the time of the request as its argument, in Unix seconds.

        Raises:
            RefusedFrameError: It has none.
        """
        if not isinstance(ask.argument, int | float):
            raise RefusedFrameError(f"{ask.query.label} asks for a date; no time was given with it")
        if self._clock is None:
            return datetime.fromtimestamp(ask.argument)  # noqa: DTZ006 - nor has the unit a zone
        shown, wall_ns = self._clock
        return shown + timedelta(seconds=ask.argument - wall_ns / 1e9)

    def abandon(self, ask: Ask) -> Resync | None:
        """The line is to be probed: a late answer could be taken for one to the next question."""
        self._asked = None
        self._reader.reset()
        if ask.query is PROTOCOL:
            return self._detection.given_up()
        if isinstance(ask.query, WriteCommand):
            return RESYNC  # a late "yes" tells nothing: the value is read back
        if ask.query.shape is not None:
            return _ALIKE
        self._late = ask
        return RESYNC._replace(late=ask)

    def reset(self) -> None:
        """Forget half an answer."""
        self._reader.reset()

    # -- answers ---------------------------------------------------------------------------

    def receive(self, data: bytes, wall_ns: int = 0) -> list[Event]:
        """Take bytes; see the base class."""
        events: list[Event] = []
        for item in self._reader.feed(data):
            late = self._come_late(item, wall_ns)
            if late is not None:
                events += late
            elif self._asked is not None and self._asked.query is PROTOCOL:
                events += self._prove(item)
            elif type(item) is Frame:
                events += self._judge(item, wall_ns)
            else:
                events.append(self._spoilt(item))  # type: ignore[arg-type]  # there are only two
        return events

    def _come_late(self, item: Frame | Bad, wall_ns: int) -> list[Event] | None:
        """What comes before the answer to a probe, if that is to what was given up; else None.

        That one is asked again, so that a "no" says nothing of it, and damage little.
        """
        if self._late is None:
            return None
        query, unit, _ = self._late
        events: list[Event] = []
        if type(item) is Bad:
            if item.kind is not Fault.CRC:
                return None
            events = [Garbled(Fault.CRC, None, item.size)]
        elif type(item) is Frame:  # there is nothing else
            if not item.sound:
                events = [Garbled(Fault.CRC, None, item.size)]
            elif not (is_refusal(item) and self._detection.asks_usual):
                value = self._read(item, query)
                if value is None:
                    return None
                events = [self._take(item, query, unit, value, wall_ns)]
        self._late = None
        return events

    def _prove(self, item: Frame | Bad) -> list[Event]:
        """What comes after a probe."""
        found = self._detection.hear(item)
        if any(type(event) is not Garbled for event in found):
            self._asked = self._before = None
        if any(type(event) is Answer for event in found):
            self._late = None
        return found

    def _judge(self, frame: Frame, wall_ns: int) -> list[Event]:
        """What an answer is, once it is known to be one of something."""
        if self._asked is None:
            return [Garbled(Fault.FOREIGN, None, frame.size)]
        if self._detection.is_late(frame):
            return [Garbled(Fault.FOREIGN, None, frame.size)]
        query, unit, _ = self._asked
        self._asked = None
        if not frame.sound:
            return self._doubtful(frame, query, unit)
        self._doubted = None
        if is_refusal(frame):
            return [Refused(query, unit)]
        if isinstance(query, WriteCommand) and is_consent(frame):
            self._before = query, frame.text
            return [Answer(query, True, unit)]
        value = self._read(frame, query)
        if value is None:
            return [Garbled(Fault.DECODE, query, frame.size, unit)]
        self._detection.in_order()
        return [self._take(frame, query, unit, value, wall_ns)]

    def _take(
        self, frame: Frame, query: Query, unit: str, value: Mapping[str, Any], wall_ns: int
    ) -> Answer:
        """An answer, of which the session keeps what it needs itself."""
        if value.get(CLOCK):
            self._clock = datetime.fromisoformat(value[CLOCK]), wall_ns
        self._before = query, frame.text
        return Answer(query, value, unit)

    def _read(self, frame: Frame, query: Query) -> Mapping[str, Any] | None:
        """Its parts; None where it can be no answer to that."""
        head = "^D" if self._detection.dialect in _COUNTED else "("
        if frame.head != head or not isinstance(query, Command):
            return None
        if self._before is not None:
            before, text = self._before
            if text == frame.text and before is not query:
                return None  # the answer before, once more: it cannot be told from one to this
        return query.decode(frame.text)

    def _doubtful(self, frame: Frame, query: Query, unit: str) -> list[Event]:
        """A yes or no whose checksum is wrong: it is believed when it comes twice."""
        again, self._doubted = self._doubted is query, query
        if again and is_refusal(frame):
            self._doubted = None
            return [Garbled(Fault.CRC, None, frame.size), Refused(query, unit)]
        return [Garbled(Fault.CRC, query, frame.size, unit)]

    def _spoilt(self, bad: Bad) -> Event:
        """What is no answer; with a wrong checksum, it was to be the one."""
        ask = self._asked
        if bad.kind is not Fault.CRC or ask is None:
            return Garbled(bad.kind, None, bad.size)
        self._asked = None
        return Garbled(bad.kind, ask.query, bad.size, ask.unit)
