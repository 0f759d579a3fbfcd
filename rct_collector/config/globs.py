"""Whether a glob can match a name of which a part is only known by how it looks.

The names of components that only units know, such as serial numbers, are not there when a
configuration is read; whether a glob may match one of them is decided by their pattern.

A glob is a row of elements, each of which takes one character of some, or ``*`` any number of any.
Where in it one can be after the characters so far is a set of places, kept as the bits of a
number, so that a step costs the same however many stars there are.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from rct_collector.model import Dimensions, Metric, Pattern

_ELEMENT = re.compile(r"\*+|\?|\[(?P<not>!?)(?P<set>[^]]+)\]|(?P<one>.)", re.DOTALL)
_CHARACTERS = string.ascii_letters + string.digits + "_.{}=,"


class _Step(NamedTuple):
    """A character of a name: one of some.

    Attributes:
        letters: Which.
        optional: It may be left out.
    """

    letters: str
    optional: bool = False


@dataclass(frozen=True)
class _Glob:
    """A glob as bits: place n is in front of element n, and the last one behind all.

    Attributes:
        takes: Character → elements that take it.
        stars: Elements that take any number of any.
        end: The place behind all.
    """

    takes: dict[str, int]
    stars: int
    end: int

    def begin(self) -> int:
        """Where one can be before the first character."""
        return self._open(1)

    def go(self, places: int, steps: Iterable[_Step]) -> int:
        """Where one can be after some characters, from where one could be."""
        for letters, optional in steps:
            fitting = 0
            for letter in letters:
                fitting |= self.takes.get(letter, 0)
            after = self._open((places & fitting) << 1 | places & self.stars)
            places = places | after if optional else after
            if not places:
                break
        return places

    def _open(self, places: int) -> int:
        """A star may take nothing; there are never two in a row."""
        return places | (places & self.stars) << 1


def may_match(glob: str, metrics: Sequence[Metric]) -> bool:
    """Whether a glob matches the name of a series that some metric may have.

    Args:
        glob: In the characters of names, with ``*``, ``?``, ``[…]`` and ``[!…]``.
        metrics: Those with a dimension of which not all values are known, in catalogue order.
    """
    found = _read(glob)
    begin = found.begin()
    for (measurement, dimensions), rows in groupby(metrics, _component):
        places = found.go(begin, _literal(f"{measurement}{{"))
        for n, (key, values) in enumerate(dimensions):
            places = found.go(places, _literal(f",{key}=" if n else f"{key}="))
            if isinstance(values, Pattern):
                places = found.go(places, _looks(values))
            else:
                ways = [found.go(places, _literal(value)) for value in values]
                places = 0
                for way in ways:
                    places |= way
        places = found.go(places, _literal("}."))
        if places and any(found.go(places, _literal(row.field)) & found.end for row in rows):
            return True
    return False


def _component(metric: Metric) -> tuple[str, Dimensions]:
    return metric.measurement, metric.dimensions


def _read(glob: str) -> _Glob:
    takes = dict.fromkeys(_CHARACTERS, 0)
    stars = place = 0
    for element in _ELEMENT.finditer(glob):
        bit = 1 << place
        place += 1
        if element[0].startswith("*"):
            stars |= bit
            continue
        for character in _taken(element):
            takes[character] = takes.get(character, 0) | bit
    return _Glob(takes, stars, 1 << place)


def _taken(element: re.Match[str]) -> str:
    """The characters that an element takes."""
    if element["one"]:
        return element["one"]
    if not element["set"]:
        return _CHARACTERS
    inside = _spelt(element["set"])
    return "".join(c for c in _CHARACTERS if (c in inside) != bool(element["not"]))


def _spelt(ranges: str) -> str:
    """``0-9A`` → its characters."""
    return re.sub("(.)-(.)", lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), ranges)


def _literal(text: str) -> Iterator[_Step]:
    return map(_Step, text)


def _looks(values: Pattern) -> Iterator[_Step]:
    letters = _spelt(values.letters)
    for n in range(values.longest):
        yield _Step(letters, optional=n >= values.shortest)
