"""The words of the project: what is measured, in which unit, and what one value is.

* A :class:`Metric` is one row of the catalogue: its meaning, unit, kind and poll class.
* A :class:`Series` is one concrete line of values of a metric: the metric plus its component
  tags (which phase, which string, which battery module).
* A :class:`Batch` is what one device has to say at one moment: values of many series that share
  one timestamp. It is what adapters receive.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cache
from typing import ClassVar, NamedTuple

from rct_collector.receipt import Receipt

#: What a series may carry. The type never changes within a series.
Value = float | int | str

#: Component tags, sorted by key.
Tags = tuple[tuple[str, str], ...]

#: Every measurement begins with this word; users may exchange it (option ``prefix``).
PREFIX = "inverter"


class Unit(Enum):
    """A canonical unit: the words that end the field name, the symbol, and the sane range.

    The range is the default plausibility window of a metric with that unit, for any inverter up
    to a megawatt; rows narrow it.
    """

    WATT = ("watts", "W", -1e6, 1e6)
    VOLT_AMPERE = ("volt_amperes", "VA", -1e6, 1e6)
    VOLT_AMPERE_REACTIVE = ("volt_amperes_reactive", "var", -1e6, 1e6)
    VOLT = ("volts", "V", -2000.0, 2000.0)
    AMPERE = ("amperes", "A", -5000.0, 5000.0)
    HERTZ = ("hertz", "Hz", 0.0, 100.0)
    CELSIUS = ("celsius", "°C", -60.0, 200.0)
    PERCENT = ("percent", "%", 0.0, 100.1)
    RATIO = ("ratio", "", -1e3, 1e3)
    OHM = ("ohms", "Ω", 0.0, 1e12)
    #: A storage without generators takes more than it gives back: its losses add up for ever.
    WATT_HOUR = ("watt_hours", "Wh", -1e12, 1e12)
    AMPERE_HOUR = ("ampere_hours", "Ah", -1e9, 1e9)
    SECOND = ("seconds", "s", -1e12, 1e12)
    DAY = ("days", "d", 0.0, 1e5)
    PPM = ("ppm", "ppm", -1e6, 1e6)
    #: Codes, words, counts, flags and the few values whose unit nobody knows (``…_raw``).
    NONE = ("", "", -1e30, 1e30)

    def __init__(self, word: str, symbol: str, low: float, high: float) -> None:
        """Spread the tuple into named attributes."""
        self.word = word
        self.symbol = symbol
        self.low = low
        self.high = high

    @classmethod
    def of_field(cls, name: str) -> Unit:
        """Read the unit from the end of a field name (``day_watt_hours`` → watt hours)."""
        stem = name.removesuffix("_total")
        for unit in _UNITS_LONGEST_FIRST:
            if stem == unit.word or stem.endswith("_" + unit.word):
                return unit
        return cls.NONE


_UNITS_LONGEST_FIRST = sorted((u for u in Unit if u.word), key=lambda u: -len(u.word))


class Kind(StrEnum):
    """How a value behaves; decides its type for ever."""

    GAUGE = "gauge"  #: goes up and down; float
    TIME = "time"  #: a point in time, seconds since 1970 (Unix time); float
    TOTAL = "total"  #: only grows, apart from resets; float with a unit, integer without
    CODE = "code"  #: an enumeration; integer
    WORD = "word"  #: a bit field; integer
    FLAG = "flag"  #: 0 or 1; integer
    COUNT = "count"  #: a number of things; integer
    TEXT = "text"  #: identity; string, only on the info line


class PollClass(StrEnum):
    """How often a metric is worth asking for."""

    FAST = "F"  #: power flows, voltages, states, faults
    MEDIUM = "M"  #: temperatures, insulation, limits, per-phase details, cells
    SLOW = "S"  #: energy totals, settings, health
    STATIC = "X"  #: identity and configuration
    HISTORY = "H"  #: from the memory of a unit: logger, events; restored after outages

    #: Those with an interval, fastest first.
    POLLED: ClassVar[tuple[PollClass, ...]]

    @property
    def option(self) -> str:
        """Name of the class in the configuration (``intervals: {fast: 10s}``)."""
        return self.name.lower()


PollClass.POLLED = tuple(poll for poll in PollClass if poll is not PollClass.HISTORY)


class CollectdId(NamedTuple):
    """Where collectd puts a series: stock type and type instance."""

    type: str
    type_instance: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """How the values of a tag look, where only drivers and units know which there are.

    Attributes:
        letters: Ranges of letters and digits, as within the brackets of a regular expression.
        shortest: Fewest characters.
        longest: Most characters.
        most: Series that a metric may have because of it, so that no unit fills the memory.
    """

    letters: str
    shortest: int
    longest: int
    most: int = 10_000
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Other characters would make names of collectd alike, or change in some database."""
        if not re.fullmatch("(?:[0-9A-Za-z](?:-[0-9A-Za-z])?)+", self.letters):
            raise ValueError(f"{self.letters}: letters and digits, or ranges of them")
        object.__setattr__(self, "_expression", re.compile(str(self)))

    def __str__(self) -> str:
        """As documentation shows it, a regular expression: ``[0-9A-F]{8}``."""
        if self.shortest == self.longest:
            return f"[{self.letters}]{{{self.longest}}}"
        return f"[{self.letters}]{{{self.shortest},{self.longest}}}"

    def fits(self, value: str) -> bool:
        """Whether a text can be a value."""
        return self._expression.fullmatch(value) is not None


