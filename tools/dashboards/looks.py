"""How values look: units, digits, texts of codes, colours. Most follows from the catalogue."""

from __future__ import annotations

import re
from typing import NamedTuple

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import LineStyle
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColor,
    FieldColorModeId,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from rct_collector.drivers import driver
from rct_collector.model import Kind as MetricKind
from rct_collector.model import Metric, Unit

from .model import How, Kind, Panel, Show

#: The driver whose codes and faults are put into words.
DRIVER = "rct"

#: Unit → Grafana's name of it, and digits after the point (None: as many as fit).
UNITS: dict[Unit, tuple[str, int | None]] = {
    Unit.WATT: (units.Watt, None),
    Unit.VOLT_AMPERE: (units.VoltAmpere, None),
    Unit.VOLT_AMPERE_REACTIVE: (units.VoltAmpereReactive, None),
    Unit.VOLT: (units.Volt, 1),
    Unit.AMPERE: (units.Ampere, 1),
    Unit.HERTZ: (units.Hertz, 2),
    Unit.CELSIUS: (units.Celsius, 1),
    Unit.PERCENT: (units.Percent, 0),
    Unit.RATIO: (units.Number, 2),
    Unit.OHM: (units.Ohm, None),
    Unit.WATT_HOUR: (units.WattHour, None),
    Unit.AMPERE_HOUR: (units.AmpereHour, 0),
    Unit.SECOND: (units.Seconds, None),
    Unit.NONE: (units.Short, None),
}


class Word(NamedTuple):
    """What is said in place of a number."""

    text: str
    colour: str


#: Flag → what 0 and 1 mean there.
FLAGS = {
    "inverter_collector.up": (Word("no", "red"), Word("yes", "green")),
    "inverter_status.grid_present": (Word("absent", "red"), Word("present", "green")),
    "inverter_status.grid_separated": (Word("no", "green"), Word("yes", "orange")),
    "inverter_fault.active": (Word("", "transparent"), Word("set", "red")),
}
FLAG = (Word("no", "transparent"), Word("yes", "blue"))
BAD_FLAG = (Word("no", "transparent"), Word("yes", "red"))

#: Codes get these in turn, so that neighbours differ.
PALETTE = ("blue", "orange", "purple", "yellow", "green", "red", "light-blue", "light-orange")


def words(metric: Metric) -> dict[int, Word]:
    """What the numbers of a code, a flag or a fault word mean; nothing for measurements."""
    if metric.kind is MetricKind.FLAG:
        usual = BAD_FLAG if metric.field.endswith("_error") else FLAG
        return dict(enumerate(FLAGS.get(metric.name, usual)))
    if metric.name == "inverter_status.faults_active":
        return {0: Word("none", "green")}
    if metric.name.startswith("inverter_status.fault_word_"):
        return {0: Word("none", "transparent"), **_fault_bits(int(metric.name[-1]))}
    return {code: Word(text, PALETTE[code % len(PALETTE)]) for code, text in _codes(metric).items()}


def _fault_bits(word: int) -> dict[int, Word]:
    """The values that a fault word has when one bit is set, which is nearly always so."""
    faults = driver(DRIVER).faults
    return {
        1 << number % 32: Word(fault_text(number), "red")
        for number in sorted(faults)
        if number // 32 == word
    }


def fault_text(number: int) -> str:
    """Number and text of a fault."""
    return f"{number}: {driver(DRIVER).faults[number]}"


def _codes(metric: Metric) -> dict[int, str]:
    """Code → text, as far as the driver knows."""
    texts = driver(DRIVER).texts
    for series, query, _ in driver(DRIVER).found():
        if series.metric is metric and query.name in texts:
            return dict(texts[query.name])
    return {}


def mappings(found: dict[int, Word]) -> list[ValueMapping]:
    """The same in Grafana's form."""
    results = {
        str(value): ValueMappingResult(text=word.text, color=word.colour, index=index)
        for index, (value, word) in enumerate(found.items())
    }
    return [ValueMap(results)] if results else []


def unit(show: Show) -> str:
    """Grafana's name of the unit."""
    if show.less:
        return units.Percent
    if show.how is How.PER_MINUTE:
        return "suffix: B/min" if "_bytes_" in show.metric.field else "suffix: /min"
    return UNITS[show.metric.unit][0]


def digits(panel: Panel, show: Show) -> int | None:
    """Digits after the point; None leaves it to Grafana."""
    if panel.decimals is not None:
        return panel.decimals
    return 0 if show.less else UNITS[show.metric.unit][1]


def told(panel: Panel, show: Show) -> list[ValueMapping]:
    """What is said in place of numbers; graphs need the numbers."""
    telling = panel.kind in (Kind.STAT, Kind.STATES)
    return mappings(words(show.metric)) if telling else []


def own(panel: Panel, show: Show) -> list[DynamicConfigValue]:
    """How the series of one show look, where that is not how those of the first show do."""
    found: dict[str, object] = {}
    first = panel.shows[0]
    if unit(show) != unit(first):
        found["unit"] = unit(show)
    if digits(panel, show) != digits(panel, first):
        found["decimals"] = digits(panel, show)
    if words(show.metric) != words(first.metric):
        found["mappings"] = told(panel, show)
    if found.get("unit") == units.Percent:  # beside another unit, with a scale of its own
        found |= {"min": 0, "max": 100}
    if show.colour:
        found["color"] = FieldColor(mode=FieldColorModeId.FIXED, fixed_color=show.colour)
    if show.below:
        found["custom.transform"] = "negative-Y"
    if show.dashed:
        found["custom.lineStyle"] = LineStyle(fill="dash", dash=[8, 8])
        found["custom.fillOpacity"] = 0
    return [DynamicConfigValue(id_val=key, value=value) for key, value in found.items()]


def description(panel: Panel) -> str:
    """What the panel shows, from the catalogue and from the table."""
    meanings = {
        re.sub(r" ?\{\w+\}", "", show.label): show.metric.description
        for show in panel.shows
        if not show.less  # what is computed here, the catalogue does not know
    }
    told = list(dict.fromkeys(meanings.values()))
    if len(told) > 1:
        told = [f"- {label}: {text}" if label else text for label, text in meanings.items()]
    return "\n\n".join(filter(None, (panel.text, "\n".join(told))))
