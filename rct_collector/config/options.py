"""The options that all devices share, and those of the whole file.

What an option is: :mod:`rct_collector.option`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import cache, partial
from typing import Any, cast

from rct_collector.config.values import (
    parse_backfill,
    parse_globs,
    parse_labels,
    parse_name,
    parse_signals,
    parse_since,
    parse_zone,
)
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.base import Driver, SessionOptions
from rct_collector.drivers.options import NEVER, FamilyOptions, Requests
from rct_collector.model import PollClass
from rct_collector.option import (
    Invalid,
    Option,
    Section,
    Shape,
    choice,
    option,
    options,
    parse_bool,
    parse_interval,
    section,
    sections,
)
from rct_collector.transport import Address, is_dialled_in, parse_address

_REQUESTS = "How hard the device is asked; real units stand the defaults well."


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
class HistoryOptions:
    """What of the past is read from the memory of the device."""

    backfill: str = option(
        parse_backfill,
        "Restore what was missed while nothing was collected, where the agent takes it: auto or"
        " off.",
        example="off", takes="auto or off", default="auto", shown="auto",
    )  # fmt: skip
    since: float = option(
        parse_since, "How far back gaps are looked for; units remember up to 90 days.",
        example="30d", takes="duration", default=7 * 86400.0, shown="7d",
    )  # fmt: skip
    signals: tuple[str, ...] = option(
        parse_signals, "Fields of inverter_history that are restored.",
        example='["*"]', takes="list of globs",
        default=("pv_*", "grid_*", "load_*", "battery_*", "soc_*"),
        shown='["pv_*", "grid_*", "load_*", "battery_*", "soc_*"]', shape=Shape.LIST,
    )  # fmt: skip
    events: bool = option(
        parse_bool, "Read the table of events as well, now and then.",
        example="false", takes="true or false", default=True, shown="true",
    )  # fmt: skip


def _parse_address(value: Any) -> Address:
    """An address of whatever family; which one is meant only the driver beside it tells."""
    every: dict[str, Mapping[str, str]] = {}
    for name in BUILTIN:  # of several, the first may take more for granted
        every = {**driver(name).ways, **every}
    return parse_address(value, every)


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """One device.

    Attributes:
        requests: How hard it is asked; by default as its family stands it.
        options: The options that only its family has.
    """

    name: str = option(
        parse_name, "Name of the device: the tag 'source', collectd's plugin instance.",
        example="roof", takes="name",
    )  # fmt: skip
    driver: str = option(
        _parse_driver, "Device family.", example="rct", takes=" or ".join(BUILTIN),
    )  # fmt: skip
    address: Address = option(
        _parse_address, "Where the device is; the port may be left out.",
        example="tcp://192.0.2.10:8899", takes="address",
    )  # fmt: skip
    timezone: tzinfo | None = option(
        parse_zone, "Time zone that the clock of the device is set to; local is that of this host.",
        example="Europe/Berlin", takes="time zone", default=None, shown="local",
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
    history: HistoryOptions = section(
        HistoryOptions, "What of the past is read from the memory of the device."
    )
    requests: Requests = field(default=cast(Requests, None))
    options: FamilyOptions = field(default=cast(FamilyOptions, None))
    unit: str = ""

    def __post_init__(self) -> None:
        """What is left out is what its family takes for right."""
        for name, usual in (("requests", self.usual), ("options", driver(self.driver).options)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)

    @property
    def identity(self) -> tuple[str, str]:
        """What no two devices share: the line, and the unit on it."""
        return self.address.key, self.unit

    @property
    def line(self) -> tuple[str, str]:
        """What devices have in common that share a line: where it leads, and their family."""
        return self.address.key, self.driver

    @property
    def session(self) -> SessionOptions:
        """What the session of its line is to know."""
        return SessionOptions(self.options, self.address.options, self.address.scheme)

    @property
    def portal(self) -> Address | None:
        """Where those who dial in are put through to, as the option ``forward`` says.

        Raises:
            Invalid: It is no such address, or nobody dials in.
        """
        forward = getattr(self.options, "forward", "")
        if not forward:
            return None
        ways = driver(self.driver).ways
        found = parse_address(forward, {"tcp": ways.get("listen", {})})
        if not is_dialled_in(self.address):
            raise Invalid(f"none, since nobody dials in at {self.address}, but at listen://")
        return found

    @property
    def alone(self) -> DeviceConfig:
        """The same, where nobody who dials in is put through."""
        if not getattr(self.options, "forward", ""):
            return self
        return replace(self, options=replace(self.options, forward=""))  # type: ignore[call-arg]

    @property
    def usual(self) -> Requests:
        """How hard devices of its family are asked where nobody says anything else."""
        polled = driver(self.driver).polled
        return polled.pace if polled else NEVER

    @property
    def byte_s(self) -> float:
        """Seconds that a byte takes on the line; 0 where that is not to be counted."""
        polled, said = driver(self.driver).polled, self.address.options
        if polled is None or not polled.byte_s or "baud" not in said:
            return polled.byte_s if polled else 0.0
        parity = said.get("parity", "none") != "none"
        bits = 1 + int(said.get("databits", 8)) + parity + int(said.get("stopbits", 1))
        return bits / int(said["baud"])

    @property
    def enabled(self) -> frozenset[str]:
        """Names of the options of the family that are turned on."""
        return frozenset(n for n in options(type(self.options)) if getattr(self.options, n) is True)


@cache
def device_options(family: Driver | None) -> Mapping[str, Option]:
    """All options in the mapping of a device: those that all share, and those of its family.

    Args:
        family: None where it is not known.
    """
    found = dict(options(DeviceConfig))
    if family is None:
        return found
    globs = partial(parse_globs, family=family)
    address = partial(parse_address, ways=family.ways)
    for name, parse in (("address", address), ("include", globs), ("exclude", globs)):
        found[name] = replace(found[name], parse=parse)
    if family.unit:
        found["unit"] = family.unit
    return {**found, **options(type(family.options))}


@cache
def device_sections(family: Driver | None) -> Mapping[str, Section]:
    """The sections in the mapping of a device; of an unknown family those that all share.

    Args:
        family: None where it is not known.
    """
    found = dict(sections(DeviceConfig))
    if family is None:
        return found
    if family.polled is not None:
        found["requests"] = Section(type(family.polled.pace), _REQUESTS)
    if family.history is None:
        del found["history"]
    return {**found, **sections(type(family.options))}


@cache
def section_options(kind: type, family: Driver | None) -> Mapping[str, Option]:
    """The options of a section, with what a family asks of them.

    Args:
        kind: The dataclass of the section.
        family: None where it is not known.
    """
    found = options(kind)
    if kind is HistoryOptions:
        signals = partial(parse_signals, family=family)
        return {**found, "signals": replace(found["signals"], parse=signals)}
    if kind is not Intervals or not (family and family.polled and family.polled.least_interval_s):
        return found
    whose = f", since {family.title} units are not to be asked more often"
    parse = partial(parse_interval, least=family.polled.least_interval_s, whose=whose)
    return {name: replace(item, parse=parse) for name, item in found.items()}
