"""A unit that means harm, for tests of what its texts end up in.

What a unit says ends up in terminals, in logs and between the values of lines. It is a stranger's:
anybody on the network may answer in its place.
"""

from __future__ import annotations

import pytest
from rctclient.types import DataType

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.simulator import Faults
from rct_collector.drivers.rct.table import BY_OID
from tests.scripted import ScriptedUnit

#: What a text object may be made to say, and what of it may be shown; None is refused.
HOSTILE = {
    "clears the screen": (b"\x1b[2J\x1b[H", None),
    "sets the title": (b"\x1b]0;owned\x07", None),
    "one-byte escape": (b"\x9b31mred", None),
    "a line of its own": (b"x 1\ninverter_power,source=roof pv_watts=9e9", None),
    "carriage return": (b"roof\rRCT Power OK", None),
    "backspaces": (b"ab\b\bcd", None),
    "right to left": ("abc\u202egnp".encode(), None),
    "invisible": ("a\u200bb\ufeff".encode(), None),
    "surrogate": (b"\xed\xa0\x80", None),
    "not UTF-8": (b"\xff\xfe\xfd", None),
    "delete": (b"a\x7fb", None),
    "markup": (b"[red]x[/red][link=http://h]y", "[red]x[/red][link=http://h]y"),
    "quotes and commas": (b'",x=1 \\" \\', '",x=1 \\" \\'),
    "formats": (b"%s%n%(x)s{0}{x.__class__}", "%s%n%(x)s{0}{x.__class__}"),
    "behind the end": (b"PS 6.0\0\x1b[2J", "PS 6.0"),
}

each_text = pytest.mark.parametrize(("said", "shown"), HOSTILE.values(), ids=HOSTILE)


def padded(said):
    return said + b"\0" * 4


class Says(Faults):
    """Every text object says the same."""

    def __init__(self, said):
        self.said = padded(said)

    def on_reading(self, unit, oid, payload, unix):
        return self.said if BY_OID[oid].type is DataType.STRING else payload


def hostile_unit(said):
    """The same on a scripted line."""
    unit = ScriptedUnit()

    def mangle(item, data, n):
        if item.type is not DataType.STRING:
            return data
        return b"\0" + frame.assemble(frame.RESPONSE, item.oid, padded(said))

    unit.mangle = mangle
    return unit


def harmless(text):
    """Nothing in it but what can be seen, line by line."""
    return text.isascii() and all(line.isprintable() for line in text.split("\n"))
