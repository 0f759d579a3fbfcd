"""One simulated inverter with its optimizers: it lives, and makes a record of everything in turn.

Each device has its own second of the interval. Records are made in the order of their times, each
once; what becomes of them then is not its business.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heapreplace
from typing import NamedTuple

from rct_collector.drivers.chance import between, fraction, key, wave
from rct_collector.drivers.solaredge.simulator import bodies
from rct_collector.drivers.solaredge.simulator.bodies import BOARD, Telemetry
from rct_collector.drivers.solaredge.simulator.day import (
    AWAKE,
    SUNRISE,
    household,
    panel,
    sky,
    watts,
)
from rct_collector.drivers.solaredge.simulator.world import SolarEdgeWorld

_SLEEPING, _PRODUCING = 2, 4
_EFFICIENCY = 0.97
_STRING_VOLTS = 380.0
_MOST_OUTPUT_VOLTS = 60.0
_PANEL_VOLTS = 32.5
_CAPACITY_WH, _NOMINAL_WH, _MOST_WATTS = 6200.0, 6400.0, 3300.0
#: Words of an event at the begin and the end of a day that nobody has explained.
_DAY_BEGINS, _DAY_ENDS = 0x0028_200F, 0x0068_200F

#: Hours of steps in which the energy of a day that has begun before is summed up.
_COARSE_H = 0.25


class _Turn(NamedTuple):
    """What makes its next record when: 0 for the inverter, from 1 on the optimizers."""

    at: float
    number: int


class SolarEdgeUnit:
    """One inverter.

    Attributes:
        world: Where it is.
        number: Which of the inverters it is, from 0 on.
        id: The number that it has itself.
        name: The same in eight hex digits.
        clock: Seconds by which its clock is fast.
    """

    def __init__(self, world: SolarEdgeWorld, number: int = 0) -> None:
        """Begin one interval before the world, so that there is something to tell at once.

        Args:
            world: Where it is.
            number: Which of the inverters, from 0 on.
        """
        scenario = world.scenario
        self.world, self.number, self._seed = world, number, world.seed
        self.id = world.inverter(number)
        self.name = f"{self.id:08X}"
        self.clock = 0.0
        self._optimizers = [world.optimizer(number, n) for n in range(scenario.optimizers)]
        self._interval = scenario.interval
        begin = world.start - self._interval
        own = key(world.seed, "turn", number)
        self._turns = [
            _Turn(begin + self._interval * fraction(own, n), n)
            for n in range(scenario.optimizers + 1)
        ]
        self._last = self._turns[0].at - self._interval
        heapify(self._turns)
        self._woke_at, self._awake = begin, self._is_awake(begin)
        self._energies = [self._until_now(n, begin) for n in range(scenario.optimizers)]
        self._powers = [self.watts(n, begin) for n in range(scenario.optimizers)]
        self._summed_at = [begin] * scenario.optimizers
        self._energy = sum(self._energies) * _EFFICIENCY
        self._watts = sum(self._powers)  # of all panels, when the inverter looked last
        self._total = 1.2e7 + 4e6 * fraction(own, 1 << 20)
        self._charge = between(0.3, 0.7, own, 1 << 21) * _CAPACITY_WH
        self._flows = {"in": 1.1e6, "out": 1.0e6, "to": 3.2e6, "from": 2.1e6}

    @property
    def next_due(self) -> float:
        """Unix time of the next record."""
        return self._turns[0].at

    def until(self, unix: float) -> Iterator[Telemetry]:
        """Live on, and give the records up to a time, by the true clock."""
        while (turn := self._turns[0]).at <= unix:
            heapreplace(self._turns, turn._replace(at=turn.at + self._interval))
            if turn.number:
                yield from self._optimizer(turn.number - 1, turn.at)
            else:
                yield from self._inverter(turn.at)

    def _stamp(self, at: float) -> int:
        """A time by its own clock."""
        return int(at + self.clock) & 0xFFFF_FFFF

    def _is_awake(self, at: float) -> bool:
        return AWAKE[0] <= self.world.sun(at)[1] < AWAKE[1]

    def _noise(self, name: str, at: float, period: float) -> float:
        return wave(key(self._seed, name, self.number), at / period)

    # -- panels --------------------------------------------------------------------------------

    def watts(self, number: int, at: float) -> float:
        """Power of one panel at a time."""
        day, hour = self.world.sun(at)
        if not AWAKE[0] <= hour < AWAKE[1]:
            return 0.0
        return watts(panel(self._seed, self.number, number), sky(self._seed, day, hour), hour)

    def _until_now(self, number: int, at: float) -> float:
        """Watt-hours of a panel from sunrise to a time."""
        day, hour = self.world.sun(at)
        lies, energy, then = panel(self._seed, self.number, number), 0.0, SUNRISE
        while then < min(hour, AWAKE[1]):
            step = min(_COARSE_H, hour - then)
            energy += watts(lies, sky(self._seed, day, then + step / 2), then + step / 2) * step
            then += step
        return energy

    def _optimizer(self, number: int, at: float) -> Iterator[Telemetry]:
        """Its record, while there is light."""
        before, self._summed_at[number] = self._summed_at[number], at
        power = self.watts(number, at)
        mean, self._powers[number] = (self._powers[number] + power) / 2.0, power
        if not power:
            self._energies[number] = 0.0
            return
        self._energies[number] += mean * (at - before) / 3600.0
        volts = _PANEL_VOLTS + 2.0 * wave(self._optimizers[number], at / 900.0)
        values = {
            "uptime": max(at - self._woke_at, 0.0),
            "input_voltage": volts,
            "output_voltage": min(
                _STRING_VOLTS * power / (self._watts or power), _MOST_OUTPUT_VOLTS
            ),
            "input_current": power / volts,
            "energy_day": self._energies[number],
            "temperature": 14.0 + power / 9.0,
        }
        yield self._made(number, self._stamp(at), values)

    def _made(self, number: int, time: int, values: dict[str, float]) -> Telemetry:
        """The record in the words of its generation."""
        scenario, device, board = self.world.scenario, self._optimizers[number], self.id | BOARD
        if number < scenario.older:
            whole = {**values, "uptime": int(values["uptime"])}
            return bodies.optimizer(device, board, time, whole)
        if number < scenario.older + scenario.newer:
            return bodies.newer(device, board, time, values)
        return bodies.packed(device, time, values)

    # -- the inverter --------------------------------------------------------------------------

    def _inverter(self, at: float) -> Iterator[Telemetry]:
        """Its record, what is connected to it, and what happened."""
        awake = self._is_awake(at)
        if awake is not self._awake:
            self._awake, self._woke_at = awake, at
            self._energy = 0.0 if awake else self._energy
            yield self._day_event(at)
        self._watts = sum(self.watts(n, at) for n in range(len(self._optimizers)))
        power = self._watts * _EFFICIENCY
        seconds, self._last = at - self._last, at
        energy = power * seconds / 3600.0
        self._energy += energy
        self._total += energy
        time, values = self._stamp(at), self._values(at, power, energy, int(seconds))
        if self.world.scenario.phases == 1:
            yield bodies.inverter(self.id | BOARD, time, values)
        else:
            yield bodies.inverter_3(self.id | BOARD, time, _on_phases(values))
        if self.world.scenario.battery and self.number == 0:
            yield from self._house(at, time, power, int(seconds))

    def _day_event(self, at: float) -> Telemetry:
        time = self._stamp(at)
        last = _DAY_BEGINS if self._awake else _DAY_ENDS
        return bodies.event(self.id, time, 0, time, time + self.world.zone_s, 1, 0, last)

    def _values(self, at: float, power: float, energy: float, seconds: int) -> dict[str, float]:
        volts = 231.0 + 3.0 * self._noise("grid", at, 1200.0)
        reactive = -74.0 if power else 0.0
        apparent = (power**2 + reactive**2) ** 0.5
        return {
            "uptime": int(max(at - self._woke_at, 0.0)),
            "interval": seconds,
            "temperature": 22.0 + power / 250.0,
            "energy_day": self._energy,
            "energy_interval": energy,
            "ac_voltage": volts,
            "ac_current": apparent / volts,
            "frequency": 50.0 + 0.02 * self._noise("frequency", at, 60.0),
            "dc_voltage": _STRING_VOLTS if self._awake else 0.0,
            "residual_current": 0.011 + 0.001 * self._noise("residual", at, 600.0),
            "power_factor": power / apparent if apparent else 1.0,
            "mode": _PRODUCING if self._awake else _SLEEPING,
            "insulation": 6000.0,
            "power_limit": 100.0,
            "dc_component": 0.002,
            "power": power,
            "apparent_power": apparent,
            "reactive_power": reactive,
            "energy_total": self._total,
        }

    # -- the house -----------------------------------------------------------------------------

    def _house(self, at: float, time: int, power: float, seconds: int) -> Iterator[Telemetry]:
        """Battery and meters."""
        load = household(self._seed, *self.world.sun(at))
        hours = seconds / 3600.0
        into = min(max(power - load, -_MOST_WATTS), _MOST_WATTS)
        into = min(max(into, -self._charge / hours), (_CAPACITY_WH - self._charge) / hours)
        self._charge += into * hours
        grid = load + into - power  # what is drawn from it
        charged, discharged = round(max(into, 0.0) * hours), round(max(-into, 0.0) * hours)
        drawn, fed = round(max(grid, 0.0) * hours), round(max(-grid, 0.0) * hours)
        for name, energy in (("in", charged), ("out", discharged), ("to", fed), ("from", drawn)):
            self._flows[name] += energy
        state = bodies.HOLDING
        if abs(into) > 1.0:
            state = bodies.CHARGING if into > 0 else bodies.DISCHARGING
        values = {
            "voltage": 390.0,
            "current": into / 390.0,
            "capacity_nominal": _NOMINAL_WH,
            "capacity": _CAPACITY_WH,
            "charge": self._charge,
            "temperature": 21.0 + 2.0 * self._noise("battery", at, 7200.0),
            "total_in": int(self._flows["in"]),
            "total_out": int(self._flows["out"]),
            "interval": seconds,
            "energy_in": charged,
            "energy_out": discharged,
        }
        yield bodies.battery(self.id, time, self.world.battery(self.number), state, values)
        pv, used = round(power * hours), round(load * hours)
        for what, out, back in (
            (bodies.PRODUCTION, (pv, power), (0, None)),
            (bodies.CONSUMPTION, (0, None), (used, load)),
        ):
            yield bodies.meter(self.id, time, what, interval=seconds, out=out, into=back)
        totals = int(self._flows["to"]), int(self._flows["from"])
        fed_in, drawn_out = (fed, max(-grid, 0.0)), (drawn, max(grid, 0.0))
        yield bodies.meter(
            self.id, time, bodies.GRID, interval=seconds, out=fed_in, into=drawn_out, totals=totals
        )


def _on_phases(values: dict[str, float]) -> dict[str, float]:
    """What an inverter of three phases says: some of it of each."""
    shared = ("ac_current", "power", "apparent_power", "reactive_power")
    alike = ("ac_voltage", "frequency", "power_factor", "dc_component")
    return {
        **{name: v for name, v in values.items() if name not in (*shared, *alike)},
        **{f"{name}_{n}": values[name] / 3.0 for name in shared for n in (1, 2, 3)},
        **{f"{name}_{n}": values[name] for name in alike for n in (1, 2, 3)},
    }
