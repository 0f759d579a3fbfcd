"""Records as units send them, put together of their values."""

import struct

from rct_collector.drivers.solaredge.frame import Frame, assemble

UNIT = 0x7F101234
SERVER = 0xFFFFFFFE
#: 2020-06-01 12:00:00 UTC.
NOON = 1591012800
NO_VALUE = b"\xff\xff\x7f\xff"


def record(kind, unit, body):
    return struct.pack("<HIH", kind, unit, len(body)) + body


def packed(unit=0x100F0001, utc=NOON, *, uptime=600, volts=220, output=188, current=66, day=463,
           temperature=9):  # fmt: skip
    """Of an optimizer; values in its own steps."""
    word = volts | output << 10 | current << 20
    return record(0x80, unit, struct.pack("<IHIHb", utc, uptime, word, day, temperature))


def event(unit=UNIT, utc=NOON, kind=1, words=(NOON - 1, -28800, NOON, 0, 0)):
    return record(0x300, unit, struct.pack("<IIIiIII", utc, kind, *words))


def inverter(unit=UNIT, utc=NOON, power=143.5):
    floats = [
        30.25, 2025.5, 15.75, 235.25, 0.75, 50.0, 0, 0, 347.9375, 0, 1619399.0, 0, 0, 1.0, 0,
        6000.0, 100.0, 0, 0, 0, power, 161.5, -74.0,
    ]  # fmt: skip
    return record(0x10, unit, struct.pack("<3I23f", utc, 59874, 300, *floats))


def post(*records, sequence=1, unit=UNIT):
    return Frame(sequence, unit, SERVER, 0x0500, b"".join(records))


def wire(*frames):
    return b"".join(map(assemble, frames))
