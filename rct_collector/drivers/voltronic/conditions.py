"""Which commands a unit knows, decided from its dialect and from what it answers.

A command belongs to some dialects, and is asked of no other: until the dialect is known, no
condition holds. The rest is told by answers: that there is a second phase or a system of units, and
that the unit has a clock, by which alone it can be asked for the energy of a day.
"""

from __future__ import annotations

from collections.abc import Collection

from rct_collector.drivers.base import Condition, Facts
from rct_collector.drivers.voltronic.command import PROTOCOL

#: Asked alike of all units that speak PI30 but Revo.
FAMILY = "pi30-family"
#: PI30 with one phase, on its own …
SINGLE = "pi30-single"
#: … and as one of several that work together.
SYSTEM = "pi30-system"
#: PI30 with two phases.
SPLIT = "pi41"

#: Units that a system may have: they are counted with one digit.
MOST_UNITS = 10

#: What QPIGS2 is about where there is a second phase.
SECOND_PHASE = "second phase"

_PI30 = ("pi30", "pi30max", "pi41")
_PROTOCOL = PROTOCOL.name


def _speaks(facts: Facts, dialects: Collection[str]) -> bool:
    return facts.get(_PROTOCOL) in dialects


def _is_split(facts: Facts) -> bool:
    """Two phases: by name, or by what QPIGS2 brings."""
    return _speaks(facts, ("pi41",)) or (
        _speaks(facts, _PI30) and facts.get("QPIGS2") == SECOND_PHASE
    )


def _is_system(facts: Facts) -> bool | None:
    """Several units, or several phases of one: unit 0 has a serial number and says so.

    Single units answer QPGS0, too, and more than one firmware answers it with a flag that says
    that there is no such unit. The mode of the output tells.
    """
    if "QPGS0" not in facts:
        return None
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
        if not (system := _is_system(facts)):
            return system
        known = set()
        for unit, name in enumerate(names):
            if name not in facts:
                # The one before it was the last thing to be found out.
                return None if unit == number else False
            serial, _ = _member(facts, unit)
            if not serial or serial in known:
                return False
            known.add(serial)
        return True

    return Condition((_PROTOCOL, *names), check, f"unit {number} of a system")


def _dialect(*dialects: str) -> Condition:
    return Condition((_PROTOCOL,), lambda facts: _speaks(facts, dialects))


def _clock(name: str, *dialects: str) -> Condition:
    """Commands with a date, which only a unit that tells its own can be asked."""

    def check(facts: Facts) -> bool | None:
        if not _speaks(facts, dialects):
            return False
        return facts[name] is not None if name in facts else None

    return Condition((_PROTOCOL, name), check, "a clock")


#: Condition name, as written in the tables → how it is decided.
CONDITIONS: dict[str, Condition] = {
    FAMILY: _dialect(*_PI30),
    SINGLE: Condition(
        (_PROTOCOL, "QPIGS2", "QPGS0"),
        lambda facts: _speaks(facts, _PI30) and not _is_split(facts) and not _is_system(facts),
    ),
    SYSTEM: Condition(
        (_PROTOCOL, "QPIGS2", "QPGS0"),
        lambda facts: _speaks(facts, _PI30) and not _is_split(facts) and bool(_is_system(facts)),
    ),
    SPLIT: Condition((_PROTOCOL, "QPIGS2"), _is_split),
    "pi30-clock": _clock("QT", *_PI30),
    **{f"unit {number}": _unit(number) for number in range(MOST_UNITS)},
    "pi18": _dialect("pi18"),
    "pi18-clock": _clock("pi18 T", "pi18"),
    "pi17": _dialect("pi17"),
    "pi17-clock": _clock("pi17 T", "pi17"),
    "pi16": _dialect("pi16"),
    "pi16-clock": _clock("pi16 QT", "pi16"),
    "pi30revo": _dialect("pi30revo"),
}
