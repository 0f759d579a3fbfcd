"""Values in words: as many digits as mean something, the unit, and what a code stands for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from rct_collector.model import Kind, Metric, Unit, Value

#: Digits behind the point, by unit.
_DIGITS = {
    Unit.WATT: 0,
    Unit.VOLT_AMPERE: 0,
    Unit.VOLT_AMPERE_REACTIVE: 0,
    Unit.VOLT: 1,
    Unit.AMPERE: 2,
    Unit.HERTZ: 3,
    Unit.CELSIUS: 1,
    Unit.PERCENT: 1,
    Unit.RATIO: 3,
    Unit.AMPERE_HOUR: 1,
    Unit.DAY: 0,
    Unit.PPM: 2,
}

#: Where volts are those of cells, so that millivolts count.
_CELLS = ("inverter_battery_module", "inverter_battery_cell")
_CELL_VOLTS = 10.0

#: Energy from here on is shown in kilowatt-hours.
_KILO = 10_000.0

#: What is measured in a unit, where a label has to tell it: "charge setting" is in V and in A.
_QUANTITIES = {
    Unit.WATT: "power",
    Unit.VOLT_AMPERE: "apparent power",
    Unit.VOLT_AMPERE_REACTIVE: "reactive power",
    Unit.VOLT: "voltage",
    Unit.AMPERE: "current",
    Unit.HERTZ: "frequency",
    Unit.SECOND: "time",
    Unit.CELSIUS: "temperature",
}

#: Units that stand for a quantity which the name before them does not imply: load is power.
_TELLING = (Unit.VOLT_AMPERE, Unit.VOLT_AMPERE_REACTIVE)

#: Things that have codes: "grid 0" would be the number of one.
_THINGS = frozenset({"battery", "charger", "converter", "fault", "grid", "place", "warning"})

#: Words that are not written in small letters.
_SPELT = {
    "ac": "AC", "adc": "ADC", "dc": "DC", "io": "IO", "ip": "IP", "mpp": "MPP", "pv": "PV",
    "s0": "S0", "soc": "SoC", "soh": "SoH",
}  # fmt: skip


def value_text(metric: Metric, value: Value, *, code: str = "", zone: tzinfo | None = None) -> str:
    """One value for people.

    Args:
        metric: What it is.
        value: In the metric's unit.
        code: What a code stands for, if that is known.
        zone: Time zone for times of day; None for that of this host.
    """
    if isinstance(value, str):
        return value
    if metric.kind is Kind.TIME:
        return moment_text(value, zone)
    if metric.kind is Kind.FLAG:
        return "yes" if value else "no"
    if metric.kind is Kind.WORD:
        return f"{value} (0x{int(value):X})" if value > 9 else str(value)
    if isinstance(value, int):
        return f"{value} ({code})" if code else str(value)
    return number_text(metric, value)


def number_text(metric: Metric, value: float) -> str:
    """A measured value with its unit."""
    unit = metric.unit
    if unit is Unit.OHM:
        return _scaled(value, unit.symbol)
    if unit is Unit.WATT_HOUR:
        return f"{value / 1000:.1f} kWh" if abs(value) >= _KILO else f"{_fixed(value, 0)} Wh"
    if unit is Unit.SECOND:
        return duration_text(value)
    if unit is Unit.NONE:
        return f"{value:g}"
    digits = 3 if _is_cell_voltage(metric) else _DIGITS[unit]
    return f"{_fixed(value, digits)} {unit.symbol}".rstrip()


def _is_cell_voltage(metric: Metric) -> bool:
    cells = metric.measurement in _CELLS or metric.high <= _CELL_VOLTS
    return cells and metric.unit is Unit.VOLT


def duration_text(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    size = abs(seconds)
    if size < 1 and seconds:
        return f"{seconds * 1000:.0f} ms"
    if size < 120:
        return f"{_fixed(seconds, 1)} s"
    if size < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if size < 172_800 else f"{seconds / 86_400:.1f} d"


def moment_text(seconds: float, zone: tzinfo | None) -> str:
    """A time of day with its date."""
    moment = datetime.fromtimestamp(seconds, UTC).astimezone(zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _fixed(value: float, digits: int) -> str:
    """With a fixed number of digits, and no minus before a zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if not float(text) else text


def _scaled(value: float, symbol: str) -> str:
    """With the prefix that suits the size."""
    for factor, prefix in ((1e6, "M"), (1e3, "k"), (1.0, "")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{symbol}"
    return f"{value * 1000:.3g} m{symbol}" if value else f"0 {symbol}"


def field_label(metric: Metric) -> str:
    """A field in words, without the unit, which stands beside the value."""
    name = metric.field
    total = name.endswith("_total")
    stem = name.removesuffix("_total")
    if metric.unit.word and metric.unit is not Unit.NONE:
        stem = _with_quantity(metric, stem.removesuffix(metric.unit.word).rstrip("_"))
    elif metric.kind in (Kind.CODE, Kind.WORD):
        short = stem.removesuffix(f"_{metric.kind}")
        stem = stem if short in _THINGS else short
    if total and metric.unit is not Unit.NONE:
        stem = f"{stem}_total".lstrip("_")
    return words(stem) or component(metric.measurement)


def _with_quantity(metric: Metric, stem: str) -> str:
    """The name of a field, with what is measured where that alone tells it from others."""
    if metric.unit is Unit.RATIO:  # without a symbol: nothing beside the value tells what it is
        return stem if stem.endswith("factor") else f"{stem}_ratio"
    quantity = _QUANTITIES.get(metric.unit, "")
    told = stem.replace("_", " ").endswith(quantity)
    many = stem == "charger" or stem.endswith("_setting")
    many |= metric.measurement == "inverter_rating"
    if told or not (many or metric.unit in _TELLING):
        return stem
    return f"{stem}_{quantity}"


def component(measurement: str) -> str:
    """What a measurement is about, in words."""
    return words(measurement.removeprefix("inverter").strip("_")) or "inverter"


def words(name: str) -> str:
    """A name of the catalogue as people write it."""
    return " ".join(_SPELT.get(word, word) for word in name.split("_"))


def span(values: Sequence[str]) -> str:
    """Values of a tag: all of them when they are few or words, else the first and the last."""
    return f"{values[0]}…{values[-1]}" if len(values) > 3 and values[0] == "0" else "/".join(values)


def capitalised(text: str) -> str:
    """With a capital in front, the others as they are."""
    return text[:1].upper() + text[1:]