#: Component tags, sorted by key, and the values of each.
Dimensions = tuple[tuple[str, tuple[str, ...] | Pattern], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """One row of the catalogue.

    Attributes:
        measurement: Line protocol measurement, ``inverter`` or ``inverter_*``.
        field: Field name; ends in its unit.
        kind: How the value behaves.
        poll: How often it is asked for by default.
        description: One sentence for people.
        dimensions: Component tags in tag order, each with its values: all that there are, or how
            they look where only drivers and units know them.
        default: Published unless excluded.
        option: Name of the device option that turns the metric on (``cells``), or "".
        low: Smallest plausible value, in the metric's unit.
        high: Largest plausible value, in the metric's unit.
        inputs: For derived metrics, the names of the metrics it is computed from.
        rule: For derived metrics, the name of the rule in :mod:`rct_collector.catalog.rules`.
        own: True for figures about the collector itself.
    """

    measurement: str
    field: str
    kind: Kind
    poll: PollClass
    description: str
    dimensions: Dimensions = ()
    default: bool = True
    option: str = ""
    low: float
    high: float
    inputs: tuple[str, ...] = ()
    rule: str = ""
    own: bool = False

    @property
    def name(self) -> str:
        """``measurement.field``, what include and exclude globs are matched with."""
        return f"{self.measurement}.{self.field}"

    @property
    def unit(self) -> Unit:
        """The unit, read from the field name."""
        return Unit.of_field(self.field)

    @property
    def most(self) -> int | None:
        """Series that it may have; None where all of them are known beforehand."""
        caps = [values.most for _, values in self.dimensions if isinstance(values, Pattern)]
        return min(caps) if caps else None

    @property
    def agents(self) -> tuple[str, ...]:
        """Who can carry it: collectd knows numbers only."""
        return ("telegraf",) if self.kind is Kind.TEXT else ("telegraf", "collectd")

    @property
    def value_type(self) -> type[float | int | str]:
        """The one Python type of all values of this metric."""
        if self.kind is Kind.TEXT:
            return str
        if self.kind is Kind.TOTAL:
            return int if self.unit is Unit.NONE else float
        return float if self.kind in (Kind.GAUGE, Kind.TIME) else int


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """A metric with concrete component tags. The catalogue makes each one once.

    Series are compared by identity, so they are cheap dictionary keys on the hot path.
    """

    metric: Metric
    tags: Tags = ()

    def __str__(self) -> str:
        """``measurement{tag=value}.field``, as it is written in messages and globs."""
        return self.name

    @property
    def name(self) -> str:
        """``measurement{tag=value}.field``."""
        inner = ",".join(f"{key}={value}" for key, value in self.tags)
        braces = f"{{{inner}}}" if inner else ""
        return f"{self.metric.measurement}{braces}.{self.metric.field}"

    @property
    def collectd(self) -> CollectdId | None:
        """Where collectd puts it, or None for text, which collectd cannot carry."""
        return collectd_id(self.metric, self.tags)


class Origin(StrEnum):
    """When the values of a batch are of, compared with when they are handed over."""

    LIVE = "live"  #: read just now, or told by the unit as they are
    LATE = "late"  #: what a live batch would have carried, had it not been held up on its way
    HISTORY = "history"  #: from the memory of a unit, hours or months after


class GapOrder(StrEnum):
    """Which gap of the past is restored first: agents differ in what they stand."""

    NEWEST = "newest"  #: what people look at
    OLDEST = "oldest"  #: for who refuses what is older than the last value of a series


class Health(NamedTuple):
    """How a unit does, as far as can be told from whether it answers.

    Attributes:
        up: The last round brought an answer, or the present one has already.
        since: Unix seconds since when: of the first answer when it is up, else of the last one, or
            of the beginning where there was none.
        missed: Rounds in a row that brought no answer; 0 when it is up.
        error: Why there are none, in words; "" when it is up.
        removed: Nobody collects from it any more: this is the last that is heard of it. Nothing is
            to be concluded from that, so ``up`` stays what it was.
    """

    up: bool = True
    since: float = 0.0
    missed: int = 0
    error: str = ""
    removed: bool = False


class Batch(NamedTuple):
    """Values of one device that share one moment.

    One is handed over at the end of each round, even without any values: none may have come, and
    the user may have excluded all that did.

    Attributes:
        source: Configured device name.
        vendor: Driver's vendor tag.
        labels: The user's own tags for the device.
        time_ns: Nanoseconds since the epoch.
        values: The values, in no particular order.
        interval_s: How often the fastest class comes, in seconds; of history, its resolution.
        origin: Whether the values are of now.
        ends_round: Nothing more comes of this round.
        health: How the unit does by now.
        unit: Which of its units, of a device that takes many; "" of one that is a unit itself, and
            where such a device speaks for all.
        receipt: To be held by whoever takes the batch over later than at once, since a unit waits
            for that; None where nobody does.
    """

    source: str
    vendor: str
    labels: Tags
    time_ns: int
    values: tuple[tuple[Series, Value], ...]
    interval_s: float
    origin: Origin = Origin.LIVE
    ends_round: bool = False
    health: Health = Health()
    unit: str = ""
    receipt: Receipt | None = None


# -- collectd names ---------------------------------------------------------------------------

#: Stock type per unit; all others are plain gauges with the unit in the type instance.
_COLLECTD_TYPES = {
    Unit.WATT: ("power", ""),
    Unit.VOLT_AMPERE: ("power", "apparent"),
    Unit.VOLT_AMPERE_REACTIVE: ("power", "reactive"),
    Unit.VOLT: ("voltage", ""),
    Unit.AMPERE: ("current", ""),
    Unit.HERTZ: ("frequency", ""),
    Unit.CELSIUS: ("temperature", ""),
    Unit.PERCENT: ("percent", ""),
    Unit.WATT_HOUR: ("energy_wh", ""),
}

#: Measurements whose name only repeats the collectd type, or the plugin that history goes under.
_REDUNDANT_COMPONENTS = {"power", "energy", "temperature", "history"}

#: Last words of a field stem that only repeat the collectd type.
_REDUNDANT_WORDS = {
    "power": {"power", "apparent_power", "reactive_power"},
    "voltage": {"voltage"},
    "current": {"current"},
    "frequency": {"frequency"},
    "temperature": {"temperature"},
    "energy_wh": {"energy", "total"},
}


@cache
def collectd_id(metric: Metric, tags: Tags) -> CollectdId | None:
    """Derive the collectd identifier of a series from its schema name.

    Only stock types are used, and only ``[A-Za-z0-9_]`` in instances: dashes, dots and spaces
    hurt one collectd writer or another.

    Args:
        metric: The metric.
        tags: Its component tags.

    Returns:
        Type and type instance, or None for text.
    """
    if "collectd" not in metric.agents:
        return None
    unit = metric.unit
    kind, quality = _COLLECTD_TYPES.get(unit, ("gauge", ""))
    if metric.kind is Kind.FLAG:
        kind = "bool"
    component = metric.measurement.removeprefix(PREFIX).lstrip("_")
    parts = [] if component in _REDUNDANT_COMPONENTS else [component]
    parts += [value for _, value in tags]
    parts += [_field_stem(metric.field, unit, kind), quality]
    instance = re.sub(r"[^A-Za-z0-9_]", "_", "_".join(p for p in parts if p))
    return CollectdId(kind, instance or metric.field)


def _field_stem(name: str, unit: Unit, kind: str) -> str:
    """The part of a field name that the collectd type does not say already."""
    if kind in ("gauge", "bool"):
        return name
    stem = name.removesuffix("_total") if kind == "energy_wh" else name
    stem = stem.removesuffix(unit.word).rstrip("_")
    redundant = _REDUNDANT_WORDS.get(kind, set())
    if stem in redundant:
        return ""
    for word in sorted(redundant, key=len, reverse=True):
        if stem.startswith(word + "_"):
            return stem.removeprefix(word + "_")
    return stem


@cache
def expand(dimensions: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[Tags, ...]:
    """All combinations of tag values, in the order of the dimensions.

    Equal pairs are one, and so are equal tags of all metrics that have these dimensions.
    """
    pairs = ([(key, value) for value in values] for key, values in dimensions)
    return tuple(itertools.product(*pairs))
