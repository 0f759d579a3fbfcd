"""One battery tower: modules of 24 cells, and the bytes in which they are reported.

Sources: the layouts of rctclient's decoders; recorded answers for the order of the bytes in
them (voltages little endian, resistances big endian). The cells are lithium iron phosphate,
with the flat curve that is known of them.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NamedTuple

from rct_collector.drivers.chance import between, fraction, key
from rct_collector.drivers.rct.simulator.clock import DAY
from rct_collector.drivers.rct.simulator.day import FIRST_HOUR, Energies, Flows
from rct_collector.drivers.rct.simulator.world import World

CELLS = 24
CELL_AMPERE_HOURS = 25.0
_CELL_OHMS = 0.0013
#: Temperature, voltage and status of each cell of a module.
_STATUS = struct.Struct("<" + "BHB" * CELLS)

#: State of charge → volts of a cell at rest.
_SOCS = (0.0, 0.05, 0.10, 0.20, 0.40, 0.70, 0.90, 0.97, 1.0)
_VOLTS = (2.95, 3.10, 3.19, 3.245, 3.285, 3.315, 3.335, 3.375, 3.45)

# Bits of the status words, as openWB's author has them from the vendor.
READY, CALIBRATION_HIGH, FULL, EMPTY = 1 << 2, 1 << 3, 1 << 8, 1 << 9
CALIBRATION_LOW, BALANCING = 1 << 10, 1 << 11


class Cell(NamedTuple):
    """One cell: millivolts, whole degrees Celsius, and 1 while it is being balanced."""

    millivolts: int
    celsius: int
    status: int


class Extreme(NamedTuple):
    """The lowest or highest value that a cell of a module ever had.

    Attributes:
        cell: Number of the cell.
        wall: The unit's clock then.
        value: Volts, or °C.
    """

    cell: int
    wall: int
    value: float


class Tower:
    """One tower at one moment.

    Attributes:
        modules: Number of modules.
        soc: State of charge, 0 … 1.
        watts: Power; positive discharges.
    """

    def __init__(
        self,
        world: World,
        unix: float,
        index: int,
        *,
        flows: Flows,
        energies: Callable[[], Energies],
        warm: Callable[[], float],
    ) -> None:
        """Look at one tower.

        Args:
            world: What the unit is made of.
            unix: Unix time.
            index: 0 or 1.
            flows: Powers of that moment.
            energies: Gives the energies until then, which few are asked about.
            warm: Gives the temperature of the cells, in °C, less what distinguishes them.
        """
        self.modules = world.scenario.towers[index]
        self.share = self.modules / sum(world.scenario.towers)
        # Two towers never agree; units are reported to differ most when nearly empty.
        self.soc = flows.soc + 0.05 * index * (world.scenario.sizes.SOC_MAXIMUM - flows.soc)
        self.watts = flows.battery * self.share
        self._world, self._unix, self._index = world, unix, index
        self._energies, self._warm = energies, warm
        self._key = key(world.seed, "tower", index)

    @cached_property
    def _millivolts(self) -> list[int]:
        """Voltage of all cells, module by module."""
        return [volts for module in range(self.modules) for volts in self._millivolts_of(module)]

    def _millivolts_of(self, module: int) -> list[int]:
        level, spread = self._level
        return [round(level + spread * of) for of in _characters(self._key, module).charges]

    @cached_property
    def _level(self) -> tuple[float, float]:
        """Voltage of a usual cell, and by how much the others differ, in millivolts."""
        rest = _volts_at_rest(self.soc)
        amperes = self.watts / (rest * CELLS * self.modules)
        # What distinguishes cells shows most where the curve is steep.
        steep = 1.0 + 4.0 * max(0.0, 0.15 - self.soc) / 0.15 + 3.0 * max(0.0, self.soc - 0.9) / 0.1
        return 1000.0 * (rest - amperes * _CELL_OHMS), 4.0 * steep

    @cached_property
    def _celsius(self) -> list[int]:
        """Temperature of all cells, module by module."""
        return [warm for module in range(self.modules) for warm in self._celsius_of(module)]

    def _celsius_of(self, module: int) -> list[int]:
        usual = self._usual_celsius
        return [round(usual + warmth) for warmth in _characters(self._key, module).warmths]

    @cached_property
    def _usual_celsius(self) -> float:
        return self._warm()

    def cells(self, module: int) -> tuple[Cell, ...]:
        """The cells of a module."""
        charges = _characters(self._key, module).charges
        balanced = max(charges) if self.balancing else 2.0
        parts = zip(self._millivolts_of(module), self._celsius_of(module), charges, strict=True)
        return tuple(Cell(volts, warm, int(charge >= balanced)) for volts, warm, charge in parts)

    @cached_property
    def volts(self) -> float:
        """All cells in series."""
        return sum(self._millivolts) / 1000.0

    @property
    def amperes(self) -> float:
        """Current; positive discharges, as the power does. The sign is uncertain."""
        return self.watts / self.volts

    @cached_property
    def cell_volts(self) -> tuple[float, float]:
        """Lowest and highest voltage of a cell."""
        return min(self._millivolts) / 1000.0, max(self._millivolts) / 1000.0

    @cached_property
    def cell_celsius(self) -> tuple[float, float]:
        """Lowest and highest temperature of a cell."""
        return float(min(self._celsius)), float(max(self._celsius))

    @property
    def celsius(self) -> float:
        """Mean temperature of the cells."""
        return sum(self._celsius) / len(self._celsius)

    @cached_property
    def balancing(self) -> bool:
        """Nearly full, cells are balanced for half an hour now and then."""
        return self.soc > 0.9 and self._world.noise("balancing", self._unix, 2400.0) > 0.1

    @property
    def status(self) -> int:
        """Calibration, balancing, full and empty as bits; 0 for nothing to tell."""
        sizes = self._world.scenario.sizes
        word = BALANCING if self.balancing else 0
        word |= FULL if self.soc > sizes.SOC_MAXIMUM - 0.005 else 0
        word |= EMPTY if self.soc < sizes.SOC_MINIMUM + 0.005 else 0
        if self._world.calibrates(self._unix):
            hour = self._world.clock.sun(self._unix) % DAY / 3600.0
            word |= CALIBRATION_HIGH if 13.0 <= hour < 14.5 else 0
            word |= CALIBRATION_LOW if 21.0 <= hour < 23.0 else 0
        return word

    @property
    def soc_age(self) -> float:
        """Seconds since the battery was last known to be full. The true unit is unknown."""
        return (self._world.clock.sun(self._unix) - FIRST_HOUR * 3600.0) % DAY

    @property
    def health(self) -> float:
        """State of health, 0 … 1."""
        return between(0.955, 0.995, self._key, 1000)

    @property
    def ampere_hours_in(self) -> float:
        """Charge that has flowed in; modules are in series, so each has seen all of it."""
        return self._energies().ampere_hours_in

    @property
    def ampere_hours_out(self) -> float:
        """Charge that has flowed out."""
        return self._energies().ampere_hours_out

    @property
    def cycles(self) -> int:
        """Full cycles."""
        return int(self.ampere_hours_out / CELL_AMPERE_HOURS)

    # -- as bytes -----------------------------------------------------------------------------

    def status_bytes(self, module: int) -> bytes:
        """Temperature, millivolts (little endian) and status of each cell."""
        values = [
            value
            for cell in self.cells(module)
            for value in (max(cell.celsius, 0), cell.millivolts, cell.status)
        ]
        return _STATUS.pack(*values)

    def resistance_bytes(self, module: int) -> bytes:
        """Resistance of each cell: 1/256 mΩ (big endian), and two zeros."""
        return _resistances(self._key, module)

    def statistics_bytes(self, module: int) -> bytes:
        """Lowest and highest voltage, lowest and highest temperature ever (little endian)."""
        ranges = ((2.84, 2.94), (3.52, 3.62), (7.0, 11.0), (38.0, 44.0))
        return b"".join(
            struct.pack("<IIf", *self._extreme(module, number, *limits))
            for number, limits in enumerate(ranges)
        )

    def _extreme(self, module: int, number: int, low: float, high: float) -> Extreme:
        of = key(self._key, "extreme", module, number)
        when = between(self._world.born, self._world.updated, of, 1)
        return Extreme(
            cell=int(CELLS * fraction(of, 0)),
            wall=self._world.clock.wall(when),
            value=round(between(low, high, of, 2), 3 if number < 2 else 0),
        )


class _Characters(NamedTuple):
    """What distinguishes the cells of a module for ever.

    Attributes:
        charges: -1 … 1.
        warmths: In °C.
        ohms: Resistance, of what is usual.
    """

    charges: tuple[float, ...]
    warmths: tuple[float, ...]
    ohms: tuple[float, ...]


@lru_cache(maxsize=256)
def _characters(of: int, module: int) -> _Characters:
    """The cells of a module of the tower with that key; kept, since they never change."""

    def drawn(name: str, low: float, high: float) -> tuple[float, ...]:
        mine = key(of, name, module)
        return tuple(between(low, high, mine, cell) for cell in range(CELLS))

    return _Characters(
        drawn("charge", -1.0, 1.0), drawn("warmth", 0.0, 2.4), drawn("ohms", 0.8, 1.25)
    )


@lru_cache(maxsize=256)
def _resistances(of: int, module: int) -> bytes:
    """What the cells of a module are reported with; kept, since they never change."""
    return b"".join(
        struct.pack(">HH", round(256e3 * _CELL_OHMS * ohms), 0)
        for ohms in _characters(of, module).ohms
    )


def _volts_at_rest(soc: float) -> float:
    upper = min(max(bisect_right(_SOCS, soc), 1), len(_SOCS) - 1)
    low, high = _SOCS[upper - 1], _SOCS[upper]
    first, last = _VOLTS[upper - 1], _VOLTS[upper]
    return first + (last - first) * (soc - low) / (high - low)
