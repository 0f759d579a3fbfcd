r"""A family whose answers do not tell what they answer.

``load\r`` is answered ``(1000\r``, what the unit does not know ``(NAK\r``. So a late answer would
be taken for that to the next request, if the line were not drained first, and probed: ``PI 7\r`` is
answered ``(PI 7\r``, and nothing else is. The number tells a late answer to an earlier probe.
"""

from __future__ import annotations

from dataclasses import dataclass

from rct_collector.catalog import catalog
from rct_collector.drivers import options
from rct_collector.drivers.base import (
    Answer,
    Ask,
    Binding,
    Driver,
    Fault,
    Garbled,
    Polled,
    Query,
    Refused,
    Resync,
)

POWERS = {
    name: catalog().series(f"inverter_power.{name}_watts") for name in ("load", "grid", "battery")
}
QUERIES = {
    name: Query(name, "", (Binding((series,), "", 1.0, lambda raw, *_: [raw]),))
    for name, series in POWERS.items()
}


@dataclass(frozen=True, kw_only=True)
class Requests(options.Requests):
    per_second: float = options.per_second(5)
    gap: float = options.gap("100ms")
    window: int = options.window(1)
    timeout: float = options.timeout("2s")


PROBE, NOTHING = Query("PI", ""), Ask(None)
RESYNC = Resync(1.0, Ask(PROBE))


class Session:
    def __init__(self):
        self._half, self._asked, self._probes = b"", None, 0

    def request(self, ask):
        self._asked = ask
        self._probes += ask.query is PROBE
        name = f"PI {self._probes}" if ask.query is PROBE else ask.query.name
        return f"{ask.unit}{name}\r".encode()

    def receive(self, data, _wall_ns):
        *lines, self._half = (self._half + data).split(b"\r")
        return [self._event(line.decode("latin-1")) for line in lines]

    def _event(self, line):
        query, unit, _ = self._asked or NOTHING
        if query is None or (query is PROBE and line != f"(PI {self._probes}"):
            return Garbled(Fault.FOREIGN, size=len(line))
        self._asked = None
        if line == "(NAK":
            return Refused(query, unit)
        if not line.startswith("(") or (query is not PROBE and "PI" in line):
            return Garbled(Fault.DECODE, query, len(line), unit)
        return Answer(query, line if query is PROBE else float(line[1:]), unit)

    def abandon(self, _ask):
        self._asked = None
        return RESYNC

    def reset(self):
        self._half = b""


DRIVER = Driver(
    name="nameless",
    vendor="toys",
    title="Nameless",
    ways={"tcp": {"port": "1"}},
    session=lambda _options: Session(),
    polled=Polled(
        queries=tuple(QUERIES.values()),
        pace=Requests(),
        resync=RESYNC,
    ),
)
