"""What an examination learns of the unit itself: what it has, who it is, what its clock says."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from rct_collector.config import DeviceConfig
from rct_collector.device.polling.discovery import Discovery
from rct_collector.device.polling.plan import plan_for
from rct_collector.drivers.base import Driver, Facts, Query
from rct_collector.model import PollClass

_IDENTITY = ("model", "serial", "firmware")
_CLOCK = "inverter_clock.time_seconds"


class Inventory:
    """Gathers what the answers tell.

    Attributes:
        drift: Clock of the unit minus that of this host, in seconds; None before it is known.
    """

    def __init__(self, config: DeviceConfig, driver: Driver) -> None:
        """Know nothing yet.

        Args:
            config: The device.
            driver: Its driver.
        """
        self._config, self._driver = config, driver
        self._discovery = Discovery(driver)
        self._homes = {series.name: homes for series, homes in driver.homes.items()}
        self._values: dict[Query, Any] = {}
        self._given_up: dict[Query, None] = {}
        self.drift: float | None = None

    def take(self, query: Query, value: Any) -> bool:
        """Take an answer to one of our requests; returns whether a second one is wanted."""
        return self._discovery.decides(query) and self._discovery.observe(query, value) is None

    def hear(self, query: Query, value: Any, wall: float, waited: float) -> None:
        """Take any good answer.

        Args:
            query: What was answered.
            value: As decoded.
            wall: Unix seconds at which it came.
            waited: Seconds since it was asked for.
        """
        self._values[query] = value
        for query_of_clock, binding in self._homes.get(_CLOCK, ()):
            if query is query_of_clock:
                found = binding.convert(value, self._config.timezone, wall)[0]
                self.drift = None if found is None else float(found) - wall + waited / 2

    def has(self, query: Query) -> bool | None:
        """Whether the unit is believed to have what a query is about; None if that is not known."""
        return self._discovery.has(query.condition)

    def open(self) -> list[Query]:
        """What still is to be asked to know what is attached."""
        return self._discovery.open()

    def give_up(self, queries: Iterable[Query]) -> None:
        """Some were asked for in vain."""
        for query in queries:
            self._given_up[query] = None
            if self._discovery.decides(query):
                self._discovery.unanswered(query)

    def who(self) -> list[Query]:
        """What is to be asked to know who it is, and what its clock says."""
        names = [f"inverter.{field}" for field in _IDENTITY] + [_CLOCK]
        found = (query for name in names for query, _ in self._homes.get(name, ()))
        return [q for q in found if q not in self._values and self._discovery.has(q.condition)]

    def unsettled(self) -> list[Query]:
        """What is not known yet, although it was asked for, or was not even asked for."""
        facts = self._discovery.facts
        given_up = [query for query in self._given_up if facts.get(query.name) is None]
        wanted = [*given_up, *self.who(), *self.open()]
        decided = self._discovery.decides
        return [q for q in dict.fromkeys(wanted) if decided(q) or q not in self._values]

    def unanswered(self, answered: Collection[Query]) -> list[Query]:
        """What was given up and has not been answered since.

        Args:
            answered: The queries that the unit has ever answered.
        """
        return [query for query in self._given_up if query not in answered]

    @property
    def undecided(self) -> list[str]:
        """What cannot be told of the unit, because it is silent about it; one sentence each."""
        return [str(item) for item in self._discovery.undecided() if item.silent]

    @property
    def facts(self) -> Facts:
        """What decides which parts the unit has."""
        return dict(self._discovery.facts)

    @property
    def identity(self) -> dict[str, str]:
        """Model, serial number and firmware, as far as they are known."""
        found = {}
        for field in _IDENTITY:
            for query, binding in self._homes.get(f"inverter.{field}", ()):
                if query in self._values:
                    (text,) = binding.convert(self._values[query], self._config.timezone)
                    if text is not None:
                        found[field] = str(text)
        return found

    @property
    def queries(self) -> dict[PollClass, int]:
        """Requests per round; what is not known to be absent may be there."""
        plan = plan_for(self._driver, self._config)
        return {poll: self._count(plan.queries(poll)) for poll in PollClass.POLLED}

    def _count(self, queries: Iterable[Query]) -> int:
        return sum(self._discovery.has(query.condition) is not False for query in queries)
