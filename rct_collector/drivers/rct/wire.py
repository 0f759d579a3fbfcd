"""Payload bytes ↔ Python values of RCT objects.

Scalars are decoded here, with one compiled structure per type, since that is the hot path; the
battery blobs are decoded by rctclient. All of it is compared with rctclient in the tests.

Sources: rctclient ``types.DataType`` and ``utils.decode_value``; payload lengths as observed in
answers of real units, where a cut payload carries a valid checksum, so that the length is the
only witness.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any

from rctclient.types import DataType
from rctclient.utils import decode_value

from rct_collector.drivers.base import Convert, Fault
from rct_collector.drivers.float32 import shortest
from rct_collector.model import Metric, Value

_SCALARS = {
    DataType.BOOL: struct.Struct(">B"),
    DataType.UINT8: struct.Struct(">B"),
    DataType.ENUM: struct.Struct(">B"),
    DataType.INT8: struct.Struct(">b"),
    DataType.UINT16: struct.Struct(">H"),
    DataType.INT16: struct.Struct(">h"),
    DataType.UINT32: struct.Struct(">I"),
    DataType.INT32: struct.Struct(">i"),
    DataType.FLOAT: struct.Struct(">f"),
}

_LARGEST_FLOAT32 = 3.4e38

#: Payload length per type, in bytes; types that are not listed vary.
LENGTHS: dict[DataType, int] = {
    **{kind: codec.size for kind, codec in _SCALARS.items()},
    DataType.BATTERY_MODULE_STATUS: 96,
    DataType.BATTERY_MODULE_RESISTANCE: 96,
    DataType.BATTERY_MODULE_STATISTICS: 48,
}

#: Longest text that is believed; the registry knows none longer than 64 bytes on the wire.
LONGEST_TEXT = 251

#: Types whose answers are long, and are cut short when another request arrives meanwhile.
LONG_TYPES = frozenset(
    {
        DataType.STRING,
        DataType.TIMESERIES,
        DataType.EVENT_TABLE,
        DataType.BATTERY_MODULE_STATUS,
        DataType.BATTERY_MODULE_RESISTANCE,
        DataType.BATTERY_MODULE_STATISTICS,
    }
)


class PayloadError(Exception):
    """A payload is not what its type asks for.

    Attributes:
        kind: ``LENGTH`` or ``DECODE``.
    """

    def __init__(self, kind: Fault, message: str) -> None:
        """Keep the kind for the counters."""
        super().__init__(message)
        self.kind = kind


def scalar_format(kind: DataType) -> str | None:
    """The format of a scalar type, see :mod:`struct`; None for other types."""
    codec = _SCALARS.get(kind)
    return codec.format if codec else None


def decode(kind: DataType, payload: bytes) -> Any:
    """Decode one payload.

    Args:
        kind: The object's type.
        payload: Unescaped payload bytes.

    Returns:
        bool, int, float or str; the bytes of an unknown type; rctclient's objects for battery
        modules; a pair (echoed time, list of (time, value)) for time series; (echoed time, list of
        five integers) for events.

    Raises:
        PayloadError: Wrong length, or bytes that mean nothing in that type.
    """
    expected = LENGTHS.get(kind)
    if expected is not None and len(payload) != expected:
        raise PayloadError(Fault.LENGTH, f"{len(payload)} bytes where {kind.name} has {expected}")
    codec = _SCALARS.get(kind)
    if codec is not None:
        value = codec.unpack(payload)[0]
        return value != 0 if kind is DataType.BOOL else value
    if kind is DataType.STRING:
        return _text(payload)
    if kind is DataType.UNKNOWN:
        return payload
    if kind is DataType.TIMESERIES:
        return _series(payload, ">If")
    if kind is DataType.EVENT_TABLE:
        return _series(payload, ">5I")
    try:
        return decode_value(kind, payload)
    except (ValueError, OverflowError, OSError, KeyError, struct.error) as error:
        raise PayloadError(Fault.DECODE, f"{kind.name}: {error}") from error


def encode(kind: DataType, value: Any) -> bytes:
    """Encode a scalar or a text, as a unit does in its answers.

    Args:
        kind: A scalar type or STRING; a text is padded with one zero.
        value: The value.

    Raises:
        ValueError: The type cannot be encoded, or the value does not fit.
    """
    if kind is DataType.STRING:
        return str(value).encode("ascii") + b"\0"
    codec = _SCALARS.get(kind)
    if codec is None:
        raise ValueError(f"{kind.name} cannot be encoded")
    try:
        return codec.pack(int(value) if kind is DataType.BOOL else value)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value!r} does not fit {kind.name}: {error}") from error


def is_possible(kind: DataType, value: Any) -> bool:
    """Whether a value is one that :func:`decode` could have made of a payload of that type."""
    try:
        return bool(decode(kind, encode(kind, value)) == value)
    except (PayloadError, ValueError, TypeError):
        return False


def _text(payload: bytes) -> str:
    """Text up to the first zero; what follows is padding or garbage of the unit."""
    if not payload or len(payload) > LONGEST_TEXT:
        raise PayloadError(Fault.LENGTH, f"{len(payload)} bytes of text")
    raw = payload.split(b"\0", 1)[0]
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise PayloadError(Fault.DECODE, f"text {raw!r} is not ASCII") from error
    if not text.isprintable():
        raise PayloadError(Fault.DECODE, f"text {raw!r} has control characters")
    return sys.intern(text)  # most units say the same


def _series(payload: bytes, record: str) -> tuple[int, list[tuple[Any, ...]]]:
    """A time, then records; used by the logger and the event table."""
    size = struct.calcsize(record)
    if len(payload) < 4 or (len(payload) - 4) % size:
        raise PayloadError(Fault.LENGTH, f"{len(payload)} bytes are not 4 + n x {size}")
    (echo,) = struct.unpack_from(">I", payload)
    return echo, list(struct.iter_unpack(record, payload[4:]))


# -- raw value → published value --------------------------------------------------------------


def utc_seconds(local: float, zone: tzinfo | None, now: float | None = None) -> float:
    """Turn the unit's wall clock, encoded as if it were UTC, into Unix seconds.

    The hour that autumn repeats has two readings, and so has that which spring leaves out, since
    a unit may not have set its clock yet.

    Args:
        local: Seconds as the unit sends them.
        zone: The unit's time zone; None for the zone of this host.
        now: Unix seconds to which the reading shall be near; of two the first without it.
    """
    wall = datetime.fromtimestamp(local, UTC).replace(tzinfo=zone)  # None is this host's
    first, second = wall.timestamp(), wall.replace(fold=1).timestamp()
    return second if now is not None and abs(second - now) < abs(first - now) else first


def _bit(number: int) -> Callable[[Any], list[Any]]:
    return lambda word: [word >> number & 1]


def _life(which: str, attribute: str) -> Callable[[Any], list[Any]]:
    """One entry of a module's statistics; the unit marks an empty one with time 0."""

    def take(statistics: Any) -> list[Any]:
        entry = getattr(statistics, which)
        if entry.timestamp is None:
            return [None]
        value = getattr(entry, attribute)
        return [value.timestamp() if attribute == "timestamp" else value]

    return take


