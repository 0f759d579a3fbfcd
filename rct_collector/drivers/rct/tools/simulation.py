"""Simulated RCT units by name, for the commands; and what usual installations have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rct_collector.drivers.rct.conditions import CONDITIONS
from rct_collector.drivers.rct.simulator import SCENARIOS, Bridge, Faults, RctUnit, Scenario
from rct_collector.drivers.tools import Simulator, fault_list

if TYPE_CHECKING:
    from rct_collector.drivers.rct.simulator.logbook import LoggerMemory

#: The fullest system with one battery tower, what the default classes are made for.
SINGLE_TOWER = Scenario(
    name="single-tower", description="One full tower and all extras.", towers=(7,)
)


class RctSimulator(Simulator):
    """Makes simulated units; see :class:`rct_collector.drivers.tools.Simulator`."""

    title = "Simulate an RCT Power inverter."
    text = (
        "Simulate an RCT Power inverter with sun, battery, household and logger.\n\n"
        "It answers reads and queries of its logger as a real unit does, at the speed of a real"
        " serial line, and every client sees the answers to all."
    )
    examples = (
        "",
        "--scenario everything --sun 12 --speed 60",
        "--port 0 --seed 7",
        "--faults app,night --sun 21 --speed 600",
    )

    @cached_property
    def scenarios(self) -> dict[str, str]:
        """Name → what the installation has."""
        return {name: scenario.description for name, scenario in SCENARIOS.items()}

    @cached_property
    def profiles(self) -> dict[str, str]:
        """Name → what goes wrong."""
        from rct_collector.drivers.rct.simulator.profiles import PROFILES

        return {name: profile.description for name, profile in PROFILES.items()}

    def unit(
        self,
        scenario: Scenario | str,
        *,
        start: float,
        now0: float | None,
        seed: int,
        speed: float,
        sun: float | None,
        zone: tzinfo | None,
        faults: Sequence[Faults | str],
        serial: str | None = None,
        firmware: str | None = None,
        memory: LoggerMemory | None = None,
        **line: Any,  # noqa: ANN401 - the bridge's own options
    ) -> Bridge:
        """Make one, behind its bridge.

        Args:
            scenario: One of :data:`.SCENARIOS`, or its name.
            start: Unix seconds in the unit's world when it is put into operation.
            now0: When that is on the bridge's clock; None for the first time it is told.
            seed: All that looks like chance follows from it.
            speed: How many times faster than real the unit's world goes.
            sun: Hour of day at which the sun stands at the start; None for the unit's clock.
            zone: Time zone of the unit's clock; None for that of this host.
            faults: What goes wrong, and names of profiles.
            serial: Serial number, if not the one that follows from the seed.
            firmware: Version of the control software, if not the scenario's.
            memory: What its logger has kept, if not all.
            line: ``latency``, ``rate``, ``coalesce`` and ``witness`` of the bridge.

        Raises:
            KeyError: No scenario, or no profile, has that name.
        """
        from rct_collector.drivers.rct.simulator import profiles

        unit = RctUnit(
            scenario,
            seed=seed,
            start=start,
            zone=zone,
            sun=sun,
            serial=serial,
            firmware=firmware,
            memory=memory,
        )
        found = fault_list(faults, seed, profiles.faults)
        return Bridge(unit, seed=seed, now0=now0, speed=speed, faults=found, **line)


def installations() -> Mapping[str, Collection[str]]:
    """Name → conditions that such an installation meets; the usual one first."""
    return {
        scenario.name: {name for name in CONDITIONS if scenario.has(name)}
        for scenario in (SINGLE_TOWER, *SCENARIOS.values())
    }


SIMULATOR = RctSimulator()
