"""The page for Prometheus, in its text format 0.0.4.

Names and labels are those that Telegraf's own page for Prometheus has, so that a dashboard fits
both: ``inverter_grid_voltage_volts{phase="l1",source="roof"} 231.4``. Only present values are
shown: what is away, or has not come again in time, is missing; ``inverter_collector_up`` is 0 then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rct_collector.catalog import catalog
from rct_collector.model import Kind, Metric
from rct_collector.web.state import DeviceState, UnitState

#: What the answer calls itself.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_INFO = "inverter.info"
_UP = "inverter_collector.up"

_NO_LABEL = re.compile(r"[^a-zA-Z0-9_]")

Labels = dict[str, str]


def page(devices: Iterable[DeviceState]) -> str:
    """The page.

    Args:
        devices: Without values that are too old, see :meth:`.UnitState.expire`.
    """
    families: dict[str, tuple[Metric, list[str]]] = {}
    for device in devices:
        for unit in device.units.values():
            common = _common(device, unit)
            for metric, labels, value in _samples(unit):
                name = f"{metric.measurement}_{metric.field}"
                _, lines = families.setdefault(name, (metric, []))
                lines.append(f"{name}{_braces({**common, **labels})} {_number(value)}")
    return "".join(
        f"# HELP {name} {_escaped(metric.description)}\n"
        f"# TYPE {name} {'counter' if metric.kind is Kind.TOTAL else 'gauge'}\n"
        + "".join(f"{line}\n" for line in lines)
        for name, (metric, lines) in sorted(families.items())
    )


def _samples(unit: UnitState) -> Iterable[tuple[Metric, Labels, float]]:
    texts: Labels = {}
    for series, (value, _) in unit.readings.items():
        if isinstance(value, str):
            if not series.tags:  # those of a component have no line that they could be on
                texts[series.metric.field] = value
        elif series.metric.name not in (_INFO, _UP):
            yield series.metric, dict(series.tags), value
    if texts:
        yield catalog().info.metric, texts, 1
    yield catalog().series(_UP).metric, {}, int(unit.up)


def _common(device: DeviceState, unit: UnitState) -> Labels:
    found = {_NO_LABEL.sub("_", key): value for key, value in unit.labels.items()}
    found |= {"source": device.source, "vendor": device.vendor}
    return found | ({"unit": unit.name} if unit.name else {})


def _braces(labels: Mapping[str, str]) -> str:
    inner = ",".join(
        '{}="{}"'.format(key, _escaped(value).replace('"', '\\"'))
        for key, value in sorted(labels.items())
    )
    return f"{{{inner}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
