"""Words of warnings → the numbers of faults that all dialects share.

The number of a fault is its place in the answer to QPIWS, as most units have it. Where another
dialect or another length has something else at a place, that has a number of its own, from 64 on;
where a place means one thing or another by model, it has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rct_collector.drivers.voltronic.feeds import Feed, to
from rct_collector.drivers.voltronic.texts import FAULTS

#: Parts of an answer → its faults, one bit each.
Mask = Callable[[Mapping[str, Any]], int]

#: Warnings are asked for no more often, in seconds: the mode tells at once that the unit stopped.
EVERY_S = 30.0

WORDS = 4
_WORD_BITS = 32

#: What stops the inverter, and does not only warn. Where others do, the bit of the inverter is set.
_STOPS = sum(1 << number for number in (1, 2, 3, 4, 7, 8, 18, 19, 20, 21, 22, 23, 24, 30))

#: Places where words of 36 have the digits of a fault code, or warnings, by model.
_DIGITS = frozenset({31, 32, 33})
_LONG = 36
#: Words longer than that are of units with three trackers: places from 30 on are theirs.
_SECOND_TRACKER, _OF_TRACKERS = 30, 64


def positions(parts: Mapping[str, Any]) -> int:
    """The faults of QPIWS."""
    count = parts["bit_count"]
    mask = 0
    for place in parts["active_bits"]:
        if count == _LONG and place in _DIGITS:
            continue
        if count > _LONG and place >= _SECOND_TRACKER:
            mask |= 1 << (place - _SECOND_TRACKER + _OF_TRACKERS)
        else:
            mask |= 1 << place
    return mask


def numbered(numbers: Mapping[str, int]) -> Mask:
    """Faults that are parts of their own: name → number."""

    def mask(parts: Mapping[str, Any]) -> int:
        return sum(1 << number for name, number in numbers.items() if parts.get(name))

    return mask


def from_place(first: int) -> Mask:
    """Faults whose places are counted from a number on."""

    def mask(parts: Mapping[str, Any]) -> int:
        return sum(1 << (first + place) for place in parts["active_bits"])

    return mask


def feeds(mask: Mask, part: str) -> tuple[Feed, ...]:
    """The words, the flags, and whether anything of it stops the inverter.

    Args:
        mask: What the faults are.
        part: Name of the part that tells.
    """

    def word(number: int) -> Callable[[Mapping[str, Any]], Any]:
        return lambda parts: mask(parts) >> _WORD_BITS * number & 0xFFFFFFFF

    def flag(number: int) -> Callable[[Mapping[str, Any]], Any]:
        return lambda parts: mask(parts) >> number & 1

    return (
        *(to(f"inverter_status.fault_word_{n}", part, take=word(n)) for n in range(WORDS)),
        to("inverter_status.fault_reported", part, take=lambda parts: bool(mask(parts) & _STOPS)),
        *(to("inverter_fault.active", part, take=flag(n), fault=str(n)) for n in FAULTS),
    )
