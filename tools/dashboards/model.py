"""The words of the table: a row has panels, a panel shows metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum, auto
from functools import cached_property

from rct_collector.catalog import catalog
from rct_collector.model import Metric, PollClass


class How(Enum):
    """What becomes of the values between two points of a graph."""

    MEAN = auto()
    LAST = auto()
    MAX = auto()
    #: Like MAX, but series that are 0 all the time are left out.
    RAISED = auto()
    #: How much a total grows in a minute.
    PER_MINUTE = auto()
    #: The largest value of each day.
    DAILY = auto()
    #: Each of them, as it is kept: there is one in a day at most.
    EACH = auto()


class Kind(Enum):
    """How a panel shows what it shows."""

    STAT = auto()
    GAUGE = auto()
    BARS = auto()
    GRAPH = auto()
    STACK = auto()
    DAYS = auto()
    PERIODS = auto()
    STATES = auto()
    HEAT = auto()

    @property
    def now(self) -> bool:
        """It shows the newest value alone."""
        return self in (Kind.STAT, Kind.GAUGE, Kind.BARS)


#: Poll class → how old the newest value may be and still count as now. Three times the usual
#: interval or more, so that nothing blinks and nothing dead looks alive.
WINDOWS = {
    PollClass.FAST: "5m",
    PollClass.MEDIUM: "15m",
    PollClass.SLOW: "1h",
    PollClass.STATIC: "3h",
    PollClass.HISTORY: "15m",
}


@dataclass(frozen=True)
class Show:
    """One query: a metric with all its series, or those that are chosen.

    Attributes:
        name: ``measurement.field``.
        label: What the legend says; ``{tag}`` stands for the tag's value.
        where: Tag → value, or a template variable such as ``$battery``.
        how: What becomes of the values in between.
        less: A second choice of tags of the same metric. What is shown is then how many percent
            of ``where`` are not in it.
        colour: Colour of its series, one of Grafana's; "" lets Grafana choose.
        below: Drawn downwards from zero.
        dashed: Drawn as a limit, not as a measurement.
        units: Its devices take many units, which are told apart by one more tag.
    """

    name: str
    label: str
    _: KW_ONLY
    where: Mapping[str, str] = field(default_factory=dict)
    how: How = How.MEAN
    less: Mapping[str, str] | None = None
    colour: str = ""
    below: bool = False
    dashed: bool = False
    units: bool = False

    @cached_property
    def metric(self) -> Metric:
        """The row of the catalogue.

        Raises:
            KeyError: There is none of that name, or none with those tags.
        """
        for metric in catalog().named(self.name):
            tags = dict(catalog().dimensions(metric))
            if all(_may_be(value, tags.get(key, ())) for key, value in self.where.items()):
                return metric
        raise KeyError(f"{self.name} has no series with the tags {dict(self.where)}")

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags of the metric, in the order of the alphabet."""
        unit = ("unit",) if self.units else ()
        return tuple(sorted((*(key for key, _ in self.metric.dimensions), *unit)))

    @property
    def free(self) -> tuple[str, ...]:
        """The tags by which there are several series, and which the label has to tell."""
        return tuple(re.findall(r"\{(\w+)\}", self.label))


def _may_be(value: str, values: tuple[str, ...]) -> bool:
    return value in values or (value.startswith("$") and bool(values))


@dataclass(frozen=True)
class Choice:
    """A template variable: which of the values of a tag is shown.

    Attributes:
        tag: The tag, and the name of the variable.
        label: For people.
        name: A metric that has the tag, as ``measurement.field``.
        where: Tag → value, to choose from fewer.
        several: More than one may be chosen; at first all are.
    """

    tag: str
    label: str
    name: str
    _: KW_ONLY
    where: Mapping[str, str] = field(default_factory=dict)
    several: bool = False

    @property
    def metric(self) -> Metric:
        """The row of the catalogue."""
        return catalog().named(self.name)[0]


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: Its title; no two panels of a dashboard have the same.
        kind: How it shows.
        shows: What it shows.
        size: Columns, of 24, and rows of the grid.
        text: What the catalogue's descriptions do not say.
        decimals: Digits after the point, where the unit's usual number will not do.
        limits: Value → colour from there on; the first colour is that of the lowest values.
        scale: Lower and upper end, where they are fixed.
        missing: What is said when there are no values.
        days: So far back bars go, whatever is chosen for the others.
    """

    title: str
    kind: Kind
    _: KW_ONLY
    shows: tuple[Show, ...]
    size: tuple[int, int] = (8, 8)
    text: str = ""
    decimals: int | None = None
    limits: tuple[tuple[float | None, str], ...] = ()
    scale: tuple[float | None, float | None] = (None, None)
    missing: str = ""
    days: int = 30

    @property
    def polls(self) -> list[PollClass]:
        """The poll classes of what it shows, fastest first."""
        found = {show.metric.poll for show in self.shows}
        return [poll for poll in PollClass if poll in found]

    @property
    def window(self) -> str:
        """How old the newest value may be."""
        return WINDOWS[self.polls[-1]]


@dataclass(frozen=True)
class Row:
    """A heading and the panels below it.

    Attributes:
        title: The heading.
        panels: In order; they flow from left to right.
        collapsed: Opened only when wanted.
        repeat: Name of a template variable; there is one such row for each of its values.
    """

    title: str
    _: KW_ONLY
    panels: tuple[Panel, ...]
    collapsed: bool = False
    repeat: str = ""
