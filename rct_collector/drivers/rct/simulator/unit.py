"""A simulated RCT unit: object and time in, payload out. No line, no clock of its own."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from rctclient.types import DataType

from rct_collector.drivers.chance import key, octets
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.simulator.logbook import Logbook, LoggerMemory
from rct_collector.drivers.rct.simulator.moment import Moment
from rct_collector.drivers.rct.simulator.readings import READINGS, Reading
from rct_collector.drivers.rct.simulator.scenario import SCENARIOS, Scenario
from rct_collector.drivers.rct.simulator.world import World
from rct_collector.drivers.rct.table import BY_OID, EVENT_TABLE, RctObject

#: Lengths of texts on the wire; units pad them with zeros. Recorded only for few objects.
_TEXT_LENGTHS = {"wifi.ip": 16, "parameter_file": 64, "svnversion": 24}
_TEXT_LENGTH = 32
#: Texts after whose end a unit has been seen to leave rubbish.
_UNCLEAN = frozenset({"android_description", "parameter_file"})


class ValueSource(NamedTuple):
    """Where the value of an object comes from.

    Attributes:
        item: The object.
        reading: Its function.
        indices: The numbers in brackets in its name.
    """

    item: RctObject
    reading: Reading
    indices: tuple[int, ...]


@lru_cache(maxsize=1)
def _sources() -> dict[int, ValueSource]:
    """Object id → source, of every object that is read."""
    return {item.oid: _source(item) for item in BY_OID.values() if not item.logger}


def _source(item: RctObject) -> ValueSource:
    indices = tuple(int(text) for text in re.findall(r"\[(\d+)\]", item.name))
    return ValueSource(item, READINGS[re.sub(r"\[\d+\]", "[]", item.name)], indices)


class RctUnit:
    """One unit.

    Attributes:
        world: What it is made of: scenario, clocks, days.
        start: Unix time at which the simulation begins.
        memory: What its logger has kept.
    """

    def __init__(
        self,
        scenario: Scenario | str = "sunny",
        *,
        seed: int = 0,
        start: float = 1782036000.0,  # a June morning, 2026-06-21 10:00 UTC
        zone: tzinfo | None = UTC,
        sun: float | None = None,
        serial: str | None = None,
        firmware: str | None = None,
        fast: float = 0.0,
        memory: LoggerMemory | None = None,
    ) -> None:
        """Build it.

        Args:
            scenario: What the installation has, or the name of that in :data:`SCENARIOS`.
            seed: Clouds, household, faults and serial numbers follow from it.
            start: Unix time at which the simulation begins.
            zone: Time zone of the unit's clock; None for that of this host.
            sun: Hour of day at which the sun stands at the start; None for the unit's clock.
            serial: Serial number, if not the one that follows from the seed.
            firmware: Version of the control software, if not the scenario's.
            fast: Seconds by which the unit's clock is fast.
            memory: What its logger has kept; None for all of 90 days.

        Raises:
            KeyError: No scenario has that name.
        """
        if isinstance(scenario, str):
            scenario = SCENARIOS[scenario]
        self.start = start
        self.world = World(
            scenario,
            seed=seed,
            start=start,
            zone=zone,
            sun=sun,
            serial=serial,
            firmware=firmware,
            fast=fast,
        )
        self._sun = sun
        self.memory = memory or LoggerMemory()
        self._logbook = Logbook(self.world, self.memory)
        self._latest = Moment(self.world, start)

    @property
    def scenario(self) -> Scenario:
        """What the installation has."""
        return self.world.scenario

    def changed(self, **different: Any) -> RctUnit:
        """The unit as it would be if something were different.

        Args:
            different: Any arguments of the class.
        """
        same = {
            "scenario": self.scenario,
            "seed": self.world.seed,
            "start": self.start,
            "zone": self.world.clock.zone,
            "sun": self._sun,
            "serial": self.world.identity.serial,
            "firmware": self.world.identity.firmware,
            "fast": self.world.clock.fast,
            "memory": self.memory,
        }
        return RctUnit(**{**same, **different})

    def moment(self, unix: float) -> Moment:
        """The unit at one Unix time."""
        if unix != self._latest.unix:
            self._latest = Moment(self.world, unix)
        return self._latest

    def read(self, oid: int, unix: float) -> bytes | None:
        """Answer a read request.

        Args:
            oid: Object id.
            unix: Unix time in the unit's world.

        Returns:
            The payload; None where a unit says nothing: unknown objects, those of the logger,
            and everything while it sleeps.
        """
        source = _sources().get(oid)
        if source is None or not self._responds(source.item, unix):
            return None
        item = source.item
        if not self.scenario.has(item.condition):
            return _absent(item)
        value = source.reading(self.moment(unix), *source.indices)
        if isinstance(value, bytes):
            return value
        return self._text(item, value) if isinstance(value, str) else wire.encode(item.type, value)

    def history(self, oid: int, before: int, unix: float) -> bytes | None:
        """Answer a query of the logger.

        Args:
            oid: Object id.
            before: Time asked for, as the unit's wall clock; what is older comes back.
            unix: Unix time in the unit's world.

        Returns:
            The payload, or None as for :meth:`read`.
        """
        item = BY_OID.get(oid)
        if item is None or not item.logger or not self._responds(item, unix):
            return None
        if item.name == EVENT_TABLE[0]:
            return self._logbook.events(before, unix)
        return self._logbook.series(item.name, item.condition, before, unix)

    def _responds(self, item: RctObject, unix: float) -> bool:
        if self.scenario.sleeps and not self.moment(unix).working:
            return False
        return self.scenario.knows(item.name)

    def _text(self, item: RctObject, text: str) -> bytes:
        """A text, padded as units do; in some, what stood there before shines through."""
        length = _TEXT_LENGTHS.get(item.name, _TEXT_LENGTH)
        payload = text.encode("ascii") + b"\0"
        rest = max(length - len(payload), 0)
        if item.name in _UNCLEAN:
            return payload + octets(rest, key(self.world.seed, "rubbish", item.oid))
        return payload + bytes(rest)


def _absent(item: RctObject) -> bytes:
    """What a unit says of a part that it does not have: zeros, or an empty text."""
    if item.type is DataType.STRING:
        return bytes(_TEXT_LENGTH)
    return bytes(wire.LENGTHS[item.type])
