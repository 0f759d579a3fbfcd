"""One moment of a simulated unit: what can be measured on it, each worked out when asked for.

Everything follows from the powers and energies of the day, so that all values of one moment fit
together: phases add up to sums, apparent power is made of active and reactive power, currents
follow from voltages, and what is hot has worked.
"""

from __future__ import annotations

import struct
from functools import cached_property
from math import cos, hypot, pi, sqrt

from rct_collector.drivers.rct.simulator.battery import Tower
from rct_collector.drivers.rct.simulator.clock import DAY, date_of, wall_of
from rct_collector.drivers.rct.simulator.day import Energies, Flows
from rct_collector.drivers.rct.simulator.incidents import (
    INSULATION,
    OVER_FREQUENCY,
    OVER_VOLTAGE,
    UNDER_VOLTAGE,
    Incident,
)
from rct_collector.drivers.rct.simulator.world import World

#: A little uneven, as three bridges are.
_PHASE_SHARES = (0.332, 0.334, 0.334)
#: How far back heat reaches, in seconds.
_WARM = 1200.0
#: How long the unit takes to get to work, or to rest, in seconds.
_CHANGE = 150.0

FEEDING_IN, ISLAND_CHECK, POWER_CHECK, SYMMETRY = 13, 5, 6, 7


