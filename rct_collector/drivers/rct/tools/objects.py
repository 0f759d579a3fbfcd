"""Every object of RCT units by name or id: the driver's, and the rest of rctclient's registry.

Values are as on the wire: shares are 0 to 1, and what is fed into the grid is negative. Times of
the unit are its wall clock, and are shown as that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any

from rctclient.registry import REGISTRY
from rctclient.types import DataType

from rct_collector.drivers.base import Query
from rct_collector.drivers.float32 import shortest
from rct_collector.drivers.rct.events import PARAMETER, values_of
from rct_collector.drivers.rct.further import SECRET, further
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.table import BY_OID, RctObject
from rct_collector.drivers.tools import Item, Registry, finite

_ID = re.compile(r"0[xX]([0-9A-Fa-f]{1,8})|([0-9A-Fa-f]{8})")

#: What the registry shows a value in → what it is in on the wire.
_UNITS = {"%": "1 (100 %)"}


@cache
def registry() -> Registry:
    """See :class:`.drivers.tools.Registry`."""
    known = {**BY_OID, **further()}
    items = (_item(oid, known.get(oid)) for oid in {*known, *SECRET})
    return Registry(
        noun="object",
        items=tuple(sorted(items, key=lambda item: item.name)),
        session=lambda _options: RctSession(known),
        argument=_argument,
        plain=_plain,
        number=_number,
    )


def _item(oid: int, query: RctObject | None) -> Item:
    try:
        entry = REGISTRY.get_by_id(oid)
    except KeyError:  # only the driver knows it
        entry = None
    kind = query.type if query else entry.response_data_type if entry else DataType.UNKNOWN
    return Item(
        name=query.name if query else entry.name if entry else "",
        id=f"0x{oid:08X}",
        type=kind.name,
        unit=_UNITS.get(entry.unit or "", entry.unit or "") if entry else "",
        description=(entry.description or "") if entry else "",
        queries=(query,) if query else (),
        secret=SECRET.get(oid, ""),
    )


def _number(text: str) -> str | None:
    """``0x959930bf``, ``959930BF`` → the id as items have it; names have letters beyond F."""
    match = _ID.fullmatch(text)
    return f"0x{int(match[1] or match[2], 16):08X}" if match else None


def _argument(query: Query, now: float, zone: tzinfo | None) -> int | None:
    """The logger is asked for what lies before a time of the unit's wall clock: now."""
    if not isinstance(query, RctObject) or not query.logger:
        return None
    wall = datetime.fromtimestamp(now, zone).replace(tzinfo=UTC)
    return int(wall.timestamp())


def _plain(query: Query, value: Any) -> Any:
    assert isinstance(query, RctObject)  # noqa: S101 - of this family's registry
    special = _SPECIAL.get(query.type)
    if special is not None:
        return special(value)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return finite(shortest(value)) if isinstance(value, float) else value


def _wall(seconds: int) -> str:
    """The unit's wall clock, which it sends as if it were UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _samples(answer: tuple[int, list[tuple[int, float]]]) -> list[dict[str, Any]]:
    return [{"time": _wall(time), "value": finite(shortest(value))} for time, value in answer[1]]


def _events(answer: tuple[int, list[tuple[int, ...]]]) -> list[dict[str, Any]]:
    return [_event(*entry) for entry in answer[1]]


def _event(code: int, start: int, *elements: int) -> dict[str, Any]:
    """One entry of the event table; values of a setting are there where they are no secrets."""
    told = {series.metric.field: value for series, value in
            values_of((code, start, *elements), start, UTC)}  # fmt: skip
    first, *values = (f"0x{element:08X}" for element in elements)
    second, third = values if code != PARAMETER or "new" in told else (None, None)
    return {
        "time": _wall(start),
        "code": code,
        "element_2": first,
        "element_3": second,
        "element_4": third,
        "text": told.get("text"),
    }


def _cells(module: Any) -> dict[str, Any]:
    return {
        str(number): {
            "voltage_volts": cell.voltage_mv / 1000,
            "temperature_celsius": cell.temperature_c,
        }
        for number, cell in sorted(module.cells.items())
    }


def _resistances(module: Any) -> dict[str, Any]:
    return {
        str(number): {"resistance_milliohms": cell.resistance_mohm}
        for number, cell in sorted(module.cells.items())
    }


def _statistics(module: Any) -> dict[str, Any]:
    return {
        f"{name}_{unit}": {
            "value": finite(shortest(entry.value)),
            "cell": entry.cell,
            "time": entry.timestamp.strftime("%Y-%m-%dT%H:%M:%S") if entry.timestamp else None,
        }
        for name, unit in (
            ("u_min", "volts"), ("u_max", "volts"), ("t_min", "celsius"), ("t_max", "celsius")
        )
        for entry in [getattr(module, name)]
    }  # fmt: skip


_SPECIAL: dict[DataType, Callable[[Any], Any]] = {
    DataType.TIMESERIES: _samples,
    DataType.EVENT_TABLE: _events,
    DataType.BATTERY_MODULE_STATUS: _cells,
    DataType.BATTERY_MODULE_RESISTANCE: _resistances,
    DataType.BATTERY_MODULE_STATISTICS: _statistics,
}
