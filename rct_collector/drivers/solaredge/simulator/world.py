"""Where simulated inverters are: their numbers, and which time it is for clocks and for the sun."""

from __future__ import annotations

from datetime import datetime, tzinfo

from rct_collector.drivers.chance import key
from rct_collector.drivers.solaredge.simulator.day import DAY
from rct_collector.drivers.solaredge.simulator.scenario import SolarEdgeScenario


class SolarEdgeWorld:
    """One installation in its weather.

    Clocks go as ours do, whatever the speed: records have their own times, and those of a clock
    that is ahead are believed by nobody. Only the sun is faster.

    Attributes:
        scenario: What there is.
        seed: Weather, roofs and numbers follow from it.
        start: Unix time at which it begins.
        zone_s: How far its zone is ahead of UTC at the start, in seconds.
    """

    def __init__(
        self,
        scenario: SolarEdgeScenario,
        *,
        seed: int = 0,
        start: float,
        zone: tzinfo | None = None,
        sun: float | None = None,
        speed: float = 1.0,
    ) -> None:
        """Begin.

        Args:
            scenario: What there is.
            seed: Weather, roofs and numbers follow from it.
            start: Unix time at which it begins.
            zone: Its time zone; None for that of this host.
            sun: Hour of day at which the sun stands at the start; None for the local time.
            speed: How many times faster than real the sun moves.
        """
        self.scenario, self.seed, self.start = scenario, seed, start
        offset = datetime.fromtimestamp(start, zone).astimezone(zone).utcoffset()
        self.zone_s = round(offset.total_seconds()) if offset else 0
        self._speed = speed
        local = start + self.zone_s
        self._sun = local if sun is None else local - local % DAY + sun * 3600.0

    def sun(self, unix: float) -> tuple[int, float]:
        """Number of the day, and hour of day, by which the sun goes."""
        day, second = divmod(self._sun + (unix - self.start) * self._speed, DAY)
        return int(day), second / 3600.0

    def inverter(self, number: int) -> int:
        """Id of an inverter."""
        return 0x7F10_0000 | (self.seed * 977 & 0xFF) << 12 | number

    def optimizer(self, inverter: int, number: int) -> int:
        """Id of an optimizer: no two of an installation have the same."""
        of = key(self.seed, "optimizer", inverter) % 0x60 << 18
        return 0x1000_0000 + of + (inverter << 6) + number

    def battery(self, inverter: int) -> str:
        """Serial number of a battery: twelve letters and digits."""
        return f"T16H{key(self.seed, 'battery', inverter) % 10**8:08d}"

    def secret(self, inverter: int) -> bytes:
        """The key of an inverter: 16 bytes."""
        of = [key(self.seed, "secret", inverter, half) for half in (0, 1)]
        return b"".join(half.to_bytes(8, "little") for half in of)
