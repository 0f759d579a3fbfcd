"""A family whose units share a bus: each request, and each answer, names its unit."""

from __future__ import annotations

from rct_collector.catalog import catalog
from rct_collector.drivers import base
from rct_collector.option import Option


def number(name):
    """A query for one power."""
    series = catalog().series(f"inverter_power.{name}_watts")
    return base.Query(name, "", (base.Binding((series,), "", 1.0, lambda raw, *_: [raw], float),))


QUERIES = {name: number(name) for name in ("grid", "load")}
POLLED = base.Polled(queries=tuple(QUERIES.values()))


class Bus:
    """``3 grid?`` asks unit 3, ``3 grid=1500`` answers."""

    _half = b""

    def request(self, ask):
        return f"{ask.unit} {ask.query.name}?\n".encode()

    def receive(self, data, wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [self.event(line.decode("ascii", "replace"), wall_ns) for line in lines]

    def event(self, line, _wall_ns):
        unit, _, said = line.partition(" ")
        name, equals, value = said.partition("=")
        if equals and name in QUERIES:
            return base.Answer(QUERIES[name], float(value), unit)
        return base.Garbled(base.Fault.NOISE, None, len(line))

    def abandon(self, _ask):
        return None

    def reset(self):
        self._half = b""


DRIVER = base.Driver(
    name="bus",
    vendor="toy",
    title="Toys on a bus",
    ways={"tcp": {"port": "1"}},
    unit=Option("Which unit on the bus.", str, "3", "name"),
    session=lambda _options: Bus(),
    polled=POLLED,
)
