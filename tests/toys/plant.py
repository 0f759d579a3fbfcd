"""A family of which one device takes any number of units, which talk unasked.

``7;A1;inverter;1782036000;1500`` is record 7 of the unit A1: a component, a time and a value. It is
acknowledged with ``A1 ACK 7`` after it was taken, or comes again. ``A1 time?`` is answered by
``A1 time 1782036003``, and ``A1 hello`` says only that A1 is there. Who calls itself ``UPS`` is of
no use.
"""

from __future__ import annotations

from rct_collector.drivers.base import Driver, Fault, Garbled, Pushed, Record, Reply, Unfit
from tests.toys.pushing import SERIES


class Session:
    def __init__(self):
        self._half = b""

    def receive(self, data, wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [e for line in lines for e in self._events(line.decode("latin-1"), wall_ns)]

    def _events(self, line, wall_ns):
        unit, _, said = line.partition(" ")
        if unit == "UPS":
            return [Unfit("a UPS, which is none of ours")]
        if said == "time?":
            return [Reply(f"{unit} time {wall_ns // 10**9}\n".encode(), unit)]
        if said == "hello":
            return [Reply(b"", unit)]
        try:
            number, unit, key, time, value = line.split(";")
            values = ((SERIES[key], value if key == "name" else float(value)),)
            record = Record(unit, key, int(time) * 1_000_000_000, values)
        except (ValueError, KeyError):
            return [Garbled(Fault.DECODE, size=len(line))]
        return [record, Reply(f"{unit} ACK {number}\n".encode(), unit)]

    def reset(self):
        self._half = b""


DRIVER = Driver(
    name="plant",
    vendor="toys",
    title="Toys of a plant",
    ways={"tcp": {"port": "1"}, "listen": {"port": "22222"}},
    session=lambda _options: Session(),
    pushed=Pushed(records={key: (series.metric,) for key, series in SERIES.items()}, many=True),
)
