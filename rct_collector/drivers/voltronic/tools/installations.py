"""What usual installations tell of themselves, for who asks how hard a unit is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rct_collector.drivers.voltronic.conditions import (
    CONDITIONS,
    MORE_STRINGS,
    SECOND_PHASE,
    SECOND_STRING,
)

_SERIALS = ("92932004105315", "92932004105316", "92932004105317")


def _system(name: str, mode: str) -> dict[str, Any]:
    """Three units that work together, and no fourth."""
    units = {f"{name}{n}": f"{serial} {mode}" for n, serial in enumerate(_SERIALS)}
    return {**units, f"{name}{len(units)}": None}


#: Name → what such a unit tells; the usual one first.
_FACTS: dict[str, dict[str, Any]] = {
    "two-strings": {
        "protocol": "pi30", "QPIGS2": SECOND_STRING, "QPGS0": f"{_SERIALS[0]} 0", "QT": 1,
    },
    "one-string": {"protocol": "pi30", "QPIGS2": None, "QPGS0": None, "QT": None},
    "three-strings": {"protocol": "pi30", "QPIGS2": MORE_STRINGS, "QPGS0": None, "QT": 1},
    "split-phase": {"protocol": "pi41", "QPIGS2": SECOND_PHASE, "QPGS0": None, "QT": 1},
    "parallel": {"protocol": "pi30", "QPIGS2": SECOND_STRING, "QT": 1, **_system("QPGS", "1")},
    "pi18": {"protocol": "pi18", "pi18 PGS0": 1, "pi18 PGS1": 0, "pi18 T": 1},
    "pi17": {"protocol": "pi17", "pi17 T": 1},
    "pi16": {"protocol": "pi16", "pi16 QT": 1},
    "revo": {"protocol": "pi30revo"},
}  # fmt: skip


def installations() -> Mapping[str, Collection[str]]:
    """Name → conditions that such an installation meets; the usual one first."""
    return {
        name: {"", *(key for key, condition in CONDITIONS.items() if condition.test(facts))}
        for name, facts in _FACTS.items()
    }
