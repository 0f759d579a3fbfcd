"""A family with a present and a past, of signals and events.

``now`` is answered with the state of charge, ``log pv 900`` with what was kept of a signal before a
time, newest first, and ``log events 900`` with what happened.

Answers tell what they answer, and the time that was asked for: ``pv 900 600:21.0,300:20.0``. An
answer has no more rows than the unit likes, and none where it has a hole of more than an hour; who
finds nothing asks for what is an hour older.
"""

from __future__ import annotations

from functools import partial

from rct_collector.catalog import catalog
from rct_collector.drivers.base import (
    Answer,
    Binding,
    Driver,
    History,
    Kept,
    Page,
    Past,
    Polled,
    Query,
)
from rct_collector.model import PollClass

SECOND = 1_000_000_000
HOLE_S = 3600

SOC = catalog().series("inverter_battery.soc_percent", battery="0")
FAULTS = catalog().series("inverter_status.fault_word_0")
PARTS = {"pv": "pv_a_watts", "load": "load_watts", "soc": "soc_percent", "output": "output_watts"}
SERIES = {
    name: catalog().series(f"inverter_history.{field}", resolution="5m")
    for name, field in PARTS.items()
}


def _bound(series):
    return Binding((series,), "", 1, lambda raw, _zone, _now=None: [float(raw)])


class Kind(Query):
    def is_answer(self, argument, value):
        return value[0] == argument


def _kept(name, condition=""):
    return Kind(name, condition, poll=PollClass.HISTORY, exclusive=True)


NOW = Query("now", bindings=(_bound(SOC),))
FAULT = Query(
    "fault", bindings=(Binding((FAULTS,), "", 1, lambda raw, _zone, _now=None: [int(raw)]),)
)
LOGS = {name: _kept(name) for name in PARTS}
EVENTS = _kept("events")
ASKED = {query.name: query for query in (NOW, FAULT, *LOGS.values(), EVENTS)}


class Session:
    def __init__(self):
        self._half = b""

    def request(self, ask):
        words = [ask.query.name] if ask.argument is None else ["log", ask.query.name, ask.argument]
        return (" ".join(map(str, words)) + "\n").encode()

    def receive(self, data, _wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [event for line in lines for event in self._event(line.decode().split(" "))]

    def _event(self, words):
        match words:
            case [name, value] if ASKED.get(name) in (NOW, FAULT):
                yield Answer(ASKED[name], value)
            case [name, before, rows] if name in ASKED:
                found = [row.split(":") for row in rows.split(",")] if rows != "-" else []
                yield Answer(ASKED[name], (int(before), [(int(t), *more) for t, *more in found]))

    def abandon(self, _ask):
        return None

    def reset(self):
        self._half = b""


def first(_query, span):
    return -(-span.end_ns // SECOND)


def page(ask, value, span):
    before, found = value
    oldest = min((at for at, *_ in found), default=before - HOLE_S)
    more = oldest if oldest * SECOND > span.start_ns else None
    if ask.query is EVENTS:
        return Page(tuple(_happened(at, *words) for at, *words in found), more if found else None)
    series = SERIES[ask.query.name]
    return Page(tuple(Past(at * SECOND, ((series, float(v)),)) for at, v in found), more)


def _happened(at, code, seconds):
    series = partial(catalog().series, code=code)
    values = [(series("inverter_event.text"), f"event {code}")]
    if seconds != "?":
        values.append((series("inverter_event.duration_seconds"), float(seconds)))
    return Past(at * SECOND, tuple(values))


KEPT = {
    LOGS[name]: Kept(bindings=(_bound(SERIES[name]),), resolution_s=300, reach_s=90 * 86400)
    for name in PARTS
}

DRIVER = Driver(
    name="keeping",
    vendor="toys",
    title="Keeping",
    ways={"tcp": {"port": "1"}},
    session=lambda _options: Session(),
    polled=Polled(queries=(NOW, FAULT)),
    history=History(
        queries=(*LOGS.values(), EVENTS),
        first=first,
        page=page,
        kept={**KEPT, EVENTS: Kept(events=True)},
    ),
)
