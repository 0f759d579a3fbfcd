"""Changes of the whole unit while it is watched: new firmware, another unit, a second tower."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from rct_collector.drivers.rct.simulator.faults import Faults
from rct_collector.drivers.rct.simulator.logbook import LoggerMemory
from rct_collector.drivers.rct.simulator.unit import RctUnit


class ChangedUnit(Faults):
    """From some time on, the unit is another one."""

    def __init__(self, after: float) -> None:
        """Set the time.

        Args:
            after: Seconds of the unit's world, from its start.
        """
        self._after = after
        self._before: RctUnit | None = None
        self._changed: RctUnit | None = None

    def different(self, unit: RctUnit) -> dict[str, Any]:
        """What is different; see :meth:`.Unit.changed`."""
        raise NotImplementedError

    def on_unit(self, unit: RctUnit, unix: float) -> RctUnit:
        """The changed unit, once it is time."""
        if unix < unit.start + self._after:
            return unit
        if self._changed is None or self._before is not unit:
            self._before, self._changed = unit, unit.changed(**self.different(unit))
        return self._changed


class FirmwareUpdate(ChangedUnit):
    """Other firmware answers. Source: objects and layouts can change with it."""

    def __init__(self, after: float = 3600.0, firmware: str = "2.3.9999") -> None:
        """See the base class.

        Args:
            after: See the base class.
            firmware: The new version.
        """
        super().__init__(after)
        self._firmware = firmware

    def different(self, unit: RctUnit) -> dict[str, Any]:
        """The version."""
        return {"firmware": self._firmware}


class OtherUnit(ChangedUnit):
    """The unit is exchanged: another serial number, and another past."""

    def __init__(self, after: float = 3600.0, serial: str = "SIMEXCHANGED") -> None:
        """See the base class.

        Args:
            after: See the base class.
            serial: The new serial number.
        """
        super().__init__(after)
        self._serial = serial

    def different(self, unit: RctUnit) -> dict[str, Any]:
        """Serial number, and the seed of all else."""
        return {"serial": self._serial, "seed": unit.world.seed + 1}


class SecondTower(ChangedUnit):
    """A second battery tower appears, as large as the first.

    The unit's past is that of a larger battery then, so that totals may jump.
    """

    def different(self, unit: RctUnit) -> dict[str, Any]:
        """One tower more, as large as the first."""
        first = unit.scenario.towers[0] if unit.scenario.towers else 5
        return {"scenario": replace(unit.scenario, towers=(first, first))}


class ClockJump(ChangedUnit):
    """The unit's clock is set, or loses the time.

    Source: units keep local time; the logger's documentation of python-rctclient knows clocks
    that were set.
    """

    def __init__(self, after: float = 3600.0, seconds: float = 5400.0) -> None:
        """See the base class.

        Args:
            after: See the base class.
            seconds: How far it jumps; negative for back.
        """
        super().__init__(after)
        self._seconds = seconds

    def different(self, unit: RctUnit) -> dict[str, Any]:
        """The clock's error."""
        return {"fast": unit.world.clock.fast + self._seconds}


class Remembering(ChangedUnit):
    """The logger remembers something else than all of 90 days.

    Sources: a unit keeps nothing while it is off; with python-rctclient, answers had about 41
    records, and reading came no further at holes of a few hours.
    """

    #: Records in an answer, and seconds that it looks back.
    RECORDS, WINDOW = 41, 4 * 3600.0

    def __init__(
        self,
        holes: tuple[tuple[float, float], ...] = (),
        *,
        begin: float = -math.inf,
        steps: tuple[tuple[float, float], ...] = (),
        after: float = 0.0,
    ) -> None:
        """Set what it remembers. Times are seconds of the unit's world, from its start.

        Args:
            holes: First and last of the times in which it has kept nothing.
            begin: It has kept nothing before; infinite for an empty memory.
            steps: When its clock was set, and by how many seconds.
            after: See the base class.
        """
        super().__init__(after)
        self._holes, self._begin, self._steps = holes, begin, steps

    def different(self, unit: RctUnit) -> dict[str, Any]:
        """The memory."""
        start = unit.start
        memory = LoggerMemory(
            records=self.RECORDS,
            begin=start + self._begin,
            holes=tuple((start + first, start + last) for first, last in self._holes),
            window=self.WINDOW,
            steps=tuple((start + at, seconds) for at, seconds in self._steps),
        )
        return {"memory": memory}
