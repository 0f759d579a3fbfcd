"""Which commands a unit knows, decided from its dialect and from what it answers.

A command belongs to some dialects, and is asked of no other: until the dialect is known, no
condition holds. The rest is told by answers: that there is a second string or phase, or a system of
units, and that the unit has a clock, by which alone it can be asked for the energy of a day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from rct_collector.drivers.base import Condition, Facts
from rct_collector.drivers.voltronic.command import PROTOCOL

#: Asked alike of all units that speak PI30 but Revo.
FAMILY = "pi30"
#: PI30 with one phase, on its own …
SINGLE = "pi30-single"
#: … and as one of several that work together.
SYSTEM = "pi30-system"
#: The same with two phases.
SPLIT, SPLIT_SYSTEM = "pi41-single", "pi41-system"
#: More strings of a unit on its own.
TWO_STRINGS, THREE_STRINGS = "pi30-2-strings", "pi30-3-strings"
#: PI18 on its own, and as one of several.
PI18_SINGLE, PI18_SYSTEM = "pi18-single", "pi18-system"

#: Units that a system may have: they are counted with one digit.
MOST_UNITS = 10

#: What QPIGS2 is about.
SECOND_STRING, MORE_STRINGS, SECOND_PHASE = "second string", "three strings", "second phase"

_PI30 = ("pi30", "pi30max", "pi41")
_PROTOCOL = PROTOCOL.name
_SYSTEM_INPUTS = (_PROTOCOL, "QPIGS2", "QPGS0", "QPGS1")

Test = Callable[[Facts], bool | None]


def _speaks(facts: Facts, dialects: Collection[str]) -> bool:
    return facts.get(_PROTOCOL) in dialects


def _is_split(facts: Facts) -> bool:
    """Two phases: by name, or by what QPIGS2 brings."""
    return _speaks(facts, ("pi41",)) or (
        _speaks(facts, _PI30) and facts.get("QPIGS2") == SECOND_PHASE
    )


def _is_system(facts: Facts) -> bool:
    """Several units that work together, as far as is known.

    Single units answer QPGS0, too, some with a flag that says that there is no such unit. The mode
    of the output tells; where a unit with two phases is a system in itself, the second unit does.
    """
    if _is_split(facts):
        serial, _ = _member(facts, 1)
        return bool(serial) and serial != _member(facts, 0)[0]
    serial, mode = _member(facts, 0)
    return bool(serial) and mode != "0"


def _member(facts: Facts, unit: int) -> tuple[str, str]:
    """Serial number and mode of the output of a unit; "" where there is none."""
    serial, _, mode = str(facts.get(f"QPGS{unit}") or "").partition(" ")
    return (serial, mode) if serial.strip("0") else ("", "")


def _unit(number: int) -> Condition:
    """A unit is there when all before it are, and its serial number is not that of one of them."""
    names = tuple(f"QPGS{unit}" for unit in range(number + 1))

    def check(facts: Facts) -> bool | None:
        if not _speaks(facts, _PI30):
            return False
        known = set()
        for unit, name in enumerate(names):
            if name not in facts:
                return None if unit == number else False
            serial, _ = _member(facts, unit)
            if not serial or serial in known:
                return False
            if not unit and not _is_split(facts) and not _is_system(facts):
                return False
            known.add(serial)
        return True

    return Condition(
        (names[-1], _PROTOCOL, "QPIGS2", *names[:-1]), check, f"unit {number} of a system"
    )


def _pi18_unit(number: int) -> Condition:
    """The same by the flag of each: PI18 tells no serial numbers."""
    names = tuple(f"pi18 PGS{unit}" for unit in range(max(number, 1) + 1))

    def check(facts: Facts) -> bool | None:
        if not _speaks(facts, ("pi18",)):
            return False
        for unit, name in enumerate(names):
            if name not in facts:
                return None if unit == number or unit == len(names) - 1 else False
            if not facts[name]:
                return False
        return True

    inputs = tuple(dict.fromkeys((names[number], _PROTOCOL, *names)))
    return Condition(inputs, check, f"unit {number} of a system")


def _dialect(*dialects: str) -> Condition:
    return Condition((_PROTOCOL,), lambda facts: _speaks(facts, dialects))


def _clock(name: str, *dialects: str) -> Condition:
    """Commands with a date, which only a unit that tells its own can be asked."""

    def check(facts: Facts) -> bool | None:
        if not _speaks(facts, dialects):
            return False
        return facts[name] is not None if name in facts else None

    return Condition((_PROTOCOL, name), check, "a clock")


def _strings(about: str, part: str) -> Condition:
    """What QPIGS2 brings, of a unit on its own."""

    def check(facts: Facts) -> bool | None:
        if not _speaks(facts, _PI30) or _is_split(facts) or _is_system(facts):
            return False
        return facts["QPIGS2"] == about if "QPIGS2" in facts else None

    return Condition(_SYSTEM_INPUTS, check, part)


def _one_of(*, split: bool, system: bool) -> Condition:
    def check(facts: Facts) -> bool:
        return _speaks(facts, _PI30) and _is_split(facts) is split and _is_system(facts) is system

    return Condition(_SYSTEM_INPUTS, check)


def _pi18(*, system: bool) -> Condition:
    def check(facts: Facts) -> bool:
        return _speaks(facts, ("pi18",)) and bool(facts.get("pi18 PGS1")) is system

    return Condition((_PROTOCOL, "pi18 PGS1"), check)


#: Condition name, as written in the tables → how it is decided.
CONDITIONS: dict[str, Condition] = {
    FAMILY: _dialect(*_PI30),
    SINGLE: _one_of(split=False, system=False),
    SYSTEM: _one_of(split=False, system=True),
    SPLIT: _one_of(split=True, system=False),
    SPLIT_SYSTEM: _one_of(split=True, system=True),
    TWO_STRINGS: _strings(SECOND_STRING, "a second solar generator"),
    THREE_STRINGS: _strings(MORE_STRINGS, "a second and a third solar generator"),
    "pi30-clock": _clock("QT", *_PI30),
    **{f"unit {number}": _unit(number) for number in range(MOST_UNITS)},
    "pi18": _dialect("pi18"),
    PI18_SINGLE: _pi18(system=False),
    PI18_SYSTEM: _pi18(system=True),
    "pi18-clock": _clock("pi18 T", "pi18"),
    **{f"pi18-unit {number}": _pi18_unit(number) for number in range(MOST_UNITS)},
    "pi17": _dialect("pi17"),
    "pi17-clock": _clock("pi17 T", "pi17"),
    "pi16": _dialect("pi16"),
    "pi16-clock": _clock("pi16 QT", "pi16"),
    "pi30revo": _dialect("pi30revo"),
}
