"""How a fleet stands: who is in it, what each has, and what nobody has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from rct_collector.fleet.engine import Engine, EngineError
from rct_collector.fleet.keys import (
    FleetKeys,
    FleetMember,
    devices_in,
    member_in,
    number_of,
    shards_in,
)
from rct_collector.fleet.sharding import owners


@dataclass(frozen=True)
class FleetOverview:
    """A fleet at one moment.

    Attributes:
        shards: How many it has.
        devices: Shard → devices in it, where there are any.
        members: Who is in it, by identifier.
        holders: Shard → who has it.
    """

    shards: int
    devices: Mapping[int, int]
    members: Mapping[str, FleetMember]
    holders: Mapping[int, str]

    @cached_property
    def _due(self) -> Mapping[int, str]:
        """Shard → who should have it."""
        weights = {member.id: member.weight for member in self.members.values()}
        return dict(enumerate(owners(weights, self.shards)))

    @property
    def count(self) -> int:
        """Devices in all shards."""
        return sum(self.devices.values())

    @cached_property
    def orphaned(self) -> frozenset[int]:
        """Shards with devices that nobody has."""
        return frozenset(self.devices.keys() - self.holders.keys())

    @cached_property
    def moving(self) -> frozenset[int]:
        """Shards that another one has than who should have them."""
        held = self.holders.items()
        return frozenset(number for number, who in held if self._due.get(number) != who)

    def devices_in(self, shards: Collection[int]) -> int:
        """Devices in some shards."""
        return sum(self.devices.get(number, 0) for number in shards)

    def held_by(self, member: str) -> frozenset[int]:
        """The shards that a member has."""
        return self._held.get(member, frozenset())

    @cached_property
    def _held(self) -> Mapping[str, frozenset[int]]:
        """Member → the shards that it has."""
        found: dict[str, set[int]] = {}
        for number, who in self.holders.items():
            found.setdefault(who, set()).add(number)
        return {who: frozenset(numbers) for who, numbers in found.items()}

    @cached_property
    def due(self) -> Mapping[str, int]:
        """Member → shards that it should have."""
        return Counter(self._due.values())


async def look(engine: Engine, prefix: str) -> FleetOverview:
    """See how a fleet stands.

    Raises:
        EngineError: It cannot be read, or there is none.
    """
    keys = FleetKeys(prefix)
    settings = await engine.get(keys.settings)
    if settings is None:
        raise EngineError(
            f"{keys.settings}: found nothing, so there is no fleet; 'rct-collector fleet apply"
            " devices.yaml' makes one"
        )
    shards = shards_in(settings)
    devices, _ = await engine.list(keys.devices)
    members, _ = await engine.list(keys.members)
    holders, _ = await engine.list(keys.shards)
    lists = {number_of(entry.key, keys.devices): entry for entry in devices}
    held = {number_of(entry.key, keys.shards): entry for entry in holders}
    counts = {number: len(devices_in(entry)) for number, entry in lists.items() if number >= 0}
    return FleetOverview(
        shards,
        {number: count for number, count in counts.items() if count},
        {member.id: member for member in map(member_in, members)},
        {
            number: entry.value.decode("utf-8", "replace")
            for number, entry in held.items()
            if number >= 0
        },
    )
