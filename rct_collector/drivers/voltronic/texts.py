"""What the codes, letters and bits of a Voltronic unit mean, in words.

Sources: the papers of the maker, see :mod:`rct_collector.drivers.voltronic.pi30` and the modules
beside it.
"""

from __future__ import annotations

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


def mode_word(letter: str) -> str:
    """The mode that a letter stands for; the letter where nobody knows."""
    return MODES.get(letter, letter)


def mode_of_number(digits: str) -> str:
    """The mode that a number stands for; the number where nobody knows."""
    number = int(digits)
    return NUMBERED_MODES[number] if number < len(NUMBERED_MODES) else digits
