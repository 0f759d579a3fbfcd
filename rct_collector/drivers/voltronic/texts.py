"""What the codes, letters and bits of a Voltronic unit mean, in words.

Sources: the papers of the maker, see :mod:`rct_collector.drivers.voltronic.command`.
"""

from __future__ import annotations

#: Letter of QMOD → mode.
MODE_WORDS: dict[str, str] = {
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
