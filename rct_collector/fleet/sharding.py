"""Which shard a device falls into, and which member of the fleet should have each shard.

Everybody computes it alone, from the list of members, and all come to the same: so it depends on
nothing but names, weights and numbers that are equal on every host and in every version of Python.

It is rendezvous hashing: each member has a score for each shard, which depends on these two alone,
and the best score has the shard. So who joins takes shards from others and moves none between them,
and who leaves hands out its own. A score for each pair would be too many for plain Python (200
million for 2,000 members and 100,000 shards), so they are found the other way round. Each member
*wishes* for shards, which are drawn from the hash of its name, one after the other at a steady
pace, and its weight is that pace; its score for a shard is the moment of its first wish for it, and
the earliest has it. At any moment the next wish is a member's as often as its weight says, which
makes the shares right. All ``n`` shards have been wished for after some ``n ln n`` wishes, however
many members there are. And since the pace is steady, shares differ by ``sqrt(n / 2)`` where a
member has ``n`` shards, not by ``sqrt(n)`` as where each shard is a lot of its own.
"""

from __future__ import annotations

import hashlib
import math
import sys
from array import array
from collections.abc import Mapping, Sequence, Set

#: The least and the greatest weight; whose weight is none of these takes nothing. A member that is
#: wrong is not to be the end of the others.
LEAST_WEIGHT, GREATEST_WEIGHT = 1e-3, 1e3

#: Before the name in the hash of a member, so that no other hash of it has the same numbers.
_SALT = b"rct-collector wishes 1\0"

#: A wish is drawn as a number of so many bytes.
_BYTES = 4
_RANGE = 1 << 8 * _BYTES

#: By how much it is looked further where some shard has not been wished for.
_FURTHER = 1.25


def shard_of(key: str, shards: int) -> int:
    """The shard of a device.

    Args:
        key: What is to be asked by one process only: the key of the address, which two names of one
            device have in common, and all units on one bus.
        shards: How many there are.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards


def owners(members: Mapping[str, float], shards: int) -> Sequence[str]:
    """Who should have each shard.

    Args:
        members: Identifier → weight. Who weighs nothing takes nothing.
        shards: How many there are.

    Returns:
        For each shard the identifier of its member; empty where there is nobody to have them.
    """
    weights = _willing(members)
    if not weights:
        return ()
    until = _first_look(weights, shards)
    while True:
        found = [""] * shards
        best = [math.inf] * shards
        for member, weight in weights.items():
            for shard, moment in wishes(member, weight, shards, until).items():
                if moment < best[shard]:
                    best[shard] = moment
                    found[shard] = member
        if all(found):
            return found
        until *= _FURTHER


class Portion:
    """The shards of one member, kept right as others come and go.

    A change costs what one member wishes for, not what all do: in a large fleet somebody always
    restarts, and who asks devices many times a second cannot compute for half a second each time.

    Attributes:
        steps: How many members' wishes have been looked at so far, as a measure of the work.
    """

    def __init__(self, member: str, shards: int) -> None:
        """Begin without anybody.

        Args:
            member: Identifier of the one whose shards are wanted.
            shards: How many there are in the fleet.
        """
        self.steps = 0
        self._member = member
        self._shards = shards
        self._weights: dict[str, float] = {}
        self._weight = 0.0  # of all, when it was last begun anew
        self._until = 0.0  # how far is looked
        self._own: Mapping[int, float] = {}  # what the member wishes for
        self._before: dict[int, int] = {}  # shard → how many wish for it before the member does
        self._wished = array("I")  # by how many each shard is wished for

    @property
    def shards(self) -> Set[int]:
        """What the member should have now: what it wishes for, and nobody has before it."""
        return {shard for shard in self._own if shard not in self._before}

    def update(self, members: Mapping[str, float]) -> None:
        """Take note of who there is.

        Args:
            members: Identifier → weight, of all there are now. Where the member itself is missing,
                it should have nothing.
        """
        weights = _willing(members)
        own = weights.get(self._member)
        grown = sum(weights.values()) > 2 * self._weight  # then it is looked too far each time
        if own is None or own != self._weights.get(self._member) or grown:
            self._begin_anew(weights)
            return
        old, self._weights = self._weights, weights
        for who, weight in old.items():
            if weights.get(who) != weight:
                self._count(who, weight, -1)
        for who, weight in weights.items():
            if old.get(who) != weight:
                self._count(who, weight, 1)
        if not all(self._wished):
            self._look(self._until * _FURTHER)

    def _begin_anew(self, weights: dict[str, float]) -> None:
        self._weights = weights
        self._weight = sum(weights.values())
        if self._member in weights:
            self._look(_first_look(weights, self._shards))
        else:
            self._own = {}

    def _look(self, until: float) -> None:
        """Look at all, so far that each shard is wished for by somebody."""
        while True:
            self._until = until
            self._own = wishes(self._member, self._weights[self._member], self._shards, until)
            self._before = {}
            self._wished = array("I", bytes(array("I").itemsize * self._shards))
            for who, weight in self._weights.items():
                self._count(who, weight, 1)
            if all(self._wished):
                return
            until *= _FURTHER

    def _count(self, who: str, weight: float, by: int) -> None:
        """Count what somebody wishes for, or count it no more."""
        self.steps += 1
        own, before, wished = self._own, self._before, self._wished
        for shard, moment in wishes(who, weight, self._shards, self._until).items():
            wished[shard] += by
            ours = own.get(shard, -math.inf)
            if moment < ours or (moment == ours and who < self._member):
                before[shard] = before.get(shard, 0) + by
                if not before[shard]:
                    del before[shard]


def wishes(member: str, weight: float, shards: int, until: float) -> Mapping[int, float]:
    """What a member wishes for: shard → moment of its first wish for it.

    Args:
        member: Its identifier.
        weight: How many wishes it has in a unit of time.
        shards: How many there are to wish for.
        until: Later wishes are left out.
    """
    count = math.ceil(until * weight) + 1
    data = hashlib.shake_128(_SALT + member.encode()).digest(_BYTES * (1 + count))
    numbers = array("I", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    # Sums of small numbers and one division: the same to the last bit on every machine.
    phase = numbers[0] / _RANGE
    found: dict[int, float] = {}
    for n, number in enumerate(numbers[1:]):
        shard = number * shards // _RANGE
        if shard not in found:
            moment = (n + phase) / weight
            if moment >= until:
                break
            found[shard] = moment
    return found


def _willing(members: Mapping[str, float]) -> dict[str, float]:
    """Who takes shards, in the order of the identifiers: the first of two has what both wish for.

    Args:
        members: Identifier → weight.
    """
    return {
        member: members[member]
        for member in sorted(members)
        if LEAST_WEIGHT <= members[member] <= GREATEST_WEIGHT
    }


def _first_look(weights: Mapping[str, float], shards: int) -> float:
    """Until when all shards have most probably been wished for."""
    return shards * (math.log(shards) + 2) / sum(weights.values())
