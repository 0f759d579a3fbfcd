"""A family whose components only the units know.

``1A2B3C4D;1782036000;250`` is the power of one: its serial number, a time and watts.
"""

from __future__ import annotations

from rct_collector.catalog import Catalog
from rct_collector.catalog.rows import row
from rct_collector.drivers.base import Driver, Fault, Garbled, Pushed, Record
from rct_collector.model import Kind, Pattern, PollClass

#: Few enough that a test can name too many.
MOST = 5

POWER = row("inverter_optimizer", "power_watts", Kind.GAUGE, PollClass.FAST, "Power of one.",
            over=(("optimizer", Pattern("0-9A-F", 8, 8, most=MOST)),))  # fmt: skip


class Session:
    def __init__(self, rows):
        self._half = b""
        self._rows = rows

    def receive(self, data, _wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [self._event(line.decode("latin-1")) for line in lines]

    def _event(self, line):
        try:
            serial, time, value = line.split(";")
            series = self._rows.series(POWER.name, optimizer=serial)
            return Record("", serial, int(time) * 1_000_000_000, ((series, float(value)),))
        except (ValueError, KeyError):  # no record, no such component, or one too many
            return Garbled(Fault.DECODE, size=len(line))

    def reset(self):
        self._half = b""


def made():
    """The family, and the catalogue that has its metric."""
    rows = Catalog((POWER,))
    family = Driver(
        name="growing",
        vendor="toys",
        title="Growing",
        ways={"tcp": {"port": "1"}},
        session=lambda _options: Session(rows),
        pushed=Pushed(records={"optimizer": (POWER,)}),
    )
    return family, rows
