"""A family that talks unasked.

``7;inverter;1782036000;1500`` is record 7: a component, a time and a value. It is acknowledged
with ``ACK 7``, or comes again.
"""

from __future__ import annotations

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Driver, Fault, Garbled, Pushed, Record, Reply

SERIES = {
    "inverter": catalog().series("inverter_power.load_watts"),
    "meter": catalog().series("inverter_power.grid_watts"),
    "name": catalog().series("inverter.serial"),
}


class Session:
    def __init__(self):
        self._half = b""

    def receive(self, data, _wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [event for line in lines for event in self._events(line.decode("latin-1"))]

    def _events(self, line):
        try:
            number, key, time, value = line.split(";")
            values = ((SERIES[key], value if key == "name" else float(value)),)
            record = Record("", key, int(time) * 1_000_000_000, values)
        except (ValueError, KeyError):
            return [Garbled(Fault.DECODE, size=len(line))]
        return [Reply(f"ACK {number}\n".encode()), record]

    def reset(self):
        self._half = b""


DRIVER = Driver(
    name="pushing",
    vendor="toys",
    title="Pushing",
    ways={"tcp": {"port": "1"}},
    session=lambda _options: Session(),
    pushed=Pushed(records={key: (series.metric,) for key, series in SERIES.items()}),
)
