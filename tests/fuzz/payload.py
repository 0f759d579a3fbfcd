"""Payload decoders, and what is made of values: four bytes of an object's id, then its payload."""

from __future__ import annotations

import math
import struct
from zoneinfo import ZoneInfo

from rctclient.types import (
    BatteryModuleResistance,
    BatteryModuleStatistics,
    BatteryModuleStatus,
    DataType,
)
from rctclient.utils import decode_value

from rct_collector.drivers.base import Answer, Ask, Fault, Garbled, TimeRange
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.clock import wall_clock
from rct_collector.drivers.rct.history import HISTORY, SECOND
from rct_collector.drivers.rct.table import BY_OID, OBJECTS, LoggerPlace
from tests.fuzz import grammar

#: As they are now: a decoder that forgets one does not change the law.
LENGTHS = dict(wire.LENGTHS)

#: What a decoded value is, in Python.
TYPES = {
    DataType.BOOL: bool,
    DataType.FLOAT: float,
    DataType.STRING: str,
    DataType.TIMESERIES: tuple,
    DataType.EVENT_TABLE: tuple,
    DataType.BATTERY_MODULE_STATUS: BatteryModuleStatus,
    DataType.BATTERY_MODULE_RESISTANCE: BatteryModuleResistance,
    DataType.BATTERY_MODULE_STATISTICS: BatteryModuleStatistics,
}

ZONES = (None, ZoneInfo("Europe/Berlin"))


def mutate(data, random):
    """Another object with a payload for it, or a few bytes of the payload changed."""
    item = BY_OID.get(int.from_bytes(data[:4], "big"))
    if item is None or random.random() < 0.3:
        item = random.choice(OBJECTS)
        return item.oid.to_bytes(4, "big") + grammar.any_payload(item, random)
    return data[:4] + grammar.changed(data[4:], random)


def dictionary():
    return (item.oid.to_bytes(4, "big") for item in OBJECTS)


def check(data):
    item = BY_OID.get(int.from_bytes(data[:4], "big"))
    if item is None:
        return
    found = event(item, data[4:])
    if type(found) is Answer:
        for zone in ZONES:
            for binding in item.bindings:
                is_published_in_its_type(binding, found.value, zone)
            if item.logger:
                is_read_as_the_past(item, found.value, zone)


def event(item, payload):
    """What the payload is: a value of the right type, or a PayloadError of a known kind."""
    try:
        value = wire.decode(item.type, payload)
    except wire.PayloadError as error:
        return refused(item, payload, error.kind)
    assert type(value) is TYPES.get(item.type, int)
    assert len(payload) == LENGTHS.get(item.type, len(payload))
    if isinstance(value, tuple):
        are_the_records(item.type, value, payload)
    else:
        assert repr(value) == repr(decode_value(item.type, payload))
    return Answer(item, value)


def refused(item, payload, kind):
    """A known length is the only reason to refuse a number."""
    if kind == "decode":
        assert item.type is DataType.STRING
    else:
        assert kind == "length"
        assert len(payload) != LENGTHS.get(item.type)
    return Garbled(Fault(kind), item, len(payload))


def are_the_records(kind, value, payload):
    """Time and records hold all of the payload and nothing else."""
    echo, records = value
    form = ">If" if kind is DataType.TIMESERIES else ">5I"
    again = struct.pack(">I", echo) + b"".join(struct.pack(form, *record) for record in records)
    assert len(again) == len(payload)
    if not any(math.isnan(item) for record in records for item in record):
        assert again == payload


def is_published_in_its_type(binding, value, zone):
    """One value or none per series, of the metric's type."""
    published = binding.convert(value, zone)
    assert len(published) == len(binding.series)
    for series, one in zip(binding.series, published, strict=True):
        assert one is None or type(one) is series.metric.value_type
    if binding.scalar is not None:
        assert repr([binding.scalar(value)]) == repr(published)


def is_read_as_the_past(item, value, zone):
    """Nothing is invented or lost without a count, and the next question goes on."""
    echo, records = value
    kept = HISTORY.kept[item]
    shown = {record[1 if kept.events else 0] for record in records}
    for start, end in ((0, 1 << 32), (max(echo - 86400, 0), max(echo, 1))):
        ask = Ask(item, argument=LoggerPlace(echo))
        page = HISTORY.page(ask, value, TimeRange(start * SECOND, end * SECOND, zone))
        assert len(page.rows) + page.left_out <= len(records)
        for row in page.rows:
            assert row.values
            for series, one in row.values:
                assert type(one) is series.metric.value_type
                assert type(one) is str or series.metric.low <= one <= series.metric.high
            if kept.resolution_s <= 300:  # longer ones are of the begin of what they cover
                assert wall_clock(row.time_ns // SECOND, zone) in shown
        if kept.events:
            named = [(row.time_ns, series) for row in page.rows for series, _ in row.values]
            assert len(set(named)) == len(named)
        is_a_step(ask.argument, page.more, records)


def is_a_step(place, more, records):
    """What was asked is asked once more at most for each way of coming to nothing."""
    if more is None:
        return
    assert 0 <= more.before <= place.before
    if more.before == place.before:
        assert (more.misses, more.found) > (place.misses, place.found)
        assert more.misses <= 1
    assert records or more.misses
