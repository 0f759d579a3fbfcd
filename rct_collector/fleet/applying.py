"""Devices of a file brought into a fleet: what differs, and the shards that are to be written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rct_collector.config import Config
from rct_collector.errors import ConfigError
from rct_collector.fleet.engine import Engine, EngineError, Entry
from rct_collector.fleet.keys import (
    USUAL_SHARDS,
    FleetKeys,
    devices_for,
    devices_in,
    number_of,
    settings_for,
    shards_in,
)
from rct_collector.fleet.plain import plain
from rct_collector.fleet.sharding import shard_of
from rct_collector.option import shown

#: Schemes of addresses that can lead to one device from every host; that of a unit that dials in
#: does where whatever it calls leads to the host that listens.
_FROM_ANYWHERE = ("tcp", "listen")


class Placed(NamedTuple):
    """A device of a file.

    Attributes:
        key: What is to be asked by one process only.
        item: Its mapping, as it is kept.
    """

    key: str
    item: dict[str, Any]


def devices_of(value: Any, origin: str) -> list[Placed]:
    """The devices of a file, checked as those of a configuration are.

    Args:
        value: What the YAML file says.
        origin: Its name, for messages.

    Raises:
        ConfigError: With every mistake.
    """
    if isinstance(value, Mapping) and (more := [key for key in value if key != "devices"]):
        raise ConfigError(
            f"{origin}: {key}: found it beside devices, expected only those; what else there is"
            " stands in the configuration of each process"
            for key in more
        )
    found = Config.parse(value, origin).devices
    wrong = [
        f"{origin}: devices[{n}].address: found {shown(str(device.address))}, expected one that"
        f" leads to the device from every host of the fleet: {' or '.join(_FROM_ANYWHERE)}://"
        for n, device in enumerate(found)
        if device.address.scheme not in _FROM_ANYWHERE
    ]
    if wrong:
        raise ConfigError(wrong)
    pairs = zip(found, value["devices"], strict=True)
    return [Placed(device.address.key, plain(item)) for device, item in pairs]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done, and what that means.

    Attributes:
        shards: How many the fleet has.
        is_new: Whether it is to be made.
        writes: Shard → what is to be kept, and when that was last changed; 0 for never.
        before: Name → device, as it is kept; only of those that differ.
        after: The same as it will be.
        count: Devices that there will be.
    """

    shards: int
    is_new: bool
    writes: Mapping[int, tuple[bytes, int]]
    before: Mapping[str, dict[str, Any]]
    after: Mapping[str, dict[str, Any]]
    count: int

    def __iter__(self) -> Iterator[str]:
        """A line for each device that differs, by name."""
        for name in sorted({*self.before, *self.after}):
            old, new = self.before.get(name), self.after.get(name)
            if old is None and new is not None:
                yield f"+ {name} at {new['address']}"
            elif new is None and old is not None:
                yield f"- {name} at {old.get('address')}"
            elif old is not None and new is not None:
                keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
                yield f"~ {name}: {', '.join(_change(key, old, new) for key in keys)}"

    @property
    def words(self) -> str:
        """All of it in a line."""
        added = len(self.after.keys() - self.before.keys())
        gone = len(self.before.keys() - self.after.keys())
        changed = len(self.after.keys() & self.before.keys())
        return (
            f"{self.count} devices in {self.shards} shards: {added} new, {gone} gone,"
            f" {changed} changed, {self.count - added - changed} as they were"
        )


def _change(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if not isinstance(old.get(key, ""), str) or not isinstance(new.get(key, ""), str):
        return key
    return f"{key} {shown(old.get(key))} → {shown(new.get(key))}"


async def compare(
    engine: Engine, prefix: str, devices: Iterable[Placed], shards: int | None, *, is_other: bool
) -> Difference:
    """What brings devices into a fleet; nothing is changed yet.

    Args:
        engine: Keeps them.
        prefix: Of the fleet.
        devices: All that there are to be.
        shards: How many shards it has, or is to have; None for what it has, or usually has.
        is_other: Whether all that is there may give way.

    Raises:
        ConfigError: It has another number of shards, or none of its devices is among these.
        EngineError: It cannot be read.
    """
    keys = FleetKeys(prefix)
    settings = await engine.get(keys.settings)
    if settings is not None:
        shards = _same_number(shards_in(settings), shards, keys.settings)
    entries, _ = await engine.list(keys.devices)
    numbered = {number_of(entry.key, keys.devices): entry for entry in entries}
    numbered.pop(-1, None)  # whatever it is, no process takes it for a list
    found = _difference(numbered, devices, shards or USUAL_SHARDS, is_new=settings is None)
    present = sum(len(devices_in(entry)) for entry in numbered.values())
    if present and not is_other and len(found.before.keys() - found.after.keys()) == present:
        raise ConfigError(
            [
                f"none of the {present} devices that the fleet at {prefix} has is in the file: is"
                " that of another fleet? Each has a prefix of its own; --replace if it is meant"
            ]
        )
    return found


def _difference(
    there: Mapping[int, Entry], devices: Iterable[Placed], shards: int, *, is_new: bool
) -> Difference:
    wanted: dict[int, list[dict[str, Any]]] = {}
    for device in devices:
        wanted.setdefault(shard_of(device.key, shards), []).append(device.item)
    writes: dict[int, tuple[bytes, int]] = {}
    before: dict[str, dict[str, Any]] = {}
    after: dict[str, dict[str, Any]] = {}
    for number in sorted({*wanted, *there}):
        entry, items = there.get(number), wanted.get(number, [])
        value = devices_for(items)
        if entry is None or entry.value != value:
            writes[number] = value, entry.mod_revision if entry else 0
            after.update((item["name"], item) for item in items)
            old = devices_in(entry) if entry else []
            before.update((str(item.get("name")), item) for item in old)
    same = {name for name, item in after.items() if before.get(name) == item}
    return Difference(
        shards,
        is_new,
        writes,
        {name: item for name, item in before.items() if name not in same},
        {name: item for name, item in after.items() if name not in same},
        sum(map(len, wanted.values())),
    )


def _same_number(found: int, wanted: int | None, key: str) -> int:
    if wanted not in (None, found):
        raise ConfigError(
            [
                f"--shards: found {wanted}, expected {found} as {key} says: where a device belongs"
                " depends on it, so it is fixed when a fleet is made. To make it anew, stop all"
                f" processes, 'etcdctl del --prefix {key.rpartition('/')[0]}/', and apply"
            ]
        )
    return found


async def write(engine: Engine, prefix: str, difference: Difference) -> None:
    """Do what is to be done; what was written stays where something goes wrong.

    Raises:
        EngineError: Not all was written, or somebody else writes at the same time.
    """
    keys = FleetKeys(prefix)
    if difference.is_new:
        await _replace(engine, keys.settings, settings_for(difference.shards), 0)
    outcomes = await asyncio.gather(
        *(
            _replace(engine, f"{keys.devices}{number}", value, revision)
            for number, (value, revision) in sorted(difference.writes.items())
        ),
        return_exceptions=True,
    )
    failed: Sequence[BaseException] = [item for item in outcomes if item is not None]
    if failed:
        raise EngineError(
            f"{len(failed)} of {len(outcomes)} shards were not written: {failed[0]}; apply again"
        ) from failed[0]


async def _replace(engine: Engine, key: str, value: bytes, revision: int) -> None:
    if not await engine.replace(key, value, revision):
        raise EngineError(f"somebody else has written {key} at the same time")
