"""Which series the parts of an answer feed, and how.

A part that is missing, or that the unit says it has not, publishes nothing. What is computed of
several parts names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from functools import cache, partial
from operator import methodcaller
from typing import Any, NamedTuple

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Binding, Convert
from rct_collector.drivers.voltronic.command import ENERGY, Command, Layout, command, energy
from rct_collector.model import Kind, Metric, Value

#: Parts of an answer → value, in the unit of the part; None where there is none.
Take = Callable[[Mapping[str, Any]], Any]


class Feed(NamedTuple):
    """What feeds one series.

    Attributes:
        metric: Its name.
        part: Name of the part; of several, all names.
        take: How the value is taken from the parts; None for the part as it is.
        scale: Factor from the part to the published value.
        counts_up: Of a total: how it is known that the unit never counts it down.
        tags: Which of the metric's series.
    """

    metric: str
    part: str
    take: Take | None
    scale: float
    counts_up: str
    tags: dict[str, str]


def to(
    metric: str,
    part: str,
    *,
    take: Take | None = None,
    scale: float = 1,
    counts_up: str = "",
    **tags: str,
) -> Feed:
    """Name the series that a part feeds."""
    return Feed(metric, part, take, scale, counts_up, tags)


def bound(feed: Feed, wire_scale: float = 1) -> Binding:
    """The binding of a feed.

    Args:
        feed: The feed.
        wire_scale: Factor from the number on the wire to the value of the part.

    Raises:
        KeyError: The catalogue has no such series.
        ValueError: It is a total, and nobody says how it is known that it only grows.
    """
    series = catalog().series(feed.metric, **feed.tags)
    metric = series.metric
    if (metric.kind is Kind.TOTAL) is not bool(feed.counts_up):
        raise ValueError(f"{metric.name}: what is counted up is a total, and nothing else is")
    convert = _converter(metric, feed.take or _as_it_is(feed.part), feed.scale)
    return Binding((series,), feed.part, float(f"{wire_scale * feed.scale:.9g}"), convert)


# What is made of the same is one: the units of a system have hundreds of parts.


@cache
def _as_it_is(part: str) -> Take:
    return methodcaller("get", part)


@cache
def _converter(metric: Metric, take: Take, scale: float) -> Convert:
    if metric.kind is Kind.TIME:
        return partial(_converted_time, take)
    return partial(_converted, take, _to_value(metric, scale))


def _converted(
    take: Take,
    to_value: Callable[[Any], Value],
    parts: Mapping[str, Any],
    _zone: tzinfo | None,
    _now: float | None = None,
    /,
) -> list[Value | None]:
    value = take(parts)
    return [None if value is None else to_value(value)]


def _converted_time(
    take: Take, parts: Mapping[str, Any], zone: tzinfo | None, now: float | None = None, /
) -> list[Value | None]:
    shown = take(parts)
    return [None if shown is None else unix_seconds(shown, zone, now)]


def ask(
    dialect: str,
    name: str,
    layout: Layout,
    reply_bytes: int,
    *feeds: Feed,
    condition: str = "",
    **more: Any,
) -> Command:
    """Make a command of a single dialect.

    Args:
        dialect: The dialect, which is also its condition where that is not given.
        name: What is sent, which with the dialect before it is the name; or the whole name.
        layout: The shape of its answer.
        reply_bytes: Usual length of the whole answer.
        feeds: What its answer feeds.
        condition: When a unit has it.
        more: What else :class:`~rct_collector.drivers.voltronic.command.Command` takes.
    """
    return command(
        name if " " in name else f"{dialect} {name}",
        layout,
        reply_bytes,
        dialects=frozenset({dialect}),
        condition=condition or dialect,
        bindings=bindings(layout, feeds),
        **more,
    )


#: Format of the date that asks for a period.
DATES = {"year": "%Y", "month": "%Y%m", "day": "%Y%m%d"}

#: An hour: energies change slowly, and take a question each.
HOUR_S = 3600.0


def ask_energy(
    dialect: str, name: str, period: str, digits: str = "{6,8}", reply_bytes: int = 16
) -> Command:
    """Make a command for the energy of the solar generators in a year, a month or a day.

    Args:
        dialect: The dialect.
        name: What is sent, before the date.
        period: ``year``, ``month`` or ``day``.
        digits: How many the answer has, as in a regular expression.
        reply_bytes: Usual length of the whole answer.
    """
    part = f"pv_energy_{period}_wh"
    return ask(
        dialect,
        name,
        energy(part, digits),
        reply_bytes,
        to(f"inverter_energy.{period}_watt_hours", part, flow="pv"),
        condition=f"{dialect}-clock",
        date=DATES[period],
        every_s=HOUR_S,
        shape=ENERGY,
    )


def bindings(layout: Layout, feeds: Iterable[Feed]) -> tuple[Binding, ...]:
    """The bindings of the feeds of a command, with the factors that its layout has."""
    scales: Mapping[str, float] = getattr(layout, "scales", {})
    return tuple(bound(feed, scales.get(feed.part, 1)) for feed in feeds)


def _to_value(metric: Metric, scale: float) -> Callable[[Any], Value]:
    if metric.kind is Kind.TEXT:
        return str
    if metric.kind is Kind.FLAG:
        return lambda value: int(bool(value))
    if metric.value_type is int:
        return int
    if scale == 1:
        return float
    return lambda value: float(f"{value * scale:.9g}")


def unix_seconds(shown: str, zone: tzinfo | None, now: float | None = None) -> float:
    """Turn what the clock of a unit shows into Unix seconds.

    The hour that autumn repeats has two readings.

    Args:
        shown: Date and time as in ISO 8601, without a zone.
        zone: The unit's time zone; None for the zone of this host.
        now: Unix seconds to which the reading shall be near; of two the first without it.
    """
    wall = datetime.fromisoformat(shown).replace(tzinfo=zone)
    first, second = wall.timestamp(), wall.replace(fold=1).timestamp()
    return second if now is not None and abs(second - now) < abs(first - now) else first


# -- ways to take a value ----------------------------------------------------------------------


@cache
def nonzero(part: str) -> Take:
    """A part that is 0 where the unit does not measure it."""
    return lambda parts: parts.get(part) or None


@cache
def at_most(part: str, highest: float) -> Take:
    """A part that says something else where it is higher."""

    def take(parts: Mapping[str, Any]) -> Any:
        value = parts.get(part)
        return None if value is None or value > highest else value

    return take


@cache
def negated(part: str) -> Take:
    """A flag that says the opposite."""

    def take(parts: Mapping[str, Any]) -> Any:
        value = parts.get(part)
        return None if value is None else not value

    return take


@cache
def as_number(part: str) -> Take:
    """A code that is kept as text, where it has digits only."""

    def take(parts: Mapping[str, Any]) -> Any:
        value = parts.get(part)
        return int(value) if value is not None and value.isdigit() else None

    return take


def as_word(*names: str) -> Take:
    """The word that some flags are the bits of, the highest first; "" for a bit without meaning."""
    bits = [(name, 1 << place) for place, name in enumerate(reversed(names)) if name]

    def take(parts: Mapping[str, Any]) -> Any:
        return sum(bit for name, bit in bits if parts.get(name))

    return take


@cache
def bit_of(part: str, number: int) -> Take:
    """One bit of a word that is kept as text, 0 is the last."""

    def take(parts: Mapping[str, Any]) -> Any:
        word = parts.get(part)
        return None if word is None else word[-1 - number] == "1"

    return take


#: No unit's battery gives or takes so much, in amperes: what is more is no current.
_MOST_AMPERES = 1000


@cache
def battery_watts(voltage: str, discharge: str, charge: str) -> Take:
    """Power of the battery, positive while it discharges: voltage by current."""

    def take(parts: Mapping[str, Any]) -> Any:
        volts, out, into = parts.get(voltage), parts.get(discharge), parts.get(charge)
        if volts is None or out is None or into is None or max(out, into) > _MOST_AMPERES:
            return None
        return round(volts * (out - into), 3)

    return take


#: No unit is rated for less, in VA: what is worked out of a load and its share is less than that
#: only where the load has more digits than are sent …
_LEAST_RATED = 500.0
#: … on batteries of 48 V, which those of 10 kVA and more have, and of the smallest few …
_LEAST_RATED_48 = 1500.0
_VOLTS_48 = 40.0
#: … and is sure from this share on, which is a whole number.
_SURE_PERCENT = 50


@cache
def unless_wrapped(part: str, prefix: str = "") -> Take:
    """A power, unless it has more digits than are sent: 10 200 is then 0200.

    The load in percent shows it, where that is high.

    Args:
        part: Name of the part.
        prefix: What stands before the names of the output's parts.
    """

    def take(parts: Mapping[str, Any]) -> Any:
        apparent = parts.get(f"{prefix}output_apparent_power")
        percent = parts.get(f"{prefix}output_load_percent")
        if apparent is None or percent is None or percent < _SURE_PERCENT:
            return parts.get(part)
        high = (parts.get("battery_voltage") or 0) >= _VOLTS_48
        least = _LEAST_RATED_48 if high else _LEAST_RATED
        return parts.get(part) if apparent * 100 / percent >= least else None

    return take


#: A rating is not less than this share of what rated voltage and current make.
_LEAST_SHARE = 0.3


@cache
def rated(part: str) -> Take:
    """A rated power near what rated voltage and current make: some write 0200 for 10 200."""

    def take(parts: Mapping[str, Any]) -> Any:
        power = parts.get(part)
        volts, amperes = parts.get("output_rating_voltage"), parts.get("output_rating_current")
        if power is None or volts is None or amperes is None:
            return power
        return power if power >= _LEAST_SHARE * volts * amperes else None

    return take


#: Codes of PI18 and PI17 for ways of the power: out of the battery and into it, and …
BATTERY_WAYS = (2, 1)
#: … from the grid and into it.
GRID_WAYS = (1, 2)


@cache
def directed(power: str, direction: str, ways: tuple[int, int]) -> Take:
    """A power that has its sign from another part.

    Args:
        power: Name of the part.
        direction: Name of the part that tells the way.
        ways: Its codes for a positive and for a negative power.
    """

    def take(parts: Mapping[str, Any]) -> Any:
        watts, way = parts.get(power), parts.get(direction)
        if watts == 0:
            return 0
        if watts is None or way not in ways:
            return None
        return abs(watts) if way == ways[0] else -abs(watts)

    return take


# -- what several dialects have alike ----------------------------------------------------------

#: Of an answer with the ratings of a unit, as PI30 and PI18 have them.
RATINGS = (
    to("inverter_rating.grid_volts", "grid_rating_voltage"),
    to("inverter_rating.grid_amperes", "grid_rating_current"),
    to("inverter_rating.output_volts", "output_rating_voltage"),
    to("inverter_rating.output_hertz", "output_rating_frequency"),
    to("inverter_rating.output_amperes", "output_rating_current"),
    to("inverter_rating.output_volt_amperes", "output_rating_apparent_power",
       take=rated("output_rating_apparent_power")),
    to("inverter_rating.output_watts", "output_rating_active_power",
       take=rated("output_rating_active_power")),
    to("inverter_rating.battery_volts", "battery_rating_voltage"),
    to("inverter_battery.recharge_setting_volts", "battery_recharge_voltage", battery="0"),
    to("inverter_battery.redischarge_setting_volts", "battery_redischarge_voltage", battery="0"),
    to("inverter_battery.discharge_setting_volts", "battery_under_voltage", battery="0"),
    to("inverter_battery.charge_setting_volts", "battery_bulk_voltage", battery="0"),
    to("inverter_battery.float_setting_volts", "battery_float_voltage", battery="0"),
    to("inverter_settings.battery_type_code", "battery_type_code"),
    to("inverter_battery.grid_charge_setting_amperes", "max_ac_charging_current", battery="0"),
    to("inverter_battery.charge_setting_amperes", "max_charging_current", battery="0"),
    to("inverter_settings.grid_range_code", "input_voltage_range_code"),
    to("inverter_rating.parallel_units", "parallel_max_num"),
    to("inverter_rating.topology_code", "topology_code"),
    to("inverter_settings.output_mode_code", "output_mode_code"),
)  # fmt: skip
