"""What one process of a fleet takes, keeps and gives back, without input, output or a clock.

Whoever runs it tells what happened, calls :meth:`Membership.step`, and does what that says:

::

    step(now) ─► Grant, Prolong, Join      the lease, and our key among those of the members
                 Claim, Look, Release        the key of a shard
                 Open, Close                 the lines to the devices of a shard

Three things are kept apart. Who *should* have a shard is computed from the members alone; it may be
wrong for a while, and differ from process to process. Who *may* have it holds its key, which goes
with the lease. And who *still may* looks at :attr:`Membership.deadline`, before which the lease is
certainly there, whatever has become of the engine: its answer came later than it prolonged the
lease, and we count from before we asked.

Lost answers are the hard part. A claim without an answer may have been carried out, or be carried
out later; so the key is looked at before anything is believed of it. A key that is to be deleted is
named by its revision, so that this may be said again and again.

Times are seconds of a clock that also runs while the host is suspended.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Mapping, Set
from enum import Enum
from typing import NamedTuple, Protocol

from rct_collector.fleet.engine import MOST_KEYS, Entry

#: So long before the lease ends nothing is sent any more, in seconds: bytes take time to arrive,
#: and clocks do not run alike.
MARGIN_S = 0.5

#: A key that another one still holds is tried for again after this many seconds.
RETRY_S = 0.1

#: What the engine did not do is asked of it again after this many seconds.
AGAIN_S = 0.5

#: What was asked of the engine without an answer may still come about for so long, in seconds.
DOUBT_S = 20.0

#: So many keys are asked for at a time.
MOST_AT_ONCE = MOST_KEYS


class Grant(NamedTuple):
    """Have a lease granted; then :meth:`Membership.granted` or :meth:`Membership.not_granted`."""


class Prolong(NamedTuple):
    """Prolong the lease; then :meth:`Membership.kept` or :meth:`Membership.not_kept`."""

    lease: int


class Join(NamedTuple):
    """Put our key among those of the members; then :meth:`Membership.joined`."""

    lease: int


class Claim(NamedTuple):
    """Create the key of a shard; then :meth:`Membership.claimed` or :meth:`Membership.unclear`."""

    shard: int
    lease: int


class Look(NamedTuple):
    """See who holds the key; then :meth:`Membership.looked` or :meth:`Membership.unclear`."""

    shard: int
    lease: int


class Release(NamedTuple):
    """Delete the key; then :meth:`Membership.released` or :meth:`Membership.unclear`."""

    shard: int
    lease: int
    token: int


class Open(NamedTuple):
    """Begin to collect from the devices of a shard, under a fencing token."""

    shard: int
    token: int


class Close(NamedTuple):
    """Collect no more; then, with all lines closed, :meth:`Membership.closed`."""

    shard: int
    token: int


Action = Grant | Prolong | Join | Claim | Look | Release | Open | Close


class Allotment(Protocol):
    """Computes what a member should have; :class:`rct_collector.fleet.sharding.Portion` does."""

    @property
    def shards(self) -> Set[int]:
        """What it should have of those who were named last."""

    def update(self, members: Mapping[str, float]) -> None:
        """Take note of who there is: identifier → weight."""


class _Stage(Enum):
    """How far a shard has come."""

    WANTED = "its key is to be created"
    HELD = "we have the key, and no lines"
    OPEN = "its devices are collected from"
    CLOSING = "its lines are being closed"
    GIVEN = "its lines are closed, and the key is to be deleted"


class _Shard:
    """A shard that is ours, or is to be, or was."""

    __slots__ = ("busy", "doubted_until", "due", "must_look", "stage", "token")

    def __init__(self) -> None:
        self.stage = _Stage.WANTED
        self.token = 0
        self.busy = False
        self.due = -math.inf
        self.must_look = False
        self.doubted_until = -math.inf


class Membership:
    """One process in the fleet.

    Nothing is claimed before our key is among those of the members.

    Attributes:
        lease: The lease; 0 for none.
        deadline: Nothing may be sent to a device from then on; it moves on as the lease is kept
            alive.
        lapsed: The deadline has passed without a lease that is known to be there.
    """

    def __init__(self, me: str, weight: float, ttl: float, share: Allotment) -> None:
        """Begin without a lease.

        Args:
            me: Identifier of this process, which no other one has.
            weight: How much it takes, compared with others.
            ttl: Seconds after which a lease is gone that is not kept alive.
            share: Computes the shards that are ours.
        """
        self.lease = 0
        self.deadline = -math.inf
        self.lapsed = True
        self._me = me
        self._weight = weight
        self._ttl = ttl
        self._share = share
        self._members: dict[str, float] | None = None
        self._changed = False
        self._mine: Set[int] = frozenset()
        self._shards: dict[int, _Shard] = {}
        self._open = 0
        self._left: list[Close] = []  # what was open under a lease that is gone ...
        self._left_open: set[int] = set()  # ... and is not closed yet
        self._ready: deque[int] = deque()
        self._waiting: deque[int] = deque()  # for the engine to have room
        self._later: list[tuple[float, int]] = []
        self._at_engine = 0
        self._lease_due = -math.inf
        self._lease_busy = False
        self._join_due = -math.inf
        self._join_busy = False
        self._has_joined = False
        self._is_member = False

    @property
    def members(self) -> Mapping[str, float]:
        """Who is in the fleet, as far as it is known: identifier → weight."""
        others = self._members or {}
        return {**others, self._me: self._weight} if self._is_member else others

    @property
    def mine(self) -> Set[int]:
        """The shards that this process should have."""
        return self._mine

    @property
    def open_shards(self) -> dict[int, int]:
        """The shards that are collected from → fencing token."""
        return {n: item.token for n, item in self._shards.items() if item.stage is _Stage.OPEN}

    @property
    def is_settled(self) -> bool:
        """Whether this process has what it should have, and nothing else; after a step."""
        return (
            self._is_member
            and not self.lapsed
            and not self._changed
            and self._open == len(self._mine) == len(self._shards)
        )

    def token(self, shard: int) -> int:
        """The fencing token of a shard that is collected from; 0 where that is not so."""
        item = self._shards.get(shard)
        return item.token if item is not None and item.stage is _Stage.OPEN else 0

    # -- what is to be done ----------------------------------------------------------------

    def step(self, now: float) -> list[Action]:
        """What is to be done now; each is said once, until it is told what came of it."""
        actions: list[Action] = [*self._left]
        self._left.clear()
        if not self.lapsed and now >= self.deadline:
            self.lapsed = True
            self._ready.extend(self._shards)  # what is open is to be closed
        self._tend_lease(now, actions)
        if self.lease and not self.lapsed and not self._has_joined:
            self._tend_key(now, actions)
        if self._changed and self._members is not None and self._is_member:
            self._compute()
        while self._later and self._later[0][0] <= now:
            due, shard = heapq.heappop(self._later)
            if shard in self._shards and self._shards[shard].due == due:
                self._ready.append(shard)
        self._tend_shards(now, actions)
        return actions

    def next_due(self) -> float:
        """When :meth:`step` has something to do though nothing happened; infinite for never."""
        due = [self._later[0][0]] if self._later else []
        if self._may_ask:
            due.append(self._lease_due)
        if not self.lapsed:
            due.append(self.deadline)
            if not self._has_joined and not self._join_busy:
                due.append(self._join_due)
        return min(due, default=math.inf)

    @property
    def _may_ask(self) -> bool:
        """Whether the engine may be asked about the lease.

        With another one the deadline, which all devices have in common, moves on; so what was
        opened under the one before must be closed by then.
        """
        return not self._lease_busy and (bool(self.lease) or not self._left_open)

    def _tend_lease(self, now: float, actions: list[Action]) -> None:
        if self._may_ask and now >= self._lease_due:
            self._lease_busy = True
            actions.append(Prolong(self.lease) if self.lease else Grant())

    def _tend_key(self, now: float, actions: list[Action]) -> None:
        if not self._join_busy and now >= self._join_due:
            self._join_busy = True
            actions.append(Join(self.lease))

    def _compute(self) -> None:
        """Who should have what, now that members have come or gone."""
        self._changed = False
        # The others will see us, too; news of our key under a lease before may come late.
        self._share.update(self.members)
        before, self._mine = self._mine, frozenset(self._share.shards)
        for shard in self._mine - before:
            if shard not in self._shards:
                self._shards[shard] = _Shard()
        self._ready.extend(self._mine ^ before)

    def _tend_shards(self, now: float, actions: list[Action]) -> None:
        """Bring each shard that is ready a step further; what the engine has no room for waits."""
        while self._ready or (self._waiting and self._at_engine < MOST_AT_ONCE):
            shard = (self._ready or self._waiting).popleft()
            item = self._shards.get(shard)
            if item is None or item.busy:
                continue
            is_ours = shard in self._mine and not self.lapsed
            if item.stage is _Stage.OPEN and not is_ours:
                item.stage, item.busy = _Stage.CLOSING, True
                self._open -= 1
                actions.append(Close(shard, item.token))
            elif item.stage is _Stage.HELD and is_ours:
                item.stage = _Stage.OPEN
                self._open += 1
                actions.append(Open(shard, item.token))
            elif not self.lapsed:
                self._ask_for(now, shard, item, actions)

    def _ask_for(self, now: float, shard: int, item: _Shard, actions: list[Action]) -> None:
        """Have the engine do what a shard needs of it, if anything."""
        if item.stage is _Stage.HELD and shard not in self._mine:
            item.stage = _Stage.GIVEN
        if item.stage is _Stage.WANTED and shard not in self._mine:
            if now >= item.doubted_until:
                del self._shards[shard]
                return
            item.must_look = True  # a claim may still come about, and nobody would have it
        if item.stage not in (_Stage.WANTED, _Stage.GIVEN):
            return
        if self._at_engine >= MOST_AT_ONCE:
            self._waiting.append(shard)
            return
        self._at_engine += 1
        item.busy, item.due = True, -math.inf
        if item.stage is _Stage.GIVEN:
            actions.append(Release(shard, self.lease, item.token))
        elif item.must_look:
            actions.append(Look(shard, self.lease))
        else:
            actions.append(Claim(shard, self.lease))

    # -- what happened ---------------------------------------------------------------------

    def granted(self, sent_at: float, lease: int, ttl: float) -> None:
        """A lease was granted.

        Args:
            sent_at: When it was asked for.
            lease: Its id.
            ttl: Seconds that it has.
        """
        self._lease_busy = False
        self.lease = lease
        self._prolong(sent_at, ttl)

    def not_granted(self, now: float) -> None:
        """There is no lease yet."""
        self._lease_busy = False
        self._lease_due = now + AGAIN_S

    def kept(self, sent_at: float, ttl: float) -> None:
        """The lease was prolonged, or is gone.

        Args:
            sent_at: When it was asked for.
            ttl: Seconds that the lease has again; 0 where it is gone.
        """
        self._lease_busy = False
        if ttl > 0:
            self._prolong(sent_at, ttl)
        else:
            self._lose_lease()

    def not_kept(self, now: float) -> None:
        """Whether the lease is still there is not known."""
        self._lease_busy = False
        self._lease_due = now + min(AGAIN_S, self._ttl / 6)

    def joined(self, now: float, lease: int, *, done: bool) -> None:
        """Our key is among those of the members, or it is not known."""
        self._join_busy = False
        self._join_due = now + AGAIN_S
        if done and lease == self.lease:
            self._has_joined = self._is_member = self._changed = True

    def members_are(self, members: Mapping[str, float]) -> None:
        """All who are in the fleet: identifier → weight."""
        self._members = dict(members)
        self._has_joined = self._has_joined and self._me in members
        self._changed = True

    def member_is(self, who: str, weight: float | None) -> None:
        """Somebody has come, with a weight, or gone, with None."""
        if self._members is None or self._members.get(who) == weight:
            return
        if weight is None:
            del self._members[who]
            self._has_joined = self._has_joined and who != self._me
        else:
            self._members[who] = weight
        self._changed = True

    def claimed(self, now: float, lease: int, shard: int, token: int | None) -> None:
        """A key was created, with a revision, or another one exists, with None."""
        item = self._back(lease, shard)
        if item is None:
            return
        if token is None:
            # It may be our own, by a claim that was thought to be lost.
            item.must_look = now < item.doubted_until
            self._put_off(shard, now + RETRY_S)
        else:
            self._hold(shard, item, token)

    def looked(self, now: float, lease: int, shard: int, entry: Entry | None) -> None:
        """What is kept under the key of a shard, or None for nothing."""
        item = self._back(lease, shard)
        if item is None:
            return
        if entry is not None and entry.lease == lease:
            self._hold(shard, item, entry.create_revision)
            return
        item.must_look = False
        self._put_off(shard, now + (RETRY_S if shard in self._mine else AGAIN_S))

    def released(self, lease: int, shard: int) -> None:
        """The key of a shard is gone, or another one's."""
        item = self._back(lease, shard)
        if item is not None:
            # An older claim may come about still; who looks for that forgets the shard later.
            fresh = self._shards[shard] = _Shard()
            fresh.doubted_until = item.doubted_until
            self._ready.append(shard)

    def unclear(self, now: float, lease: int, shard: int) -> None:
        """What was asked about the key of a shard was not answered, or not as it should be."""
        item = self._back(lease, shard)
        if item is None:
            return
        if item.stage is _Stage.WANTED:
            if not item.must_look:
                item.doubted_until = now + DOUBT_S
            item.must_look = True
        self._put_off(shard, now + AGAIN_S)

    def closed(self, shard: int, token: int) -> None:
        """All lines to the devices of a shard are closed."""
        self._left_open.discard(shard)
        item = self._shards.get(shard)
        if item is not None and item.stage is _Stage.CLOSING and item.token == token:
            item.stage, item.busy = _Stage.HELD, False
            self._ready.append(shard)

    # -- inside ----------------------------------------------------------------------------

    def _prolong(self, sent_at: float, ttl: float) -> None:
        self._lease_due = sent_at + ttl / 3
        deadline = sent_at + ttl - MARGIN_S
        if deadline <= self.deadline:
            return
        self.deadline = deadline
        if self.lapsed:
            # Where that is over, too, by now, the next step notices.
            self.lapsed = False
            self._ready.extend(self._shards)

    def _lose_lease(self) -> None:
        """All keys are gone: begin anew, as if nothing had been."""
        self.lease = 0
        self._lease_due = -math.inf
        self.deadline, self.lapsed = -math.inf, True
        self._has_joined = self._is_member = False
        self._join_due = -math.inf
        self._at_engine = self._open = 0
        self._later.clear()
        for shard, item in self._shards.items():
            if item.stage is _Stage.OPEN:
                self._left.append(Close(shard, item.token))
            if item.stage in (_Stage.OPEN, _Stage.CLOSING):
                self._left_open.add(shard)
        self._mine, self._changed = frozenset(), True
        self._shards.clear()
        self._ready.clear()
        self._waiting.clear()

    def _back(self, lease: int, shard: int) -> _Shard | None:
        """The shard about which the engine has told something; None where it is of no use."""
        if lease != self.lease:
            return None  # the keys of that lease are gone, and so is their count
        item = self._shards.get(shard)
        self._at_engine -= 1
        if item is not None:
            item.busy = False
        return item

    def _hold(self, shard: int, item: _Shard, token: int) -> None:
        item.stage, item.token, item.must_look = _Stage.HELD, token, False
        self._ready.append(shard)

    def _put_off(self, shard: int, until: float) -> None:
        self._shards[shard].due = until
        heapq.heappush(self._later, (until, shard))
