"""Chance as a pure function: the same key gives the same number, whatever was asked before.

A generator with a state would make a value depend on how often somebody polled. Here the past
can be asked for as well as the present, and two readers see the same unit.
"""

from __future__ import annotations

from functools import lru_cache
from math import floor
from typing import NamedTuple
from zlib import crc32

_MASK = (1 << 64) - 1


def _mix(number: int) -> int:
    """Spread 64 bits (the finaliser of SplitMix64, a public-domain generator)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & _MASK
    return number ^ number >> 31


def key(*parts: int | str) -> int:
    """Make a key of a seed, names and numbers, in that order."""
    mixed = 0
    for part in parts:
        number = crc32(part.encode()) if isinstance(part, str) else part
        mixed = _mix(mixed ^ number & _MASK)
    return mixed


def fraction(of: int, index: int = 0) -> float:
    """A number in 0 … 1 (1 excluded) for one index under a key."""
    return (_mix(of ^ _mix(index & _MASK)) >> 11) / (1 << 53)


class Range(NamedTuple):
    """From the least to the most of something."""

    low: float
    high: float


def between(low: float, high: float, of: int, index: int = 0) -> float:
    """A number from ``low`` to ``high`` for one index under a key."""
    return low + (high - low) * fraction(of, index)


def wave(of: int, x: float) -> float:
    """Smooth noise in -1 … 1 that turns about once when ``x`` grows by one."""
    whole = floor(x)
    rest = x - whole
    rest *= rest * (3.0 - 2.0 * rest)
    first = _point(of, whole)
    return 2.0 * (first + (_point(of, whole + 1) - first) * rest) - 1.0


#: Neighbouring moments lie between the same two points.
_point = lru_cache(maxsize=1024)(fraction)


def octets(count: int, of: int) -> bytes:
    """``count`` arbitrary bytes."""
    return bytes(int(256 * fraction(of, index)) for index in range(count))
