"""What the codes, letters and bits of a Voltronic unit mean, in words.

Sources: the papers of the maker, see :mod:`rct_collector.drivers.voltronic.pi30` and the modules
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Letter of QMOD → mode.
MODES: dict[str, str] = {
    "P": "power on",
    "S": "standby",
    "L": "line",
    "B": "battery",
    "F": "fault",
    "H": "power saving",
    "D": "shutdown",
    "C": "charge",
    "Y": "bypass",
    "E": "eco",
    "G": "grid",
}

#: Number of MOD → mode, where modes are numbered: PI18, and PI17 with the last one.
NUMBERED_MODES = ("power on", "standby", "bypass", "battery", "fault", "hybrid", "charge")

#: Mode → code that is published; 0 for one that nobody knows.
MODE_CODES: dict[str, int] = {
    mode: number for number, mode in enumerate((*MODES.values(), "hybrid"), start=1)
}

#: Codes of what QMOD and its like tell, by code.
STATES: dict[int, str] = {number: mode for mode, number in MODE_CODES.items()}

#: Command → code → meaning.
CODES: dict[str, dict[int, str]] = {
    name: STATES for name in ("QMOD", "pi18 MOD", "pi17 MOD", "pi16 QMOD", "pi30revo QMOD")
}

_TRACKER = (
    "solar voltage too high",
    "solar charger overloaded: fault",
    "solar charger overloaded",
    "battery too low for the solar charger",
)

#: Number of a fault or warning → meaning. The number is its place in the answer to QPIWS; others
#: have numbers from 64 on, see :mod:`rct_collector.drivers.voltronic.faults`. Where papers differ,
#: both meanings are named.
FAULTS: dict[int, str] = {
    0: "no sun",
    1: "inverter fault",
    2: "bus voltage too high",
    3: "bus voltage too low",
    4: "soft start of the bus failed",
    5: "grid lost",
    6: "output short-circuited",
    7: "inverter voltage too low",
    8: "inverter voltage too high",
    9: "over-temperature",
    10: "fan locked",
    11: "battery voltage too high",
    12: "battery low",
    13: "battery overcharged",
    14: "battery so low that the output is switched off",
    15: "power reduced because of the battery",
    16: "overload",
    17: "parameter memory defective",
    18: "inverter over-current",
    19: "soft start of the inverter failed",
    20: "self-test failed",
    21: "DC voltage at the output",
    22: "battery not connected",
    23: "current sensor failed",
    24: "battery short-circuited",
    25: "power limited",
    26: _TRACKER[0],
    27: _TRACKER[1],
    28: _TRACKER[2],
    29: _TRACKER[3],
    30: "DC/DC over-current, or a warning of another unit",
    34: "grid voltage too high while the bus starts",
    35: "battery is being equalized",
    **{64 + n: f"{text}, second tracker" for n, text in enumerate(_TRACKER)},
    **{68 + n: f"{text}, third tracker" for n, text in enumerate(_TRACKER)},
    **dict(
        enumerate(
            (
                "solar input 1 lost",
                "solar input 2 lost",
                "voltage of solar input 1 too high",
                "voltage of solar input 2 too high",
                "battery voltage too low",
                "battery voltage low",
                "battery disconnected",
                "battery over-voltage",
                "battery low in hybrid operation",
                "grid lost: voltage too high",
                "grid lost: voltage too low",
                "grid lost: frequency too high",
                "grid lost: frequency too low",
                "average of the grid voltage too high",
                "grid voltage lost",
                "grid frequency lost",
                "island detected",
                "phases of the grid in wrong order",
                "over-temperature in hybrid operation",
                "overload in hybrid operation",
                "emergency power off",
                "wave of the grid lost",
            ),
            start=72,
        )
    ),
}

#: Names of faults that PI18 tells apart → their numbers.
PI18_FAULTS: dict[str, int] = {
    "line_fail": 5,
    "output_short": 6,
    "over_temperature": 9,
    "fan_locked": 10,
    "battery_voltage_high": 11,
    "battery_low": 12,
    "battery_under": 14,
    "overload": 16,
    "eeprom_fault": 17,
    "power_limit": 25,
    "pv1_voltage_high": 26,
    "pv2_voltage_high": 64,
    "mppt1_overload": 28,
    "mppt2_overload": 66,
    "battery_too_low_scc1": 29,
    "battery_too_low_scc2": 67,
}


def mode_word(letter: str) -> str:
    """The mode that a letter stands for; the letter where nobody knows."""
    return MODES.get(letter, letter)


def mode_of_number(digits: str) -> str:
    """The mode that a number stands for; the number where nobody knows."""
    number = int(digits)
    return NUMBERED_MODES[number] if number < len(NUMBERED_MODES) else digits


def state_code(parts: Mapping[str, Any]) -> int | None:
    """The published code of the mode among the parts of an answer; 0 for an unknown one."""
    mode = parts.get("mode")
    return None if mode is None else MODE_CODES.get(mode, 0)
