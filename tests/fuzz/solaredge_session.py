"""What units say, the records in it, and what tools make of it: the bytes as they are."""

from __future__ import annotations

import json
import math
from random import Random

from rct_collector.drivers import driver
from rct_collector.drivers.base import Garbled, Record, Reply
from rct_collector.drivers.solaredge import functions, request
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join
from rct_collector.drivers.solaredge.session import SolarEdgeSession
from tests.fuzz import grammar

WALL_NS = 1_700_000_000 * 10**9
UNIT = 0x7F101234


def any_post(data, random):
    """A post of records of any type, whose bodies are any bytes."""
    kinds = [*LAYOUTS, 0x0042]
    posted = []
    for _ in range(random.randrange(4)):
        kind = random.choice(kinds)
        place = random.randrange(len(data) + 1)
        body = random.choice((b"", LAYOUTS[kind].encode({"time": 1_600_000_000}) if kind in LAYOUTS
                              else b"")) + data[place : place + 40]  # fmt: skip
        posted.append(RawRecord(kind, random.choice((UNIT, 0x1A2B3C4D)), body.ljust(4, b"\0")))
    payload = join(posted) + random.choice((b"", b"", data[:9]))
    return assemble(Frame(random.randrange(1 << 16), UNIT, request.SERVER, functions.POST, payload))


def mutate(data, random):
    """A post, or a frame of any function, somewhere."""
    place = random.randrange(len(data) + 1)
    if random.random() < 0.7:
        wire = any_post(data, random)
    else:
        function = random.choice((*functions.names(), 0x03C2))
        wire = assemble(Frame(7, UNIT, request.SERVER, function, data[place : place + 34]))
    return data[:place] + wire + data[place + random.randrange(9) :]


def check(data):
    events = SolarEdgeSession(SolarEdgeOptions()).receive(data, WALL_NS)
    for event in events:
        assert type(event) in (Record, Reply, Garbled)
        if type(event) is Record:
            is_a_record(event)
        elif type(event) is Reply:
            may_be_sent(event)
    acknowledges_behind_the_records(events)
    session, found = SolarEdgeSession(SolarEdgeOptions()), []
    for piece in grammar.random_cuts(data, Random(data)):
        found += session.receive(piece, WALL_NS)
    assert grammar.joined(found) == grammar.joined(events)
    tools_can_take_it(data)


def is_a_record(record):
    assert len(record.unit) == 8
    for series, value in record.values:
        assert type(value) is series.metric.value_type, series
        assert not isinstance(value, float) or math.isfinite(value)
    names = [series for series, _ in record.values]
    assert len(names) == len(set(names))


def may_be_sent(reply):
    (frame,) = FrameReader().feed(reply.data)
    assert frame.function in (functions.ACK, functions.TIME)
    assert f"{frame.destination:08X}" == reply.unit


def acknowledges_behind_the_records(events):
    """Behind the last records comes an answer, so that none is taken and never acknowledged."""
    kinds = [type(event) for event in events]
    if Record in kinds:
        assert Reply in kinds[len(kinds) - kinds[::-1].index(Record) :]


def tools_can_take_it(data):
    tools = driver("solaredge").tools()
    for piece in tools.dissector().pieces(data):
        json.dumps(piece.as_mapping(), allow_nan=False)
    redactor = tools.redactor()()
    assert len(redactor.feed(data) + redactor.flush()) == len(data)