class Moment:
    """The unit at one moment.

    Attributes:
        world: What the unit is made of.
        unix: Unix time.
    """

    def __init__(self, world: World, unix: float) -> None:
        """Look at the unit at one Unix time."""
        self.world = world
        self.unix = unix

    # -- powers and energies ------------------------------------------------------------------

    @cached_property
    def flows(self) -> Flows:
        """Powers, in watts."""
        return self.world.flows(self.unix)

    @cached_property
    def energies(self) -> Energies:
        """Energies since commissioning, in watt-hours."""
        return self.world.energies(self.unix)

    @cached_property
    def wall(self) -> int:
        """The unit's clock."""
        return self.world.clock.wall(self.unix)

    @cached_property
    def today(self) -> Energies:
        """Energies since midnight."""
        return self._since(self.wall - self.wall % DAY)

    @cached_property
    def this_month(self) -> Energies:
        """Energies since the month began."""
        date = date_of(self.wall)
        return self._since(wall_of(date.year, date.month))

    @cached_property
    def this_year(self) -> Energies:
        """Energies since the year began."""
        return self._since(wall_of(date_of(self.wall).year))

    def _since(self, wall: int) -> Energies:
        return self.energies.since(self.world.begun(wall))

    @cached_property
    def recent(self) -> Energies:
        """Mean powers of the last minutes, in watts."""
        energies = self.energies.since(self.world.energies(self.unix - _WARM))
        return Energies(*(value * 3600.0 / _WARM for value in energies))

    @cached_property
    def generators(self) -> tuple[float, float]:
        """Powers of generators A and B."""
        return self.flows.pv_a, self.flows.pv_b

    @cached_property
    def loads(self) -> tuple[float, float, float]:
        """Power of the household on each phase."""
        return self.flows.load_1, self.flows.load_2, self.flows.load_3

    # -- the inverter -------------------------------------------------------------------------

    @cached_property
    def working(self) -> bool:
        """The inverter feeds its AC side."""
        return self.flows.output > 0.0

    @cached_property
    def state(self) -> int:
        """State machine: 13 while working, 6 while resting, 7 and 5 on the way."""
        before = self.world.flows(self.unix - _CHANGE).output > 0.0
        if self.working:
            return FEEDING_IN if before else SYMMETRY
        return ISLAND_CHECK if before else POWER_CHECK

    @cached_property
    def outputs(self) -> tuple[float, ...]:
        """Active power of the inverter on each phase."""
        return tuple(share * self.flows.output for share in _PHASE_SHARES)

    @cached_property
    def reactive(self) -> tuple[float, ...]:
        """Reactive power of the inverter on each phase: its filter, and a little control."""
        if not self.working:
            return (0.0, 0.0, 0.0)
        return tuple(
            -38.0 + 6.0 * self.world.noise(f"reactive {phase}", self.unix, 40.0)
            for phase in range(3)
        )

    @cached_property
    def apparent(self) -> tuple[float, ...]:
        """Apparent power of the inverter on each phase."""
        return tuple(hypot(p, q) for p, q in zip(self.outputs, self.reactive, strict=True))

    @property
    def power_factor(self) -> float:
        """Active by apparent power; 1 while resting."""
        return self.flows.output / sum(self.apparent) if self.working else 1.0

    def current(self, phase: int) -> float:
        """Current of the inverter on a phase."""
        return self.apparent[phase] / self.volts[phase]

    # -- the grid -----------------------------------------------------------------------------

    @cached_property
    def incident(self) -> Incident | None:
        """What is wrong, if anything."""
        return self.world.incidents.at(self.unix)

    def _tripped(self, bit: int) -> float | None:
        """What a fault of that kind has measured, while it lasts."""
        if self.incident is None or self.incident.bit != bit:
            return None
        (value,) = struct.unpack(">f", self.incident.raw.to_bytes(4, "big"))
        return float(value)

    @cached_property
    def volts(self) -> tuple[float, ...]:
        """Voltage on each phase: slow drift, quick flicker, and what feeding in adds."""
        values = [
            230.6
            + 2.6 * self.world.noise(f"grid {phase}", self.unix, 900.0)
            + 0.5 * self.world.noise(f"flicker {phase}", self.unix, 12.0)
            + 0.25 * (self.outputs[phase] - self.loads[phase]) / 230.0
            for phase in range(3)
        ]
        tripped = self._tripped(UNDER_VOLTAGE) or self._tripped(OVER_VOLTAGE)
        return (tripped or values[0], values[1], values[2])

    def phase_to_phase(self, pair: int) -> float:
        """Voltage between a phase and the next one, which lies 120° behind."""
        one, other = self.volts[pair], self.volts[(pair + 1) % 3]
        return sqrt(one * one + other * other + one * other)

    @cached_property
    def hertz(self) -> float:
        """Frequency of the grid."""
        normal = 50.0 + 0.022 * self.world.noise("frequency", self.unix, 25.0)
        return self._tripped(OVER_FREQUENCY) or normal

    # -- the DC side --------------------------------------------------------------------------

    def generator_volts(self, index: int) -> float:
        """Voltage of a generator: near its best point by day, next to nothing by night."""
        peaks = self.world.scenario.sizes.peaks
        light = self.generators[index] / peaks[index]
        if light <= 0.005:
            return 2.5 + 1.5 * self.world.noise(f"dark {index}", self.unix, 300.0)
        best = self.world.fixed("string", 380.0, 560.0, index)
        return best * (0.97 + 0.06 * sqrt(sqrt(light)) - 0.07 * light) + self.search(index)

    def search(self, index: int) -> float:
        """Volts by which the search for the best point is off at present."""
        return 1.8 * self.world.noise(f"search {index}", self.unix, 8.0)

    @cached_property
    def dc_link(self) -> tuple[float, float]:
        """Voltages of the positive and the negative half of the DC link."""
        if not self.working:
            return 8.0, 8.0
        sway = self.world.noise("link", self.unix, 5.0)
        return 382.0 + 2.0 * sway, 381.3 + 1.9 * sway

    @cached_property
    def insulation(self) -> tuple[float, float, float]:
        """Resistance to earth in ohms: in all, positive input, negative input; dew lowers it."""
        hour = self.world.clock.sun(self.unix) % DAY / 3600.0
        dew = max(0.0, cos((hour - 6.0) / 24.0 * 2.0 * pi))
        total = self.world.fixed("insulation", 1.6e6, 2.4e6) * (1.0 - 0.45 * dew)
        total = self._tripped(INSULATION) or total
        positive = 1.9 * total
        return total, positive, 1.0 / (1.0 / total - 1.0 / positive)

    # -- warmth -------------------------------------------------------------------------------

    @cached_property
    def air(self) -> float:
        """Temperature where the inverter hangs, in °C: warmest in the afternoon."""
        hour = self.world.clock.sun(self.unix) % DAY / 3600.0
        return 21.0 - 4.5 * cos((hour - 4.0) / 24.0 * 2.0 * pi)

    @property
    def heat_sink(self) -> float:
        """Temperature of the inverter's heat sink, in °C."""
        return self.air + 28.0 * self.recent.output / self.world.scenario.sizes.rated_watts

    @property
    def battery_heat_sink(self) -> float:
        """Temperature of the battery converter's heat sink, in °C."""
        through = self.recent.charge + self.recent.discharge
        return self.air + 2.0 + 24.0 * through / self.world.scenario.sizes.battery_watts

    @property
    def core(self) -> float:
        """Temperature of the processor, in °C."""
        return self.air + 14.0 + 0.4 * (self.heat_sink - self.air)

    # -- the battery --------------------------------------------------------------------------

    @cached_property
    def towers(self) -> tuple[Tower, ...]:
        """The battery towers."""
        return tuple(
            Tower(
                self.world,
                self.unix,
                index,
                flows=self.flows,
                energies=lambda: self.energies,
                warm=self._warm_battery,
            )
            for index in range(len(self.world.scenario.towers))
        )

    def _warm_battery(self) -> float:
        """Temperature of the batteries, in °C: they are warm after work."""
        through = self.recent.charge + self.recent.discharge
        return self.air - 1.0 + 9.0 * through / self.world.scenario.sizes.battery_watts
