"""Simulated SolarEdge inverters by name, for the commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from functools import cached_property
from typing import Any

from rct_collector.drivers.solaredge.simulator import (
    SCENARIOS,
    Outbox,
    SolarEdgeBus,
    SolarEdgeCaller,
    SolarEdgeScenario,
    SolarEdgeUnit,
    SolarEdgeWitness,
    SolarEdgeWorld,
    UnitFaults,
)
from rct_collector.drivers.solaredge.simulator.scenario import MOST_INVERTERS, MOST_OPTIMIZERS
from rct_collector.drivers.tools import Simulator, UnitChoice, fault_list

#: How inverters are reached; the first is the usual one.
WAYS = ("home", "rs485", "passive", "pcap")

#: Hours of a capture file, and most of them.
_CAPTURED_H, _MOST_H = 24, 24 * 31

#: Seconds between two records of each device where somebody watches.
_HURRIED_S = 10.0


class SolarEdgeSimulator(Simulator):
    """Makes simulated units; see :class:`rct_collector.drivers.tools.Simulator`."""

    title = "Simulate SolarEdge inverters with optimizers."
    text = (
        "Simulate SolarEdge inverters that call home: they connect to a collector that listens,"
        " post what their optimizers and they themselves measure, and repeat it until it is"
        " acknowledged.\n\n"
        "Their clocks go as that of this host, whatever the speed: only the sun is faster."
    )
    examples = (
        "",
        "--inverters 1 --optimizers 40 --sun 12",
        "--to tcp://192.0.2.5:22222 --encrypt",
        "--faults lost-ack,reset --speed 60",
        "--way rs485 --transport pty --path /tmp/bus",
        "--way pcap --hours 2 --path calls.pcap",
    )
    choices = (
        UnitChoice(
            "way",
            WAYS,
            "home: they call (the usual way), see --to. rs485: they are on a bus at --host and"
            " --port, or another --transport, and a master lets them speak. passive: somebody else"
            " is master of the bus. pcap: they have called, which is written into the file --path.",
        ),
        UnitChoice(
            "hours",
            range(1, _MOST_H + 1),
            f"Hours up to now that are in that file (default: {_CAPTURED_H}).",
        ),
        UnitChoice("inverters", range(1, MOST_INVERTERS + 1), "Inverters, each with a connection."),
        UnitChoice("optimizers", range(1, MOST_OPTIMIZERS + 1), "Optimizers at each of them."),
        UnitChoice("encrypt", (), "They encrypt what they say; their keys are shown."),
    )

    @cached_property
    def scenarios(self) -> dict[str, str]:
        """Name → what the installation has."""
        return {name: scenario.description for name, scenario in SCENARIOS.items()}

    @cached_property
    def profiles(self) -> dict[str, str]:
        """Name → what goes wrong."""
        from rct_collector.drivers.solaredge.simulator.profiles import PROFILES

        return {name: profile.description for name, profile in PROFILES.items()}

    def calls(self, **chosen: Any) -> bool:
        """They do, unless they are on a bus."""
        return chosen.get("way") in (None, "home", "pcap")

    def captured(self, **chosen: Any) -> float:
        """A day, unless it is said how long."""
        return float(chosen.get("hours") or _CAPTURED_H) if chosen.get("way") == "pcap" else 0.0

    def lines(self, scenario: str, **chosen: Any) -> int:
        """One for each inverter that calls; one bus for all."""
        return self._inverters(scenario, **chosen) if self.calls(**chosen) else 1

    @staticmethod
    def _inverters(scenario: str, **chosen: Any) -> int:
        return chosen.get("inverters") or SCENARIOS[scenario].inverters

    def hints(self, scenario: str, *, seed: int, **chosen: Any) -> Sequence[str]:
        """The option ``keys`` of a collector, where they encrypt; ``units`` of a bus."""
        world = SolarEdgeWorld(SCENARIOS[scenario], seed=seed, start=0.0)
        lines = range(self._inverters(scenario, **chosen))
        said: list[str] = []
        if chosen.get("way") == "rs485":
            units = ",".join(f"{world.inverter(n):08X}" for n in lines)
            said.append(f"the address ends with: ?mode=master&units={units}")
        if chosen.get("way") == "passive":
            said.append("the address ends with: ?mode=passive")
        if chosen.get("encrypt"):
            keys = (f"  {world.inverter(n):08X}: {world.secret(n).hex()}" for n in lines)
            said += ["keys:", *keys]
        return said

    def unit(
        self,
        scenario: SolarEdgeScenario | str,
        *,
        start: float,
        now0: float | None,
        seed: int,
        speed: float,
        sun: float | None,
        zone: tzinfo | None,
        faults: Sequence[UnitFaults | str],
        inverters: int | None = None,
        optimizers: int | None = None,
        encrypt: bool | None = None,
        way: str | None = None,
        hours: int | None = None,  # noqa: ARG002 - that of a capture file, see above
        line: int = 0,
        hurried: bool = False,
        witness: SolarEdgeWitness | None = None,
        **more: Any,
    ) -> SolarEdgeCaller | SolarEdgeBus:
        """Make one inverter with its optimizers, or a bus with all of them.

        Args:
            scenario: One of :data:`.SCENARIOS`, or its name.
            start: Unix seconds at which it is put into operation.
            now0: When that is on the line's clock; None for the first time it is told.
            seed: All that looks like chance follows from it.
            speed: How many times faster than real the sun moves; clocks do not.
            sun: Hour of day at which the sun stands at the start; None for the local time.
            zone: Time zone of the sun; None for that of this host.
            faults: What goes wrong, and names of profiles.
            inverters: How many there are, if not as many as the scenario says.
            optimizers: How many at each, if not as many as the scenario says.
            encrypt: Whether it encrypts.
            way: One of :data:`WAYS`; None for the usual one.
            hours: See :meth:`captured`.
            line: Which of them it is, from 0 on.
            hurried: Each device makes a record every few seconds: somebody watches.
            witness: Is told of every record.
            more: ``latency`` of the line, in seconds from and to.

        Raises:
            KeyError: No scenario, or no profile, has that name.
            ValueError: There cannot be so many.
        """
        from rct_collector.drivers.solaredge.simulator import profiles

        if isinstance(scenario, str):
            scenario = SCENARIOS[scenario]
        chosen = scenario.changed(inverters, optimizers, _HURRIED_S if hurried else None)
        world = SolarEdgeWorld(chosen, seed=seed, start=start, zone=zone, sun=sun, speed=speed)

        calls = self.calls(way=way)
        numbers = (line,) if calls else range(chosen.inverters)
        units = [
            Outbox(
                SolarEdgeUnit(world, number),
                seed=seed,
                start=start,
                now0=now0,
                faults=fault_list(faults, seed, profiles.faults),
                witness=witness,
            )
            for number in numbers
        ]
        secrets = {world.inverter(n): world.secret(n) for n in numbers} if encrypt else {}
        if calls:
            (unit,) = units
            return SolarEdgeCaller(unit, seed=seed, secret=secrets.get(unit.id), **more)
        return SolarEdgeBus(units, foreign=way == "passive", secrets=secrets)


SIMULATOR = SolarEdgeSimulator()
