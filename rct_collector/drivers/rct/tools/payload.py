"""What the payload of an RCT frame says, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from rctclient.types import DataType

from rct_collector.drivers.float32 import shortest
from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.frame import Frame
from rct_collector.drivers.rct.table import RctObject
from rct_collector.drivers.rct.texts import CODES
from rct_collector.format import value_text
from rct_collector.model import Series, Value


class Meaning(NamedTuple):
    """What a payload says.

    Attributes:
        value: As on the wire: a scalar, or a list of records; None where there is neither.
        shown: The value for people.
        verdict: ``ok``, or why the payload is not what the object has.
        published: What the collector would publish: series name, value, unit.
    """

    value: Any = None
    shown: str = ""
    verdict: str = "ok"
    published: tuple[tuple[str, Value, str], ...] = ()


def decode(item: Frame, known: RctObject | None, kind: DataType | None, unit: str) -> Meaning:
    """Decode the payload of a frame.

    Args:
        item: The frame.
        known: The object in the driver's table, or None.
        kind: Wire type of the object, or None for an unknown one.
        unit: Unit on the wire, for objects that are not in the table.
    """
    plain = item.command & ~frame.PLANT
    if plain == frame.READ and not item.payload:
        return Meaning()
    if known is not None and known.logger and plain == frame.WRITE and len(item.payload) == 4:
        seconds = int.from_bytes(item.payload, "big")
        return Meaning(seconds, f"history before {_wall(seconds)}")
    if kind is None:
        return Meaning(shown=item.payload.hex(" "))
    try:
        value = wire.decode(kind, item.payload)
    except wire.PayloadError as error:
        verdict = f"checksum right, payload wrong: {error}"
        return Meaning(shown=item.payload.hex(" "), verdict=verdict)
    plain_value = value[1] if isinstance(value, tuple) else value
    if not isinstance(plain_value, bool | int | float | str | list):
        plain_value = None
    return Meaning(plain_value, _shown(value, known, unit), "ok", _published(value, known))


def _published(value: Any, known: RctObject | None) -> tuple[tuple[str, Value, str], ...]:  # noqa: ANN401
    """What the collector makes of it, without what is off by default for good reason."""
    return tuple(
        (series.name, found, series.metric.unit.symbol)
        for binding in (known.bindings if known else ())
        for series, found in zip(binding.series, binding.convert(value, None), strict=True)
        if found is not None and (series.metric.default or series.metric.option)
    )


def _shown(value: Any, known: RctObject | None, unit: str) -> str:  # noqa: ANN401
    """The value on the wire, and what it is published as where that differs."""
    if isinstance(value, tuple):
        return _records(*value)
    raw = _raw(value)
    if known is None or not known.bindings:
        return f"{raw} {unit}".rstrip()
    binding = known.bindings[0]
    published = binding.convert(value, None)
    if len(binding.series) > 1:
        present = [v for v in published if v is not None]
        if not present:
            return "no cells"
        span = (_text(binding.series[0], end, known) for end in (min(present), max(present)))
        return f"{len(present)} cells, {' … '.join(span)}"
    text = "" if published[0] is None else _text(binding.series[0], published[0], known)
    metric = binding.series[0].metric
    if binding.part.startswith(("u_min", "cell")):
        return f"{len(known.bindings)} values, {metric.field} {text or 'none'}"
    if text.startswith(raw) or isinstance(value, bool | str):
        return text
    return f"{raw} = {text}" if text else raw


def _text(series: Series, value: Any, known: RctObject) -> str:  # noqa: ANN401
    code = CODES.get(known.name, {}).get(value, "") if isinstance(value, int) else ""
    return value_text(series.metric, value, code=code)


def _raw(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, float):
        return f"{shortest(value):g}" if abs(value) < 3e38 else str(value)
    return value.hex(" ") if isinstance(value, bytes) else str(value)


def _records(before: int, records: list[tuple[Any, ...]]) -> str:
    """Values of the logger, or events."""
    if not records:
        return f"nothing before {_wall(before)}"
    events = len(records[0]) > 2
    times = [record[1] if events else record[0] for record in records]
    noun = ("event" if events else "value") + ("s" if len(records) > 1 else "")
    return f"{len(records)} {noun}, {_wall(min(times))} … {_wall(max(times))}"


def _wall(seconds: int) -> str:
    """The unit's wall clock, which it sends as if it were UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
