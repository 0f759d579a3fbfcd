"""Which queries one device needs for the metrics its user wants, class by class."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import chain
from typing import Any, NamedTuple, cast

from rct_collector.catalog import Catalog, catalog
from rct_collector.catalog.faults import fault_metrics
from rct_collector.catalog.rules import TOLERANT, Rule
from rct_collector.config import DeviceConfig, matches
from rct_collector.drivers.base import Binding, Driver, Query
from rct_collector.model import Kind, PollClass, Series, Unit


@dataclass(frozen=True, slots=True)
class Derived:
    """A wanted series that is computed from others.

    Attributes:
        series: What is computed.
        rule: How.
        tolerant: Some inputs of a list may be missing.
        inputs: One list of series per input metric, with the conditions of each, see
            :meth:`Plan.conditions`.
    """

    series: Series
    rule: Rule
    tolerant: bool
    inputs: tuple[tuple[tuple[Series, tuple[str, ...]], ...], ...]


class Plain(NamedTuple):
    """A number of an answer that needs no more than to be within the range of its metric.

    Attributes:
        series: Where it belongs.
        scalar: From the answer to the value, see :attr:`.drivers.base.Binding.scalar`.
        low: Smallest plausible value.
        high: Largest plausible value.
        is_told: It is to be published; else it is only an input of what is.
        is_kept: It is looked at once more in its round: an input of others, or a fault.
    """

    series: Series
    scalar: Callable[[Any], float]
    low: float
    high: float
    is_told: bool
    is_kept: bool


class Taking(NamedTuple):
    """What is made of the answer to one query, worked out once for all devices of a plan.

    Attributes:
        plain: The numbers of an answer that has nothing but plain ones; else none.
        bindings: What anybody wants of any other answer; else none.
        dependents: Places in :attr:`Plan.derived` of what it helps to compute.
    """

    plain: tuple[Plain, ...]
    bindings: tuple[Binding, ...]
    dependents: tuple[int, ...]


class Choice(NamedTuple):
    """What a user wants of a device; see the options of the same names."""

    enabled: frozenset[str] = frozenset()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class Plan:
    """The queries and derived series of one device.

    Attributes:
        wanted: Series to publish.
        classes: Query → poll class; queries that nobody wants are missing.
        derived: Wanted derived series, inputs before what builds on them.
        dependents: Query → places in ``derived`` of what its answer helps to compute.
        companions: Query of a slower class → those with which it makes up a derived series.
        texts: Wanted text series, which go out together on the info line.
        takes: Query → the bindings of its answer that anybody wants.
        takings: Query → what is made of its answer.
        told: Wanted series that are no texts.
        energy: The queries that bring energy totals.
        of_values: Queries whose answers bear upon nothing but their values.
        several: Series that are found in several places, under conditions of their own.
    """

    def __init__(
        self,
        driver: Driver,
        config: DeviceConfig | Choice,
        rows: Catalog | None = None,
        *,
        others: Collection[Choice] = (),
    ) -> None:
        """Work it out once; conditions of the unit are applied at run time.

        Args:
            driver: The family.
            config: What is wanted.
            rows: The catalogue; by default that of the project.
            others: What others want besides.
        """
        rows = rows or catalog()
        self._rows = rows
        self._homes = driver.homes
        self._conditions: dict[Series, tuple[str, ...]] = {}  # of what anybody has asked about
        self._sets: dict[tuple[str, ...], tuple[str, ...]] = {}  # the same, each once
        self.several = {
            series
            for series, homes in self._homes.items()
            if len(homes) > 1 and len(self.conditions(series)) > 1
        }
        self._computable: dict[Series, tuple[tuple[Series, ...], ...]] = {}
        self.wanted = {
            series
            for series in self._candidates(driver)
            if is_wanted(series, config) or any(is_wanted(series, other) for other in others)
        }
        self.classes: dict[Query, PollClass] = {}
        self.derived: list[Derived] = []
        self._columns: dict[tuple[Series, ...], tuple[tuple[Series, tuple[str, ...]], ...]] = {}
        for series in sorted(self.wanted, key=_by_catalogue(rows)):
            self._need(series, series.metric.poll)
        self.dependents = self._dependents()
        self.companions = self._companions()
        self.texts = {s for s in self.wanted if s.metric.kind is Kind.TEXT}
        self.told = self.wanted - self.texts
        inputs = {s for item in self.derived for column in item.inputs for s, _ in column}
        self.takes = self._takes(driver, self.wanted | inputs)
        kept = inputs.union(self.faults)
        self.takings = {query: self._taking(query, kept) for query in self.takes}
        self.energy = frozenset(q for q, b in self.takes.items() if any(map(_brings_energy, b)))
        deciding = driver.deciding()
        self.of_values = frozenset(q for q in self.takes if q not in deciding and not q.every_s)
        for query in deciding:
            self.classes.setdefault(query, query.poll)
        self._queries = {
            poll: [q for q in driver.queries if self.classes.get(q) is poll]
            for poll in PollClass.POLLED
        }

    @cached_property
    def places(self) -> dict[Query, int]:
        """The queries, numbered from 0: what devices keep of each is an array, for all of them."""
        return {query: number for number, query in enumerate(self.classes)}

    @cached_property
    def conditions_of_all(self) -> tuple[tuple[str, ...], ...]:
        """The conditions under which series are found that are told or computed from, each once.

        Of what is found in several places, those of each place as well.
        """
        inputs = (s for item in self.derived for column in item.inputs for s, _ in column)
        found = dict.fromkeys(map(self.conditions, chain(self.told, inputs)))
        for series in self.several:
            found.update(((condition,), None) for condition in self.conditions(series))
        return tuple(found)

    @cached_property
    def faults(self) -> tuple[Series, ...]:
        """Wanted series that tell of faults."""
        return tuple(series for series in self.wanted if series.metric in fault_metrics())

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Names of the conditions under which there is something to ask for."""
        return tuple(dict.fromkeys(query.condition for query in self.classes))

    def queries(self, poll: PollClass) -> list[Query]:
        """The queries of one class, in the driver's order, which keeps snapshots together."""
        return self._queries[poll]

    def lacks(self, driver: Driver, choice: Choice) -> bool:
        """Whether anything is wanted by a choice that is not wanted here.

        Args:
            driver: The family.
            choice: What is wanted.
        """
        others = (s for s in self._candidates(driver) if s not in self.wanted)
        return any(is_wanted(series, choice) for series in others)

    def beyond(self, other: Plan) -> list[Query]:
        """The queries whose answers bring what another plan does not want of them.

        Args:
            other: Of the same family.
        """
        fresh = self.wanted - other.wanted
        places = {n for n, item in enumerate(self.derived) if item.series in fresh}
        return [
            query
            for query in self.classes
            if not set(self.takes.get(query, ())) <= set(other.takes.get(query, ()))
            or not places.isdisjoint(self.dependents.get(query, ()))
        ]

    def homes(self, series: Series) -> tuple[tuple[Query, Binding], ...]:
        """Where a series is found: in one place of those that the unit has. None for derived."""
        return self._homes.get(series, ())

    def sources(self, series: Series) -> set[Query]:
        """The queries that bring a series, or what it is computed from; none for own figures."""
        found = {query for query, _ in self.homes(series) if query in self.classes}
        item = self._computed.get(series)
        if found or item is None:
            return found
        return found.union(*(self.sources(s) for column in item.inputs for s, _ in column))

    @cached_property
    def _computed(self) -> dict[Series, Derived]:
        return {item.series: item for item in self.derived}

    def conditions(self, series: Series) -> tuple[str, ...]:
        """The conditions under which a series is found, any one of them; none for derived ones."""
        found = self._conditions.get(series)
        if found is None:
            homes = self._homes.get(series, ())
            found = tuple(dict.fromkeys(query.condition for query, _ in homes))
            self._conditions[series] = found = self._sets.setdefault(found, found)
        return found

    def _candidates(self, driver: Driver) -> list[Series]:
        """Everything the driver finds, and everything that can be computed from it."""
        found = [series for series, _, _ in driver.found()]
        computed = [
            series
            for metric in self._rows.metrics
            if metric.inputs and metric.rule != "present"
            for series in self._rows.expand(metric)
            if self._inputs(series)
        ]
        return found + computed

    def _inputs(self, series: Series) -> tuple[tuple[Series, ...], ...]:
        """What a derived series is computed from, one column per input metric.

        Empty when the driver lacks all of one column: the series cannot be computed then.
        """
        if series not in self._computable:
            columns = tuple(
                tuple(item for item in column if item in self._homes or self._inputs(item))
                for column in self._rows.inputs(series)
            )
            self._computable[series] = columns if all(columns) else ()
        return self._computable[series]

    def _need(self, series: Series, poll: PollClass) -> None:
        """Make sure a series is asked for, or computed, at least at the pace of ``poll``."""
        homes = self._homes.get(series, ())
        for query, _ in homes:
            present = self.classes.get(query, poll)
            self.classes[query] = min(present, poll, key=PollClass.POLLED.index)
        if homes:
            return
        columns = self._inputs(series)
        for column in columns:
            for item in column:
                self._need(item, poll)
        if any(item.series is series for item in self.derived):
            return  # only its inputs may be needed more often than before
        self.derived.append(
            Derived(
                series,
                self._rows.rule(series),
                series.metric.rule in TOLERANT,
                tuple(self._with_conditions(column) for column in columns),
            )
        )

    def _with_conditions(
        self, column: tuple[Series, ...]
    ) -> tuple[tuple[Series, tuple[str, ...]], ...]:
        """Several rules look at the same column (the cells of a module): it is kept once."""
        if column not in self._columns:
            self._columns[column] = tuple((series, self.conditions(series)) for series in column)
        return self._columns[column]

    def _takes(self, driver: Driver, used: set[Series]) -> dict[Query, tuple[Binding, ...]]:
        return {
            query: tuple(b for b in query.bindings if not used.isdisjoint(b.series))
            for query in driver.queries
        }

    def _taking(self, query: Query, kept: set[Series]) -> Taking:
        bindings, dependents = self.takes[query], self.dependents.get(query, ())
        found = (self._plain(binding, kept) for binding in bindings)
        plain = tuple(item for item in found if item is not None)
        if len(plain) == len(bindings):
            return Taking(plain, (), dependents)
        return Taking((), bindings, dependents)

    def _plain(self, binding: Binding, kept: set[Series]) -> Plain | None:
        """A binding as a plain number, if it is one."""
        series = binding.series[0]
        metric = series.metric
        if binding.scalar is None or metric.kind in (Kind.TEXT, Kind.TOTAL):
            return None
        if series in self.several:
            return None
        scalar = cast("Callable[[Any], float]", binding.scalar)
        is_told, is_kept = series in self.told, series in kept
        return Plain(series, scalar, metric.low, metric.high, is_told, is_kept)

    def _dependents(self) -> dict[Query, tuple[int, ...]]:
        places: dict[Query, list[int]] = {}
        sources: dict[Series, set[Query]] = {}
        for place, item in enumerate(self.derived):
            inputs = [series for column in item.inputs for series, _ in column]
            homes = {query for s in inputs for query, _ in self.homes(s)}
            sources[item.series] = homes.union(*(sources.get(s, set()) for s in inputs))
            for query in sources[item.series]:
                places.setdefault(query, []).append(place)
        return {query: tuple(found) for query, found in places.items()}

    def _companions(self) -> dict[Query, tuple[Query, ...]]:
        """What derived series need besides; fast queries are in every round anyway."""
        groups: dict[int, list[Query]] = {}
        for query, places in self.dependents.items():
            if self.classes[query] is not PollClass.FAST:
                for place in places:
                    groups.setdefault(place, []).append(query)
        found: dict[Query, dict[Query, None]] = {}
        for group in groups.values():
            for query in group if len(group) > 1 else ():
                found.setdefault(query, {}).update((q, None) for q in group if q is not query)
        return {query: tuple(others) for query, others in found.items()}


@cache
def _shared(driver: Driver, choice: Choice) -> Plan:
    return Plan(driver, choice)


def plan_for(driver: Driver, config: DeviceConfig) -> Plan:
    """The plan of a device; devices of which the same is wanted share one."""
    return _shared(driver, choice_of(config))


@lru_cache(maxsize=256)
def _once(choice: Choice) -> Choice:
    return choice


def choice_of(config: DeviceConfig) -> Choice:
    """What the user of a device wants of it."""
    return _once(Choice(config.enabled, config.include, config.exclude))


def is_wanted(series: Series, config: DeviceConfig | Choice) -> bool:
    """Whether the user wants a series: include wins, then exclude, then the default."""
    if matches(config.include, series):
        return True
    if matches(config.exclude, series):
        return False
    metric = series.metric
    return metric.default or metric.option in config.enabled


def _brings_energy(binding: Binding) -> bool:
    metrics = [series.metric for series in binding.series]
    return any(m.kind is Kind.TOTAL and m.unit is Unit.WATT_HOUR for m in metrics)


def _by_catalogue(rows: Catalog) -> Callable[[Series], tuple[int, str]]:
    place = {metric: n for n, metric in enumerate(rows.metrics)}
    return lambda series: (place[series.metric], series.name)
