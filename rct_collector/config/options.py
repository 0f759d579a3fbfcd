"""The options that all devices share, and those of the whole file.

What an option is: :mod:`rct_collector.option`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from rct_collector.config.values import (
    Address,
    parse_address,
    parse_globs,
    parse_labels,
    parse_name,
    parse_zone,
)
from rct_collector.drivers import BUILTIN
from rct_collector.model import PollClass
from rct_collector.option import (
    Shape,
    choice,
    number,
    option,
    parse_bool,
    parse_duration,
    parse_interval,
    section,
)


def _parse_driver(value: Any) -> str:
    return choice(*BUILTIN)(value)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """How often each class of metrics is asked for, in seconds."""

    fast: float = option(
        parse_interval, "Power flows, voltages, states and faults.",
        example="10s", takes="duration", default=10.0, shown="10s",
    )  # fmt: skip
    medium: float = option(
        parse_interval, "Temperatures, insulation, limits, details per phase, cells.",
        example="1m", takes="duration", default=60.0, shown="1m",
    )  # fmt: skip
    slow: float = option(
        parse_interval, "Energy totals, settings, health.",
        example="5m", takes="duration", default=300.0, shown="5m",
    )  # fmt: skip
    static: float = option(
        parse_interval, "Identity and configuration; also asked for after each connect.",
        example="1h", takes="duration", default=3600.0, shown="1h",
    )  # fmt: skip

    def seconds(self, poll: PollClass) -> float:
        """Interval of one class; infinite for what is only read on demand."""
        return float(getattr(self, poll.option, math.inf))


@dataclass(frozen=True, kw_only=True)
class Requests:
    """How hard the device is asked. The defaults are what units in the field stand well."""

    per_second: float = option(
        number(0.1, 50),
        "Requests per second on average; repeats of lost ones may add half as many, and unless it"
        " is lowered, all is asked once at the pace of the gap after a start.",
        example="5", takes="number", default=5.0, shown="5",
    )  # fmt: skip
    gap: float = option(
        parse_duration, "Least time between two requests; longer while haste loses answers.",
        example="60ms", takes="duration", default=0.06, shown="60ms",
    )  # fmt: skip
    window: int = option(
        number(1, 4, whole=True), "Requests that may be unanswered at the same time.",
        example="4", takes="1 to 4", default=4, shown="4",
    )  # fmt: skip
    timeout: float = option(
        parse_duration,
        "Longest wait for an answer; a unit known to be quicker is asked again sooner.",
        example="2s", takes="duration", default=2.0, shown="2s",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """One device."""

    name: str = option(
        parse_name, "Name of the device: the tag 'source', collectd's plugin instance.",
        example="roof", takes="name",
    )  # fmt: skip
    driver: str = option(
        _parse_driver, "Device family.", example="rct", takes=" or ".join(BUILTIN),
    )  # fmt: skip
    address: Address = option(
        parse_address, "Where the device is; the port may be left out.",
        example="tcp://192.0.2.10:8899", takes="address",
    )  # fmt: skip
    timezone: tzinfo | None = option(
        parse_zone, "Time zone that the clock of the device is set to; local is that of this host.",
        example="Europe/Berlin", takes="time zone", default=None, shown="local",
    )  # fmt: skip
    cells: bool = option(
        parse_bool, "Publish every single battery cell; minimum, maximum and spread come anyway.",
        example="true", takes="true or false", default=False, shown="false",
    )  # fmt: skip
    include: tuple[str, ...] = option(
        parse_globs, "Metrics to publish although they are off by default or excluded.",
        example="[inverter_output.*_filtered_*]", takes="list of globs", default=(), shown="[]",
        shape=Shape.LIST,
    )  # fmt: skip
    exclude: tuple[str, ...] = option(
        parse_globs, "Metrics not to publish; include wins over exclude.",
        example="[inverter_settings.*]", takes="list of globs", default=(), shown="[]",
        shape=Shape.LIST,
    )  # fmt: skip
    labels: dict[str, str] = option(
        parse_labels, "Tags of your own for everything this device publishes, as they are written.",
        example="{site: home}", takes="mapping", default={}, shown="{}", shape=Shape.MAPPING,
    )  # fmt: skip
    intervals: Intervals = section(Intervals, "How often each class of metrics is asked for.")
    requests: Requests = section(
        Requests, "How hard the device is asked; real units stand the defaults well."
    )
