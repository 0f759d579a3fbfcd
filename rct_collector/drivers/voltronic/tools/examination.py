"""What an examination needs to know of Voltronic units, and how they are found.

Sources: the maker's papers; answers that users of other collectors have posted.
"""

from __future__ import annotations

from rct_collector.drivers.base import Facts
from rct_collector.drivers.tools import Examination, Quirk, Search
from rct_collector.drivers.voltronic import conditions
from rct_collector.drivers.voltronic.command import PROTOCOL
from rct_collector.drivers.voltronic.detection import SERIALS
from rct_collector.drivers.voltronic.table import COMMANDS

#: Short answers that every unit has, whatever it speaks.
_SHORT = ("QMOD", "QVFW", "QID", "MOD", "VFW", "ID")

#: Dialects that are known from documents and from published frames alone.
_UNTRIED = ("pi17", "pi16", "pi30revo")

_PAPER_ONLY = Quirk(
    "This dialect was tried on published frames alone",
    "Nobody has told yet that this program has read it from a real unit: values may be missing, or"
    " mean something else.",
    "Compare the values with the display of the unit, and report what differs, with a recording:"
    " rct-collector record --redact.",
)
_NO_CHECKSUM = Quirk(
    "Some units of PI18 answer properly only to requests without a checksum",
    "They give short answers otherwise, which are refused.",
    "Set request_crc to false if most of the values are missing.",
)
_SLOW_INSIDE = Quirk(
    "The unit talks at 2400 baud inside, over USB as well",
    "A full status takes half a second. A unit that is asked over USB and RS232 at the same time"
    " may lock up until it is restarted.",
    "Let one program ask, over one of its sockets.",
)


def equipment(facts: Facts) -> list[tuple[str, str]]:
    """What the unit has, as label and words."""
    speaks = str(facts.get(PROTOCOL.name) or "not known")
    found = [("dialect", speaks)]
    has = {name: item.test(facts) for name, item in conditions.CONDITIONS.items()}
    if any(has[name] for name in (conditions.SPLIT, conditions.SPLIT_SYSTEM)):
        found.append(("phases", "two"))
    if has[conditions.THREE_STRINGS]:
        found.append(("solar generators", "three"))
    elif has[conditions.TWO_STRINGS]:
        found.append(("solar generators", "two"))
    units = sum(
        has[f"unit {number}"] or has[f"pi18-unit {number}"] or False
        for number in range(conditions.MOST_UNITS)
    )
    if units:
        found.append(("system", f"{units} units"))
    return found


def quirks(facts: Facts) -> list[Quirk]:
    """What is known of units of that dialect."""
    speaks = facts.get(PROTOCOL.name)
    if not speaks:
        return []
    found = [_SLOW_INSIDE]
    if speaks in _UNTRIED:
        found.append(_PAPER_ONLY)
    if speaks == "pi18":
        found.append(_NO_CHECKSUM)
    return found


def _words(facts: Facts) -> dict[str, str]:
    found = {"dialect": str(facts[PROTOCOL.name])}
    serials = dict.fromkeys(
        str(facts[item.name]) for item in COMMANDS if item.text in SERIALS and facts.get(item.name)
    )
    return {**found, "serial number": " or ".join(serials)} if serials else found


EXAMINATION = Examination(
    probes=(PROTOCOL.name, *(item.name for item in COMMANDS if item.text in _SHORT)),
    equipment=equipment,
    quirks=quirks,
    signs={},
)

#: Nothing else may be asked before the dialect is known: the ids are those of a UPS, too.
SEARCH = Search(
    queries=(PROTOCOL.name, *(item.name for item in COMMANDS if item.text in SERIALS)),
    words=_words,
)
