"""A series as an entity of Home Assistant: platform, device class, unit, state class, name.

All of it follows from the catalogue. Home Assistant refuses what does not fit together: each device
class has its units and its state classes, and numbers that only grow are told from others.

Source: Home Assistant's documentation of sensors and binary sensors (device classes with their
units; state classes), and of the platforms sensor and binary_sensor of its integration MQTT.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from rct_collector.catalog import catalog
from rct_collector.model import PREFIX, Kind, Metric, PollClass, Series, Unit

#: Unit → device class, where all values of that unit are of it.
_CLASSES = {
    Unit.WATT: "power",
    Unit.VOLT_AMPERE: "apparent_power",
    Unit.VOLT_AMPERE_REACTIVE: "reactive_power",
    Unit.VOLT: "voltage",
    Unit.AMPERE: "current",
    Unit.HERTZ: "frequency",
    Unit.CELSIUS: "temperature",
    Unit.SECOND: "duration",
    Unit.DAY: "duration",
}

#: End of a field's name → device class of a flag.
_FLAG_CLASSES = {
    "up": "connectivity",
    "error": "problem",
    "fault_reported": "problem",
    "fan_locked": "problem",
    "lost": "problem",
    "charging": "battery_charging",
}

#: What is no measurement but tells how a unit is made and set.
_DIAGNOSTIC = frozenset(
    f"{PREFIX}_{name}" for name in ("clock", "firmware", "rating", "settings", "fault")
)

#: Codes with more meanings than this stay numbers: the list would be sent each hour.
_MOST_MEANINGS = 32

_SPELLING = {
    "pv": "PV", "soc": "SoC", "soh": "SoH", "mpp": "MPP", "mppt": "MPPT", "ac": "AC", "dc": "DC",
    "adc": "ADC", "io": "I/O", "rms": "RMS", "l1": "L1", "l2": "L2", "l3": "L3",
}  # fmt: skip


def is_entity(series: Series) -> bool:
    """Whether it is one: a number, and of now."""
    metric = series.metric
    return (
        metric.kind is not Kind.TEXT
        and metric.poll is not PollClass.HISTORY
        and metric.measurement != PREFIX
    )


def entity(series: Series, meanings: Mapping[int, str], value: str = "value") -> dict[str, Any]:
    """What Home Assistant needs to know of the values of a series.

    Args:
        series: One that :func:`is_entity`.
        meanings: Code → what it means, where that is known.
        value: What the value of a message is, in the language of templates.

    Returns:
        Keys of the component but for its topics and its id.
    """
    found: dict[str, Any] = {"platform": "sensor", "name": name(series)}
    template = ""
    if series.metric.kind is Kind.FLAG:
        found |= {"platform": "binary_sensor", "payload_on": "1", "payload_off": "0"}
        found |= _flag(series.metric)
    elif series.metric.kind is Kind.TIME:
        found["device_class"] = "timestamp"
        template = f"{{{{ ({value}) | float | as_datetime }}}}"
    elif series.metric.kind is Kind.CODE and 0 < len(meanings) <= _MOST_MEANINGS:
        known = {str(code): text for code, text in meanings.items()}
        words = json.dumps(known, ensure_ascii=False)
        template = f"{{{{ {words}.get({value}, {value}) }}}}"
    elif series.metric.kind not in (Kind.CODE, Kind.WORD):
        found |= _number(series.metric)
    if template or value != "value":
        found["value_template"] = template or f"{{{{ {value} }}}}"
    if series.metric.own or series.metric.kind is Kind.WORD or _is_diagnostic(series.metric):
        found["entity_category"] = "diagnostic"
    if not is_wanted(series.metric):
        found["enabled_by_default"] = False
    return found


def is_wanted(metric: Metric) -> bool:
    """Whether people want to see it without having asked: no internals, no hundreds of cells."""
    if metric.own:
        return metric.field == "up"
    return metric.kind is not Kind.WORD and not metric.option


def _is_diagnostic(metric: Metric) -> bool:
    return metric.measurement in _DIAGNOSTIC or "_setting_" in metric.field


def _flag(metric: Metric) -> dict[str, Any]:
    for end, kind in _FLAG_CLASSES.items():
        if metric.field == end or metric.field.endswith(f"_{end}"):
            return {"device_class": kind}
    return {}


def _number(metric: Metric) -> dict[str, Any]:
    unit, field = metric.unit, metric.field
    grows = metric.kind is Kind.TOTAL
    found: dict[str, Any] = {"unit_of_measurement": unit.symbol} if unit.symbol else {}
    found["state_class"] = "total_increasing" if grows else "measurement"
    if unit is Unit.WATT_HOUR:
        found |= _energy(metric)
    elif unit is Unit.PERCENT:
        if field == "soc_percent":
            found["device_class"] = "battery"
    elif unit is Unit.RATIO:
        if field.endswith("power_factor_ratio"):
            found["device_class"] = "power_factor"
    elif unit in _CLASSES:
        found["device_class"] = _CLASSES[unit]
    return found


def _energy(metric: Metric) -> dict[str, Any]:
    """Energy that was moved only grows, but for what starts anew; what is held is another class."""
    field = metric.field
    if metric.kind is Kind.TOTAL:
        return {"device_class": "energy"}
    if field.startswith("balance_"):
        return {"device_class": "energy", "state_class": "total"}
    if field.startswith(("charge_", "capacity_")):
        return {"device_class": "energy_storage"}
    if field.startswith("interval_"):
        return {}  # neither a total nor held
    return {"device_class": "energy", "state_class": "total_increasing"}  # day, month, year


# -- names -------------------------------------------------------------------------------------


def name(series: Series) -> str:
    """Its name for people, beside that of the unit: ``Grid L1 voltage``."""
    metric = series.metric
    words = metric.measurement.removeprefix(PREFIX).strip("_").split("_")
    words += [value if value.isupper() else value.replace("_", " ") for _, value in series.tags]
    words += _stem(metric).split("_")
    if _ambiguous()[metric.measurement, _stem(metric)] > 1:
        words.append(f"({metric.unit.symbol})" if metric.unit.symbol else metric.kind.value)
    text = " ".join(_SPELLING.get(word, word) for word in words if word)
    return text[:1].upper() + text[1:]


def _stem(metric: Metric) -> str:
    """Its field without the unit, which is told beside it."""
    stem = metric.field.removesuffix("_total")
    for end in (metric.unit.word, "code"):
        if end:
            stem = stem.removesuffix(end).rstrip("_")
    return stem


@cache
def _ambiguous() -> Counter[tuple[str, str]]:
    """How many fields of a measurement differ by their units only."""
    fields = {(m.measurement, m.field): m for m in catalog().metrics}
    return Counter((m.measurement, _stem(m)) for m in fields.values())
