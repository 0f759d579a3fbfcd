"""A family with a memory: ``log 1782036000`` is answered with what it has kept before that time.

``1782035700:40,1782035400:41`` are times and values, newest first, at most four of them; nothing
older is ``-``. What it is now, it does not tell.
"""

from __future__ import annotations

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Answer, Driver, History, Page, Past, Query

SOC = catalog().series("inverter_battery.soc_percent", battery="0")
LOG = Query("log", "")
SECOND = 1_000_000_000


class Session:
    def __init__(self):
        self._half = b""

    def request(self, ask):
        return f"log {ask.argument}\n".encode()

    def receive(self, data, _wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [Answer(LOG, line.decode()) for line in lines]

    def abandon(self, _ask):
        return None

    def reset(self):
        self._half = b""


def page(_ask, value, span):
    rows = [item.split(":") for item in value.split(",")] if value != "-" else []
    oldest = min((int(time) for time, _ in rows), default=0)
    return Page(
        tuple(Past(int(time) * SECOND, ((SOC, float(soc)),)) for time, soc in rows),
        oldest if oldest * SECOND > span.start_ns else None,
    )


DRIVER = Driver(
    name="remembering",
    vendor="toys",
    title="Remembering",
    ways={"tcp": {"port": "1"}},
    session=lambda _options: Session(),
    history=History(
        queries=(LOG,), first=lambda _query, span: -(-span.end_ns // SECOND), page=page
    ),
)