#: Part name → how its values are taken out of the decoded answer. A cell without voltage is not
#: fitted, so that its temperature means nothing.
PARTS: dict[str, Callable[[Any], list[Any]]] = {
    "": lambda value: [value],
    "time": lambda value: [value or None],
    "cell voltage": lambda module: [c.voltage_mv or None for c in module.cells.values()],
    "cell temperature": lambda module: [
        c.temperature_c if c.voltage_mv else None for c in module.cells.values()
    ],
    "cell resistance": lambda module: [c.resistance_mohm or None for c in module.cells.values()],
    **{f"bit {n}": _bit(n) for n in range(32)},
    **{
        f"{which} {word}": _life(which, attribute)
        for which in ("u_min", "u_max", "t_min", "t_max")
        for word, attribute in (("cell", "cell"), ("value", "value"), ("time", "timestamp"))
    },
}


def converter(metric: Metric, part: str, scale: float) -> Convert:
    """The way from a decoded answer to published values; metrics that go the same share one.

    Args:
        metric: Decides the type of the values.
        part: Name in :data:`PARTS`; one that ends in ``time`` is wall clock of the unit.
        scale: Factor from the wire to the metric's unit.

    Returns:
        A function from decoded answers to values, None where the unit has none. Floats that are
        no numbers pass through, for the plausibility check to see.
    """
    return _converter(part, _to_value(metric, scale))


@cache
def _converter(part: str, to_value: Callable[[Any], Value]) -> Convert:
    take = PARTS[part]
    is_time = part.endswith("time")

    def convert(raw: Any, zone: tzinfo | None, now: float | None = None) -> list[Value | None]:
        if is_time:  # never to be rounded like a 32-bit float: a time has ten digits
            return [None if v is None else utc_seconds(v, zone, now) for v in take(raw)]
        return [None if v is None else to_value(v) for v in take(raw)]

    return convert


def scalar_converter(metric: Metric, part: str, scale: float) -> Callable[[Any], Value] | None:
    """The same for an answer that is taken as it is: one value, and never none; else None."""
    return _to_value(metric, scale) if part == "" else None


def _to_value(metric: Metric, scale: float) -> Callable[[Any], Value]:
    kind = metric.value_type
    if kind is not float:
        return kind
    return _as_float if scale == 1 else _scaling(scale)


@cache
def _scaling(scale: float) -> Callable[[Any], Value]:
    return lambda value: _scaled(value, scale)


def _as_float(value: float) -> float:
    if type(value) is float and math.isfinite(value) and abs(value) < _LARGEST_FLOAT32:
        return shortest(value) + 0.0  # no negative zero
    return float(value)


def _scaled(value: float, scale: float) -> float:
    product = _as_float(value) * scale
    # Nine digits hold every 32-bit float, and cut the dust of binary multiplication. Adding 0
    # turns the -0.0 of an energy that is turned round into 0.0.
    return float(f"{product:.9g}") + 0.0 if math.isfinite(product) else product
