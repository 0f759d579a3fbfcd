"""Faults that come and go, and what the unit's event table keeps of them.

An incident is a pure function of time, like all else: every three hours have one or none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rct_collector.drivers.chance import between, fraction, key
from rct_collector.drivers.rct.simulator.scenario import Scenario

_SLOT = 3 * 3600
_CHANCE = 0.45
_SHORTEST, _LONGEST = 40.0, 900.0


class IncidentKind(NamedTuple):
    """What may happen.

    Attributes:
        bit: Number of the fault, 32 x word + bit; also the type of the event.
        condition: What the installation must have for it, as in the driver's table.
        raw: A key → third element of the event, as it is in the table: the volts or hertz that
            tripped, or a code.
    """

    bit: int
    condition: str
    raw: Callable[[int], int]


class Incident(NamedTuple):
    """Something that happened, or happens.

    Attributes:
        bit: Number of the fault.
        start: Unix seconds.
        end: Unix seconds.
        raw: Third element of the event.
    """

    bit: int
    start: float
    end: float
    raw: int


def float_bits(value: float) -> int:
    """The bits of a 32-bit float, as event tables keep values."""
    (bits,) = struct.unpack(">I", struct.pack(">f", value))
    return int(bits)


def _reading(low: float, high: float) -> Callable[[int], int]:
    return lambda of: float_bits(between(low, high, of))


def _code(most: int) -> Callable[[int], int]:
    return lambda of: 1 + int(most * fraction(of))


UNDER_VOLTAGE, OVER_VOLTAGE, OVER_FREQUENCY, INSULATION = 49, 80, 82, 25

#: Sources: the documented entries of the event table; fault bits of the vendor's list. The third
#: element of 25 and 29 is not documented, and invented.
KINDS = (
    IncidentKind(INSULATION, "always", _reading(2.1e5, 4.4e5)),
    IncidentKind(29, "psw", _code(3)),
    IncidentKind(UNDER_VOLTAGE, "always", _reading(172.0, 186.0)),
    IncidentKind(OVER_VOLTAGE, "always", _reading(253.2, 258.0)),
    IncidentKind(OVER_FREQUENCY, "always", _reading(50.21, 50.4)),
    IncidentKind(89, "always", _code(4)),
    IncidentKind(107, "bat", _code(2)),
    IncidentKind(114, "bat", _code(40)),
    IncidentKind(120, "always", _code(3)),
    IncidentKind(121, "always", _code(3)),
)


class Incidents:
    """All that ever goes wrong at one installation."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        """Choose what can happen there."""
        self._kinds = tuple(kind for kind in KINDS if scenario.has(kind.condition))
        self._key = key(seed, "incidents")

    def at(self, unix: float) -> Incident | None:
        """What is wrong at a moment, if anything."""
        found = self._slot(int(unix // _SLOT))
        return found if found and found.start <= unix < found.end else None

    def before(self, unix: float, now: float, oldest: float) -> Iterator[Incident]:
        """What began before a moment and is over by now, newest first, back to ``oldest``."""
        for number in range(int(unix // _SLOT), int(oldest // _SLOT), -1):
            found = self._slot(number)
            if found and found.start < unix and found.end <= now:
                yield found

    def words(self, unix: float) -> tuple[int, int, int, int]:
        """The four fault words."""
        words = [0, 0, 0, 0]
        current = self.at(unix)
        if current:
            words[current.bit // 32] = 1 << current.bit % 32
        return words[0], words[1], words[2], words[3]

    def _slot(self, number: int) -> Incident | None:
        of = key(self._key, number)
        if fraction(of, 0) >= _CHANCE:
            return None
        kind = self._kinds[int(len(self._kinds) * fraction(of, 1))]
        start = int(number * _SLOT + between(0.0, _SLOT - _LONGEST, of, 2))
        length = int(between(_SHORTEST, _LONGEST, of, 3))
        return Incident(kind.bit, start, start + length, kind.raw(key(of, "raw")))
