"""How many requests per second a device is to answer, worked out from its plan alone.

A device that is asked for more than its pace allows is not overloaded: what does not fit waits,
so that slower classes come later than configured. This arithmetic tells beforehand.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rct_collector.config import DeviceConfig
from rct_collector.device.plan import Plan
from rct_collector.model import PollClass

#: Share of the pace that is left for repeats, second readings and discovery.
REPEATS = 0.04

_CLASSES = (PollClass.FAST, PollClass.MEDIUM, PollClass.SLOW, PollClass.STATIC)


@dataclass(frozen=True, slots=True)
class Share:
    """What one class of metrics takes.

    Attributes:
        poll: The class.
        queries: Requests per round of that class.
        interval: Seconds between two rounds.
    """

    poll: PollClass
    queries: int
    interval: float

    @property
    def per_second(self) -> float:
        """Requests per second on average."""
        return self.queries / self.interval


@dataclass(frozen=True, slots=True)
class Budget:
    """What all classes of one device take, and what its pace allows.

    Attributes:
        shares: One per class, fastest first.
        pace: Requests per second that the device is asked at most.
        gap: Least seconds between two requests.
    """

    shares: tuple[Share, ...]
    pace: float
    gap: float

    @property
    def needed(self) -> float:
        """Requests per second of all classes together."""
        return sum(share.per_second for share in self.shares)

    @property
    def usable(self) -> float:
        """Requests per second that regular polling may take, with room left for repeats."""
        return self.pace * (1 - REPEATS)

    @property
    def spare(self) -> float:
        """Usable minus needed; negative by how much it does not fit."""
        return self.usable - self.needed

    @property
    def fits(self) -> bool:
        """Whether every class can come at its interval."""
        return self.spare >= 0

    @property
    def fast_seconds(self) -> float:
        """How long the fast part of a round takes to ask, in seconds."""
        return self.shares[0].queries * self.gap


def budget(plan: Plan, present: Collection[str], config: DeviceConfig) -> Budget:
    """Work out the load of one device.

    Args:
        plan: What is asked for, class by class.
        present: Names of the driver's conditions that the device is taken to meet.
        config: Intervals and pace.
    """
    shares = tuple(
        Share(
            poll,
            sum(query.condition in present for query in plan.queries(poll)),
            config.intervals.seconds(poll),
        )
        for poll in _CLASSES
    )
    requests = config.requests
    return Budget(shares, min(requests.per_second, 1 / requests.gap), requests.gap)
