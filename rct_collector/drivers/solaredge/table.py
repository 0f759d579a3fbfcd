"""Which series the values of a record feed: one list for each type.

A row names the column of the record, the metric, and the factor from one to the other. The tags of
phases and sensors are fixed; those of optimizers, meters, batteries and events are the record's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

from rct_collector.catalog import catalog
from rct_collector.drivers.float32 import WHOLE, shortest
from rct_collector.drivers.solaredge.records import (
    BATTERY,
    EVENT,
    INVERTER,
    INVERTER_3,
    LAYOUTS,
    METER,
    METERS,
    OPTIMIZER,
    OPTIMIZER_PACKED,
    OPTIMIZER_S,
    RecordValue,
)
from rct_collector.model import Metric, Series, Value


class Outlet(NamedTuple):
    """What a column, or a value that is computed of some, is published as.

    Attributes:
        column: Its name.
        metric: ``measurement.field``.
        scale: Factor from the column to the metric.
        tags: Those of its tags that are always the same.
        meter: The one kind of meter that it is of; 0 for any, and for other records.
        negative: A column that is subtracted from it.
    """

    column: str
    metric: str
    scale: float = 1.0
    tags: Mapping[str, str] = {}
    meter: int = 0
    negative: str = ""


def _phases(column: str, metric: str) -> tuple[Outlet, ...]:
    """The columns of three phases."""
    return tuple(Outlet(f"{column}_{n}", metric, tags={"phase": f"l{n}"}) for n in (1, 2, 3))


_L1 = {"phase": "l1"}
_OUTPUT = {"flow": "output"}

_INVERTERS = (
    Outlet("power", "inverter_power.output_watts"),
    Outlet("apparent_power", "inverter_power.output_volt_amperes"),
    Outlet("reactive_power", "inverter_power.output_volt_amperes_reactive"),
    Outlet("dc_voltage", "inverter_dc_link.voltage_volts"),
    Outlet("energy_day", "inverter_energy.day_watt_hours", tags=_OUTPUT),
    Outlet("energy_interval", "inverter_energy.interval_watt_hours", tags=_OUTPUT),
    Outlet("energy_total", "inverter_energy.watt_hours_total", tags=_OUTPUT),
    # Which part of the inverter has it, is not known; the heat sink is what others take it for.
    Outlet("temperature", "inverter_temperature.celsius", tags={"sensor": "heatsink"}),
    Outlet("mode", "inverter_status.state_code"),
    Outlet("insulation", "inverter_status.insulation_ohms", 1000.0),
    Outlet("residual_current", "inverter_status.residual_current_amperes"),
    Outlet("power_limit", "inverter_limit.output_percent"),
    Outlet("uptime", "inverter_status.uptime_seconds"),
    Outlet("interval", "inverter_status.interval_seconds"),
)

_OPTIMIZERS = (
    Outlet("power", "inverter_optimizer.power_watts"),
    Outlet("input_voltage", "inverter_optimizer.input_volts"),
    Outlet("input_current", "inverter_optimizer.input_amperes"),
    Outlet("output_voltage", "inverter_optimizer.output_volts"),
    Outlet("energy_day", "inverter_optimizer.energy_day_watt_hours"),
    Outlet("temperature", "inverter_optimizer.inner_celsius"),
    Outlet("uptime", "inverter_optimizer.uptime_seconds"),
)

_CONSUMPTION, _GRID = 3, 5

#: Type → what is published of it.
OUTLETS: dict[int, tuple[Outlet, ...]] = {
    INVERTER: (
        *_INVERTERS,
        Outlet("ac_voltage", "inverter_grid.voltage_volts", tags=_L1),
        Outlet("ac_current", "inverter_output.current_amperes", tags=_L1),
        Outlet("frequency", "inverter_grid.frequency_hertz"),
        Outlet("power_factor", "inverter_power.output_power_factor_ratio"),
        Outlet("dc_component", "inverter_output.dc_component_amperes", tags=_L1),
    ),
    INVERTER_3: (
        *_INVERTERS,
        *_phases("ac_voltage", "inverter_grid.voltage_volts"),
        *_phases("ac_current", "inverter_output.current_amperes"),
        Outlet("frequency_1", "inverter_grid.frequency_hertz"),
        *_phases("power_factor", "inverter_output.power_factor_ratio"),
        *_phases("dc_component", "inverter_output.dc_component_amperes"),
        Outlet("voltage_12", "inverter_grid_pair.voltage_volts", tags={"pair": "1"}),
        Outlet("voltage_23", "inverter_grid_pair.voltage_volts", tags={"pair": "2"}),
        Outlet("voltage_31", "inverter_grid_pair.voltage_volts", tags={"pair": "3"}),
        *_phases("power", "inverter_output.power_watts"),
        *_phases("apparent_power", "inverter_output.apparent_power_volt_amperes"),
        *_phases("reactive_power", "inverter_output.reactive_power_volt_amperes_reactive"),
    ),
    **dict.fromkeys((OPTIMIZER, OPTIMIZER_PACKED, OPTIMIZER_S), _OPTIMIZERS),
    METER: (
        Outlet("power_to", "inverter_meter.to_watts"),
        Outlet("power_from", "inverter_meter.from_watts"),
        Outlet("energy_to", "inverter_meter.interval_to_watt_hours"),
        Outlet("energy_from", "inverter_meter.interval_from_watt_hours"),
        Outlet("interval", "inverter_meter.interval_seconds"),
        Outlet("power_from", "inverter_power.grid_watts", meter=_GRID, negative="power_to"),
        Outlet("total_to", "inverter_energy.watt_hours_total", 1.0, {"flow": "grid_export"}, _GRID),
        Outlet(
            "total_from", "inverter_energy.watt_hours_total", 1.0, {"flow": "grid_import"}, _GRID
        ),
        Outlet("power_from", "inverter_power.load_watts", meter=_CONSUMPTION),
    ),
    BATTERY: (
        Outlet("power", "inverter_battery.power_watts"),
        Outlet("charge_percent", "inverter_battery.soc_percent"),
        Outlet("voltage", "inverter_battery.voltage_volts"),
        Outlet("current", "inverter_battery.current_amperes"),
        Outlet("temperature", "inverter_battery.temperature_celsius"),
        Outlet("state", "inverter_battery.state_code"),
        Outlet("charge", "inverter_battery.charge_watt_hours"),
        Outlet("capacity", "inverter_battery.capacity_watt_hours"),
        Outlet("capacity_nominal", "inverter_battery.capacity_nominal_watt_hours"),
        Outlet("total_in", "inverter_battery.charged_watt_hours_total"),
        Outlet("total_out", "inverter_battery.discharged_watt_hours_total"),
        Outlet("energy_in", "inverter_battery.interval_charged_watt_hours"),
        Outlet("energy_out", "inverter_battery.interval_discharged_watt_hours"),
    ),
    EVENT: tuple(Outlet(f"word_{n}", f"inverter_event.word_{n}") for n in range(2, 7)),
}

#: What all batteries of a unit together are published as, when the records of all of them came.
ALL_BATTERIES = (
    Outlet("power", "inverter_power.battery_watts"),
    Outlet("total_in", "inverter_energy.watt_hours_total", tags={"flow": "battery_charge"}),
    Outlet("total_out", "inverter_energy.watt_hours_total", tags={"flow": "battery_discharge"}),
)

#: Type → the tag that its records bring, and the word for it.
_COMPONENTS = {
    OPTIMIZER: "optimizer",
    OPTIMIZER_PACKED: "optimizer",
    OPTIMIZER_S: "optimizer",
    METER: "meter",
    BATTERY: "battery",
    EVENT: "event",
}


def meter_word(kind: int) -> str:
    """The value of the tag ``meter``: the kind of meter, or its number where nobody knows."""
    return METERS.get(kind, str(kind & 0xFF))


def battery_word(serial: str) -> str:
    """The value of the tag ``battery``: letters and digits of its serial number."""
    return "".join(c for c in serial.upper() if c.isascii() and c.isalnum()) or "0"


#: A column; the series that it feeds; the type of its values; what makes the number that is meant
#: of one that is known; and what makes the value of all those of the record, where it is not that
#: of the column. (A plain tuple: those with names are taken apart more slowly, and there is one for
#: each value.)
Sink = tuple[
    str,
    Series,
    Callable[[Any], Value],
    Callable[[float], float] | None,
    Callable[[Mapping[str, RecordValue]], RecordValue] | None,
]


def name_series(optimizer: str) -> Series:
    """Where the name of an optimizer goes, or that of the unit where there is none of one."""
    if optimizer:
        return catalog().series("inverter.optimizer_name", optimizer=optimizer)
    return catalog().series("inverter.unit_name")


def rows_of(outlet: Outlet) -> tuple[Metric, ...]:
    """The rows of the catalogue that an outlet may be of."""
    return tuple(catalog().named(outlet.metric))


def _is_open(outlet: Outlet) -> bool:
    """Whether the record brings a tag of the metric."""
    return not all(
        set(outlet.tags) >= {key for key, _ in metric.dimensions} for metric in rows_of(outlet)
    )


@cache
def sinks(kind: int, word: str = "", meter: int = 0) -> tuple[Sink, ...]:
    """Where the values of a record go.

    Args:
        kind: Type of the record.
        word: The component that it is of; "" for the inverter.
        meter: Kind of meter, of records of meters.

    Raises:
        KeyError: The word does not look like one, or there are too many.
    """
    key = _COMPONENTS.get(kind)
    return _sinks(kind, OUTLETS[kind], {key: word} if key else {}, meter)


def _sinks(
    kind: int, outlets: tuple[Outlet, ...], component: Mapping[str, str], meter: int = 0
) -> tuple[Sink, ...]:
    found: list[Sink] = []
    for item in outlets:
        if item.meter not in (0, meter):
            continue
        tags = {**item.tags, **component} if _is_open(item) else item.tags
        series = catalog().series(item.metric, **tags)
        computed = partial(_computed, item) if item.negative or item.scale != 1.0 else None
        of = series.metric.value_type
        meant = _meant(kind, item) if of is float else None
        found.append((item.column, series, of, meant, computed))
    return tuple(found)


@cache
def all_batteries() -> tuple[Sink, ...]:
    """Where the sums of all batteries go."""
    return _sinks(BATTERY, ALL_BATTERIES, {})


def values_of(
    values: Mapping[str, RecordValue], found: tuple[Sink, ...]
) -> tuple[tuple[Series, Value], ...]:
    """What a record says of each series; what is absent is left out."""
    result: list[tuple[Series, Value]] = []
    for column, series, kind, meant, computed in found:
        value: Any = values.get(column) if computed is None else computed(values)
        if value is None:
            continue
        if meant is not None:
            value = meant(value)
        elif type(value) is not kind:
            value = kind(value)
        result.append((series, value))
    return tuple(result)


# -- numbers as they are meant -------------------------------------------------------------------


def _meant(kind: int, outlet: Outlet) -> Callable[[float], float] | None:
    """What rids a value of the dust of binary numbers, which nobody means; None for whole ones."""
    layout, column = LAYOUTS[kind], outlet.column
    if outlet.negative or outlet.scale != 1.0:
        return _seven_digits
    if kind in (OPTIMIZER_PACKED, OPTIMIZER_S):
        return _PACKED.get(column)
    if any(item.name == column and item.form == "f" for item in layout.columns):
        return shortest
    if column == "energy_total":
        return _total
    return _seven_digits if column in layout.computed else None


#: What is packed in steps of 1/160 A, and its product with steps of 1/8 V: of so many decimals.
_PACKED: dict[str, Callable[[float], float]] = {
    "input_current": lambda value: (value * 1e5 + WHOLE - WHOLE) / 1e5,
    "power": lambda value: (value * 1e8 + WHOLE - WHOLE) / 1e8,
}


def _seven_digits(value: float) -> float:
    """Of what is made of 32-bit floats: they hold no more."""
    return float(f"{value:.7g}")


def _total(value: float) -> float:
    """A lifetime energy, which was a whole number or a 32-bit float."""
    return value if value.is_integer() else shortest(value)


def _computed(outlet: Outlet, values: Mapping[str, RecordValue]) -> float | None:
    """Of a column less another one, or in another unit."""
    value: Any = values.get(outlet.column)
    if outlet.negative:
        value = _difference(value, values.get(outlet.negative))
    return value if value is None else value * outlet.scale


def _difference(plus: Any, minus: Any) -> float | None:
    """What flows one way less what flows the other way: often only the one that does is told."""
    if plus is None:
        return -minus if minus else None
    difference: float = plus - (minus or 0.0)
    return difference


# -- for programs that list the metrics ----------------------------------------------------------


def records() -> dict[str, tuple[Metric, ...]]:
    """Record → the metrics that it may bring; texts come with any."""
    names = (*catalog().named("inverter.unit_name"), *catalog().named("inverter.optimizer_name"))
    found = {
        f"{kind:04x}": tuple(dict.fromkeys(m for item in outlets for m in _metrics(item)))
        for kind, outlets in OUTLETS.items()
    }
    found[f"{BATTERY:04x}"] += tuple(m for item in ALL_BATTERIES for m in _metrics(item))
    return {**found, "names": names}


def _metrics(outlet: Outlet) -> Iterator[Metric]:
    """The rows that have its tags, or leave them to the record."""
    for metric in rows_of(outlet):
        known = dict(metric.dimensions)
        if all(tag in known and value in known[tag] for tag, value in outlet.tags.items()):  # type: ignore[operator]
            yield metric


def origins() -> dict[Series | Metric, list[dict[str, Any]]]:
    """Series, or metric whose components only units know → where records have it."""
    found: dict[Series | Metric, list[dict[str, Any]]] = {}
    for kind, outlets in OUTLETS.items():
        for item in outlets:
            key: Series | Metric
            if _is_open(item):
                (key,) = _metrics(item)
            else:
                key = catalog().series(item.metric, **item.tags)
            found.setdefault(key, []).append(_origin(kind, item))
    for item in ALL_BATTERIES:
        key = catalog().series(item.metric, **item.tags)
        found.setdefault(key, []).append({**_origin(BATTERY, item), "sum": True})
    named = {"record": "names", "field": "name", "offset": None, "scale": 1.0}  # no unit says it
    (optimizer,) = catalog().named("inverter.optimizer_name")
    return {**found, name_series(""): [named], optimizer: [named]}


def _origin(kind: int, item: Outlet) -> dict[str, Any]:
    layout = LAYOUTS[kind]
    column = next((c for c in layout.columns if c.name == item.column), None)
    return {
        "record": f"{kind:04x}",
        "field": item.column,
        "offset": column.offset if column else None,
        "scale": item.scale,
        **({"meter": item.meter} if item.meter else {}),
        **({"minus": item.negative} if item.negative else {}),
    }
