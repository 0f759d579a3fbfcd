"""What an entry of the event table says: its type, when it began, and three elements.

Which elements an entry has depends on its type. Sources: rctclient's documentation, for nineteen
types; that a type is the number of a fault bit is told by eighteen of them, and so are all others
named. Of these nothing but the name and the end is told.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, tzinfo

from rct_collector.catalog import TooManySeriesError, catalog
from rct_collector.drivers.float32 import shortest
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.clock import readings
from rct_collector.drivers.rct.table import BY_OID, RctObject
from rct_collector.drivers.rct.texts import CODES, EVENTS, FAULTS
from rct_collector.model import Series, Value

PARAMETER, UPDATE = 115, 119

#: Type → unit of what the third element has measured …
_MEASURED = {**dict.fromkeys((49, 79, 80, 83, 84, 87, 88, 100), "V"), 82: "Hz"}
#: … or what it is the number of.
_NUMBERS = {90: "case", 99: "case", 114: "code"}

#: What lasts longer has no end there, in seconds: the element is 0, or something else.
LONGEST_S = 30 * 86400

METRICS = tuple(
    metric
    for field in ("occurred", "text", "duration_seconds", "value", "object", "old", "new")
    for metric in catalog().named(f"inverter_event.{field}")
)

#: No grid or battery has more volts, or hertz.
_LARGEST = 1e5

#: Types of at most 32 bits; others do not fit an element.
_NUMERIC = frozenset(kind for kind, size in wire.LENGTHS.items() if size <= 4)

#: Field of ``inverter_event`` → value.
_Fields = tuple[tuple[str, Value], ...]


def values_of(
    record: tuple[int, ...], unix: int, zone: tzinfo | None
) -> tuple[tuple[Series, Value], ...]:
    """What is published of an entry.

    Args:
        record: Type, begin and three elements, as on the wire.
        unix: When it began, Unix seconds.
        zone: The unit's time zone; None for that of this host.

    Returns:
        Series of ``inverter_event`` and values; none where units have told of too many types.
    """
    code, _, second, *_ = record
    detail, fields = _told(record)
    text = f"{_name(code)}: {detail}" if detail else _name(code)
    seconds = None if code in (PARAMETER, UPDATE) else _duration(unix, second, zone)
    if seconds is not None:
        from rct_collector.format import duration_text  # what runs for years seldom needs it

        text = f"{text}, for {duration_text(seconds)}"
        fields = (("duration_seconds", float(seconds)), *fields)
    fields = (("occurred", 1), ("text", text), *fields)
    try:
        return tuple(
            (catalog().series(f"inverter_event.{field}", code=str(code)), value)
            for field, value in fields
        )
    except TooManySeriesError:
        return ()


def _name(code: int) -> str:
    """What happened, without a capital."""
    if code in EVENTS:
        return EVENTS[code]
    return f"event {code} ({FAULTS[code]})" if code in FAULTS else f"event {code}"


def _told(record: tuple[int, ...]) -> tuple[str, _Fields]:
    """What an entry says beside its type and times, for the sentence and by field."""
    code, _, second, third, fourth = record
    if code == PARAMETER:
        return _parameter(second, third, fourth)
    if code == UPDATE:
        return f"version {third} to {fourth}", (("old", str(third)), ("new", str(fourth)))
    if code in _NUMBERS:
        return f"{_NUMBERS[code]} {third}", (("value", float(third)),)
    if code in _MEASURED:
        (value,) = struct.unpack(">f", third.to_bytes(4, "big"))
        if abs(value) <= _LARGEST:  # nor is it NaN
            value = shortest(value) + 0.0
            return f"{value:.4g} {_MEASURED[code]}", (("value", value),)
    return "", ()


def _duration(begin: int, end: int, zone: tzinfo | None) -> int | None:
    """Seconds that something lasted, by the end that the unit's clock showed; None for no end."""
    for unix in readings(end, zone):
        if 0 <= unix - begin <= LONGEST_S:
            return unix - begin
    return None


# -- parameters --------------------------------------------------------------------------------


def _parameter(oid: int, old: int, new: int) -> tuple[str, _Fields]:
    """A parameter that was changed. Values are those of numbers in our table, and no others."""
    item = BY_OID.get(oid)
    if item is None or item.type not in _NUMERIC:
        name = item.name if item else _registered(oid)
        return f"{name}, values are not shown", (("object", name),)
    before, after = shown(item, old), shown(item, new)
    fields = (("object", item.name), ("old", before), ("new", after))
    return f"{item.name} from {before} to {after}", fields


def _registered(oid: int) -> str:
    """Name of an object that we never ask for."""
    from rctclient.registry import REGISTRY

    try:
        return REGISTRY.get_by_id(oid).name
    except KeyError:
        return f"object 0x{oid:08X}"


def shown(item: RctObject, raw: int) -> str:
    """A value of a parameter for people, in the unit of its metric.

    Args:
        item: The object.
        raw: Its value in 32 bits, numbers of fewer in the lowest of them.
    """
    from rct_collector.format import value_text

    size = wire.LENGTHS[item.type]
    data = raw.to_bytes(4, "big")
    value = wire.decode(item.type, data[-size:])
    filling = b"\xff" if type(value) is int and value < 0 else b"\0"
    if data[:-size] != filling * (4 - size) or not math.isfinite(value):
        return f"0x{raw:08X}"
    code = CODES.get(item.name, {}).get(value, "") if type(value) is int else ""
    binding = item.bindings[0]
    (converted,) = binding.convert(value, UTC)  # a time is shown as the unit's clock shows it
    return (
        "never"
        if converted is None
        else value_text(binding.series[0].metric, converted, code=code, zone=UTC)
    )
