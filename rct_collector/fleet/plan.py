"""What a fleet of some size would be like: shares, moves and work, from the code that shares.

Nothing is asked or opened; members and devices are names only.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rct_collector.fleet.keys import MOST_SHARDS, USUAL_SHARDS
from rct_collector.fleet.sharding import Portion, owners, shard_of

_Item = TypeVar("_Item")

#: Shards of each process, at least: then shares differ by some 11 % (one standard deviation).
SHARDS_EACH = 40

#: How often a process keeps its lease alive while that would last.
KEEPALIVES_PER_TTL = 3

#: A rolling restart sees each process leave and join.
_CHANGES_OF_A_RESTART = 2


@dataclass(frozen=True, slots=True)
class Spread:
    """How some numbers differ.

    Attributes:
        least: The smallest.
        mean: Their mean.
        greatest: The greatest.
        deviation: Standard deviation, as a share of the mean.
    """

    least: float
    mean: float
    greatest: float
    deviation: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """That of some numbers, of which there is one at least."""
        mean = statistics.fmean(numbers)
        deviation = statistics.pstdev(numbers) / mean if mean else 0.0
        return cls(min(numbers), mean, max(numbers), deviation)


@dataclass(frozen=True, slots=True)
class Moves:
    """What events of a kind have changed; means of all of them.

    Attributes:
        event: What happened.
        events: How often it was computed.
        shards: How many changed hands.
        devices: The same in devices.
        needless: Devices that moved between two processes that were there before and after.
        heaviest: Devices that one process took on; the most of all.
    """

    event: str
    events: int
    shards: float
    devices: float
    needless: float
    heaviest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What fleet is meant.

    Attributes:
        devices: How many there are, each at an address of its own.
        processes: How many share them.
        per_host: How many of these run on each host.
        shards: Number of shards.
        ttl: Of the leases, in seconds.
        restart: How long a restart of all processes takes, one after the other, in seconds.
    """

    devices: int
    processes: int
    per_host: int
    shards: int
    ttl: float
    restart: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What such a fleet is like.

    Attributes:
        size: What fleet it is.
        shares: Devices of each process.
        shards_each: Shards of each process.
        devices_each: Devices of each shard.
        moves: What happens when processes come and go.
        keepalives: That the engine gets, in a second.
        told: Processes that are told of each one that comes or goes.
        told_per_second: The same in a second, while all are restarted one after the other.
        keys: That the engine keeps.
        first_writes: Keys that are written when all processes start.
        portion_bytes: Memory that a process takes for knowing its shards.
        portion_steps: Members whose wishes it looks at for one that joins.
    """

    size: Size
    shares: Spread
    shards_each: Spread
    devices_each: Spread
    moves: tuple[Moves, ...]
    keepalives: float
    told: int
    told_per_second: float
    keys: int
    first_writes: int
    portion_bytes: int
    portion_steps: int


#: Is told what is being computed, and how much of all is done (0 to 1).
Told = Callable[[str, float], None]


def shards_for(processes: int) -> int:
    """How many shards a fleet should be made with.

    Args:
        processes: How many it may once have.
    """
    # The number is fixed when a fleet is made, so it has room to grow.
    wanted = USUAL_SHARDS * max(1, math.ceil(SHARDS_EACH * processes / USUAL_SHARDS))
    return min(wanted, MOST_SHARDS)


def forecast(size: Size, events: int, told: Told = lambda what, done: None) -> Forecast:
    """Compute what a fleet would be like.

    Args:
        size: What fleet is meant.
        events: How many of each kind are computed.
        told: Is told how far it is, since a large fleet takes a while.
    """
    told("devices", 0.0)
    loads = _devices_of_shards(size)
    members = {name: 1.0 for names in _hosts(size) for name in names}
    happenings = list(_happenings(size, members, events))
    told("shares", 1 / (len(happenings) + 3))
    before = owners(members, size.shards)
    moves: dict[str, list[_Move]] = {}
    for n, (event, after) in enumerate(happenings):
        told(event, (n + 2) / (len(happenings) + 3))
        moves.setdefault(event, []).append(_move(loads, before, owners(after, size.shards)))
    told("memory", 1 - 1 / (len(happenings) + 3))
    memory, steps = _portion(size, members)
    devices = Counter(dict.fromkeys(members, 0))
    for owner, load in zip(before, loads, strict=True):
        devices[owner] += load
    shards = Counter(dict.fromkeys(members, 0))
    shards.update(before)
    return Forecast(
        size=size,
        shares=Spread.of(list(devices.values())),
        shards_each=Spread.of(list(shards.values())),
        devices_each=Spread.of(loads),
        moves=tuple(_mean(event, found) for event, found in moves.items()),
        keepalives=size.processes * KEEPALIVES_PER_TTL / size.ttl,
        told=size.processes,
        told_per_second=_CHANGES_OF_A_RESTART * size.processes**2 / size.restart,
        keys=1 + size.processes + size.shards + sum(map(bool, loads)),
        first_writes=size.processes + size.shards,
        portion_bytes=memory,
        portion_steps=steps,
    )


def address_key(n: int) -> str:
    """The key of the address of a device that nobody has.

    Args:
        n: Its number, below 2²⁴.
    """
    return f"tcp/10.{n >> 16}.{n >> 8 & 255}.{n & 255}/8899"


def _devices_of_shards(size: Size) -> list[int]:
    loads = [0] * size.shards
    for n in range(size.devices):
        loads[shard_of(address_key(n), size.shards)] += 1
    return loads


def _hosts(size: Size) -> Iterator[list[str]]:
    """The processes of each host."""
    for first in range(0, size.processes, size.per_host):
        count = min(size.per_host, size.processes - first)
        yield [f"host{first // size.per_host}/{n}" for n in range(count)]


def _happenings(
    size: Size, members: Mapping[str, float], events: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """What may happen to a fleet, and who is there afterwards."""
    hosts = list(_hosts(size))
    names = list(members)
    for n in range(events):
        yield "a process joins", {**members, f"new{n}/0": 1.0}
    for gone in _some(names, events):
        yield "a process is lost", _without(members, [gone])
    if size.per_host > 1:
        for several in _some(hosts, events):
            yield f"a host of {size.per_host} is lost", _without(members, several)


def _some(items: Sequence[_Item], count: int) -> list[_Item]:
    """Some of them, from all over the list; none where there is but one, and nobody would be left.

    Args:
        items: To choose from.
        count: How many, if there are so many.
    """
    count = min(count, len(items)) if len(items) > 1 else 0
    return [items[n * len(items) // count] for n in range(count)]


def _without(members: Mapping[str, float], gone: Iterable[str]) -> dict[str, float]:
    left = {**members}
    for name in gone:
        del left[name]
    return left


@dataclass(frozen=True, slots=True)
class _Move:
    shards: int
    devices: int
    needless: int
    heaviest: int


def _move(loads: Sequence[int], before: Sequence[str], after: Sequence[str]) -> _Move:
    """What differs between two shares of the same shards."""
    was, now = set(before), set(after)
    shards = needless = 0
    taken: Counter[str] = Counter()
    for load, old, new in zip(loads, before, after, strict=True):
        if old != new:
            shards += 1
            taken[new] += load
            needless += load if old in now and new in was else 0
    return _Move(shards, taken.total(), needless, max(taken.values(), default=0))


def _mean(event: str, found: Sequence[_Move]) -> Moves:
    return Moves(
        event,
        len(found),
        statistics.fmean(move.shards for move in found),
        statistics.fmean(move.devices for move in found),
        statistics.fmean(move.needless for move in found),
        max(move.heaviest for move in found),
    )


def _portion(size: Size, members: Mapping[str, float]) -> tuple[int, int]:
    """What one process takes for knowing its shards: bytes, and steps for one that joins."""
    name = next(iter(members))
    portion = Portion(name, size.shards)
    portion.update(members)
    before = portion.steps
    portion.update({**members, "new/0": 1.0})
    return _bytes(vars(portion)), portion.steps - before


def _bytes(item: object) -> int:
    """Memory of something and all that it holds, where nothing is held twice."""
    held = [*item.keys(), *item.values()] if isinstance(item, Mapping) else []
    return sys.getsizeof(item) + sum(map(_bytes, held))
