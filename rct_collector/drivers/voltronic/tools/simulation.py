"""Simulated Voltronic units by name, for the commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from functools import cached_property
from typing import Any

from rct_collector.drivers.chance import Range
from rct_collector.drivers.tools import Simulator, UnitChoice, fault_list
from rct_collector.drivers.voltronic.simulator import (
    DIALECTS,
    SCENARIOS,
    LineFaults,
    VoltronicLine,
    VoltronicScenario,
    VoltronicUnit,
)

_MOST_UNITS = 9


class VoltronicSimulator(Simulator):
    """Makes simulated units; see :class:`rct_collector.drivers.tools.Simulator`."""

    title = "Simulate a Voltronic inverter, such as an Axpert."
    text = (
        "Simulate a Voltronic inverter of a house with sun and battery, where the mains fails.\n\n"
        "It answers as a real unit does, at 2400 baud, in the dialect that is wanted, and refuses"
        " what that does not know. Several units in parallel have a line each."
    )
    examples = (
        "",
        "--dialect pi30 --transport pty --path /tmp/inverter",
        "--units 3 --port 0",
        "--faults late,noise --sun 12 --speed 60",
    )
    choices = (
        UnitChoice("dialect", DIALECTS, f"What it speaks: {', '.join(DIALECTS)}."),
        UnitChoice("units", range(1, _MOST_UNITS + 1), "Units in parallel, each at its own line."),
    )

    @cached_property
    def scenarios(self) -> dict[str, str]:
        """Name → what the installation has."""
        return {name: scenario.description for name, scenario in SCENARIOS.items()}

    @cached_property
    def profiles(self) -> dict[str, str]:
        """Name → what goes wrong."""
        from rct_collector.drivers.voltronic.simulator.profiles import PROFILES

        return {name: profile.description for name, profile in PROFILES.items()}

    def lines(self, scenario: str, **chosen: Any) -> int:
        """One for each unit."""
        return SCENARIOS[scenario].changed(**chosen).units

    def unit(
        self,
        scenario: VoltronicScenario | str,
        *,
        start: float,
        now0: float | None,
        seed: int,
        speed: float,
        sun: float | None,
        zone: tzinfo | None,
        faults: Sequence[LineFaults | str],
        dialect: str | None = None,
        units: int | None = None,
        line: int = 0,
        latency: tuple[float, float] | None = None,
        **more: Any,
    ) -> VoltronicLine:
        """Make one, at its line.

        Args:
            scenario: One of :data:`.SCENARIOS`, or its name.
            start: Unix seconds in the unit's world when it is put into operation.
            now0: When that is on the line's clock; None for the first time it is told.
            seed: All that looks like chance follows from it.
            speed: How many times faster than real the unit's world goes. The line does not.
            sun: Hour of day at which the sun stands at the start; None for the local time.
            zone: Time zone of the unit's clock; None for that of this host.
            faults: What goes wrong, and names of profiles.
            dialect: What it speaks, if not what the scenario says.
            units: Units in parallel, if not what the scenario says.
            line: Which of them is at this line, from 0 on.
            latency: Least and most seconds until an answer begins; None for the usual.
            more: ``rate``, ``report`` and ``witness`` of the line.

        Raises:
            KeyError: No scenario, or no profile, has that name.
            ValueError: No such dialect, or number of units.
        """
        from rct_collector.drivers.voltronic.simulator import profiles

        if isinstance(scenario, str):
            scenario = SCENARIOS[scenario]
        made = VoltronicUnit(
            scenario.changed(dialect, units),
            seed=seed,
            start=start,
            zone=zone,
            sun=sun,
            number=line,
        )
        if latency is not None:
            more["latency"] = Range(*latency)
        found = fault_list(faults, seed, profiles.faults)
        return VoltronicLine(made, seed=seed, now0=now0, speed=speed, faults=found, **more)


SIMULATOR = VoltronicSimulator()
