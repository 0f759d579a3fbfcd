"""What was really said: which records were made, sent whole and acknowledged, and when.

A collector is true if whatever it publishes is of a record that was sent, and complete if each
that was acknowledged is published once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rct_collector.drivers.solaredge.simulator.bodies import Telemetry


@dataclass(slots=True, eq=False)
class Told:
    """One record on its way.

    Attributes:
        unit: Id of the inverter that tells it, in eight hex digits.
        record: The record.
        made_at: When it was made, true Unix time.
        whole: When it has left whole, each time, in seconds of the line's clock.
        acknowledged: When it was acknowledged; None before.
        forgotten: The unit has no room for it any more.
    """

    unit: str
    record: Telemetry
    made_at: float = 0.0
    whole: list[float] = field(default_factory=list)
    acknowledged: float | None = None
    forgotten: bool = False


class SolarEdgeWitness:
    """Keeps all records of any number of units, for tests and benchmarks.

    Attributes:
        told: All of them, in the order in which they were made.
        repeated: Posts that were sent once more with the number they had, and with a new one.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.told: list[Told] = []
        self.repeated = [0, 0]

    def made(self, told: Iterable[Told]) -> None:
        """Records were made."""
        self.told += told


@dataclass(slots=True)
class ObservedUnit:
    """What has been seen of one unit, for tests of good manners.

    Attributes:
        posts: Posts that were sent, repetitions among them.
        answers: Replies that were waited for.
        strange: Frames that came and were not waited for: late and double replies among them.
        unreadable: Pieces that came and were no frames, or of no session.
        writes: Frames that would have changed something. A collector sends none.
        times: Times that were told.
        offers: Session keys that were offered, also where nobody replied.
    """

    posts: int = 0
    answers: int = 0
    strange: int = 0
    unreadable: int = 0
    writes: int = 0
    times: int = 0
    offers: int = 0
