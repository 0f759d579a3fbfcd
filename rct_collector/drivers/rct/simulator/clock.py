"""The clocks of a simulated unit: the world's, its own, and the sun's.

The unit keeps local wall clock and sends it as if it were UTC, so that its clock jumps when
daylight saving begins and ends. The sun does not jump, and can be set: a demonstration at night
shall show sun, while the unit's own clock stays true.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from rct_collector.drivers.rct.clock import DAY_S, wall_clock
from rct_collector.drivers.rct.wire import utc_seconds

DAY = DAY_S


class UnitClock:
    """Conversions between Unix time, the unit's wall clock and the sun's time, all in seconds.

    Attributes:
        zone: Time zone of the unit; None for the zone of this host.
        fast: Seconds by which the unit's clock is fast.
    """

    def __init__(
        self, zone: tzinfo | None, start: float, sun: float | None = None, fast: float = 0.0
    ) -> None:
        """Set the clocks.

        Args:
            zone: Time zone of the unit; None for the zone of this host.
            start: Unix time at which the simulation begins.
            sun: Hour of day, 0 … 24, at which the sun stands then; None where the unit's clock
                says it stands, if that is right.
            fast: Seconds by which the unit's clock is fast.
        """
        self.zone = zone
        self.fast = 0.0
        wall = self.wall(start)
        ahead = 0.0 if sun is None else sun * 3600 - wall % DAY
        self._sun_shift = wall - int(start) + ahead
        self.fast = fast  # the sun does not go by it

    def wall(self, unix: float) -> int:
        """The unit's clock: local wall clock as if it were UTC, in whole seconds."""
        return int(wall_clock(unix, self.zone) + self.fast)

    def unix(self, wall: float) -> float | None:
        """When the unit's clock showed ``wall``; None if it jumped over it.

        Of an hour that comes twice, the first is meant.
        """
        unix = self.unix_after(wall)
        return unix if self.wall(unix) == int(wall) else None

    def unix_after(self, wall: float) -> float:
        """When the unit's clock showed ``wall``, or would have but for a jump."""
        return utc_seconds(wall - self.fast, self.zone)

    def sun(self, unix: float) -> float:
        """The sun's time: seconds whose remainder by a day is its time of day."""
        return unix + self._sun_shift


def date_of(wall: float) -> datetime:
    """Calendar date and time of day that the unit's clock shows."""
    return datetime.fromtimestamp(wall, UTC)


def wall_of(year: int, month: int = 1, day: int = 1) -> int:
    """The unit's clock at the beginning of a day."""
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())
