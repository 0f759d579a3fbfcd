"""Whether a unit has what a series is about, worked out once for all units with the same parts."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from rct_collector.device.polling.plan import Plan
from rct_collector.model import Kind, Series


class Has(Protocol):
    """What the unit is known to have."""

    def __call__(self, *conditions: str) -> bool | None:
        """Whether it has one of these parts; None while that is not known.

        Args:
            conditions: Names of the conditions of the parts.
        """


#: The series of one input of a sum that are to be looked at; None in place of one that the unit
#: has not, where it may have a hole.
_Places = tuple[Series | None, ...]


class Presence(dict[Series, bool | None]):
    """Whether a unit has what a series is about, worked out once for all that have the same parts.

    What is asked for without a condition, or computed, is there.
    """

    def __init__(self, plan: Plan, has: tuple[bool | None, ...]) -> None:
        """Work out nothing yet.

        Args:
            plan: What is wanted.
            has: Of each of :attr:`.plan.Plan.conditions_of_all`, whether the unit has the parts.
        """
        super().__init__()
        self._plan = plan
        self._of = dict(zip(plan.conditions_of_all, has, strict=True))
        self._inputs: dict[int, tuple[_Places, ...] | None] = {}

    def __missing__(self, series: Series) -> bool | None:
        found = self[series] = self._of[self._plan.conditions(series)]
        return found

    def has(self, condition: str) -> bool | None:
        """Whether the unit has one of the places of what is found in several."""
        return self._of[condition,]

    def inputs(self, place: int) -> tuple[_Places, ...] | None:
        """The inputs of a derived series; None while it is not known which the unit has.

        Parts that it lacks are left out, or are a hole where the rule is tolerant.
        """
        if place not in self._inputs:
            item = self._plan.derived[place]
            columns = [self._column(inputs, item.tolerant) for inputs in item.inputs]
            known = tuple(column for column in columns if column is not None)
            self._inputs[place] = known if len(known) == len(columns) else None
        return self._inputs[place]

    def _column(
        self, inputs: tuple[tuple[Series, tuple[str, ...]], ...], tolerant: bool
    ) -> _Places | None:
        found = [
            series if there and series.metric.kind is not Kind.TEXT else None
            for series, conditions in inputs
            if (there := self._of[conditions]) is not False or tolerant
        ]
        return tuple(found) if tolerant or None not in found else None


@lru_cache(maxsize=16)
def _once(plan: Plan, has: tuple[bool | None, ...]) -> Presence:
    return Presence(plan, has)


def presence(plan: Plan, has: Has) -> Presence:
    """What a unit has of what is wanted; units with the same parts share it.

    Args:
        plan: What is wanted.
        has: What the unit is known to have.
    """
    return _once(plan, tuple([not c or has(*c) for c in plan.conditions_of_all]))
