"""Processes of a fleet, their engine and units in virtual time, with all that can go wrong.

No event loop: a heap of what happens when. A schedule of a minute takes some milliseconds.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable

from rct_collector.fleet.engine import Compacted, EngineError
from rct_collector.fleet.fence import Fence
from rct_collector.fleet.membership import (
    Claim,
    Close,
    Grant,
    Join,
    Look,
    Membership,
    Open,
    Prolong,
    Release,
)
from rct_collector.fleet.sharding import Portion
from tests.fleet.engine import Store

TTL_S = 3.0
TIMEOUT_S = 0.75

#: So often a unit is asked, in seconds, while there is trouble, and when there is none any more.
POLL_S, CALM_POLL_S = 0.25, 5.0

#: What is on its way to a unit arrives within so many seconds.
SLOWEST_S = 0.4


class World:
    """The network, the engine and the units.

    Attributes:
        now: Seconds.
        heard: Shard → highest fencing token that its unit has heard a request of.
        requests: How many the units have heard.
        broken: What the law forbids, in words.
    """

    def __init__(self, seed: int, *, shards: int = 6) -> None:
        self.chance = random.Random(seed)
        self.now = 100.0
        self.shards = shards
        self.store = Store(lambda: self.now)
        self.store.told = self._changed
        self.processes: list[Process] = []
        self.heard: dict[int, int] = {}
        self.requests = 0
        self.poll_s = POLL_S
        self.broken: list[str] = []
        self.frozen = False
        self.lossy = self.slow = 0.0
        self._queue: list[Callable[[], None]] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._names = itertools.count(1)

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            if not self.frozen:
                self.store.expire()
            what()
        self.now = until

    def start(self) -> Process:
        process = Process(self, f"p{next(self._names)}")
        self.processes.append(process)
        process.begin()
        return process

    def alive(self) -> list[Process]:
        return [process for process in self.processes if process.alive]

    # -- the units -------------------------------------------------------------------------

    def hear(self, process: Process, shard: int, token: int) -> None:
        self.requests += 1
        highest = self.heard.get(shard, 0)
        if token < highest:
            self.broken.append(
                f"{self.now:.2f}: shard {shard} is asked by {process.name} under {token} after"
                f" {highest}"
            )
        self.heard[shard] = max(token, highest)

    # -- the engine ------------------------------------------------------------------------

    def ask(
        self, process: Process, what: Callable[[], object], then: Callable[[object], None]
    ) -> None:
        """Have the engine do something; ``then`` gets what comes of it, or an EngineError."""
        chance, answered = self.chance, False

        def answer(result: object) -> None:
            nonlocal answered
            if not answered:
                answered = True
                process.wake(lambda: then(result))

        def arrive() -> None:
            if process.cut_off:
                return
            if self.frozen:
                self._queue.append(arrive)
                return
            try:
                result: object = what()
            except EngineError as error:
                result = error
            if chance.random() >= self.lossy:
                self.after(self._delay(), lambda: process.cut_off or answer(result))

        self.after(TIMEOUT_S, lambda: answer(EngineError("no answer")))
        if chance.random() >= self.lossy / 2:
            late = chance.uniform(0, 4) if chance.random() < self.lossy / 2 else 0.0
            self.after(self._delay() + late, arrive)

    def _delay(self) -> float:
        return self.chance.uniform(0.001, 0.01 + self.slow)

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        """It goes on: with what waits first, or with what has ended meanwhile."""
        self.frozen = False
        if self.chance.random() < 0.5:
            self.store.expire()
        waiting, self._queue = self._queue, []
        for arrive in waiting:
            arrive()
        self._changed()

    def _changed(self) -> None:
        for process in self.processes:
            if process.watching and process.alive:
                self.after(self._delay(), process.look_at_watch)


class Process:
    """A process of the fleet: a membership, and a poll of each of its units every now and then.

    It may be stopped, as by SIGSTOP: then whatever was to happen to it happens when it goes on, in
    no certain order.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.alive, self.cut_off, self.stopped = True, False, False
        self.watching = False
        self._watched_from = 0
        self._held_back: list[Callable[[], None]] = []
        self._timer_at = 0.0
        self.fence = Fence(lambda: world.now)
        self.membership = Membership(name, 1.0, TTL_S, Portion(name, world.shards))
        self.open: dict[int, int] = {}

    def begin(self) -> None:
        self.act()
        self._list()
        self.poll()

    def wake(self, what: Callable[[], None]) -> None:
        """Something happens to the process, as soon as it runs."""

        def happen() -> None:
            what()
            self.act()

        self._when_it_runs(happen)

    def _when_it_runs(self, what: Callable[[], None]) -> None:
        if self.stopped:
            self._held_back.append(what)
        elif self.alive:
            what()

    def stop(self) -> None:
        self.stopped = True

    def go_on(self) -> None:
        self.stopped = False
        late, self._held_back = self._held_back, []
        self.world.chance.shuffle(late)
        for what in late:
            self._when_it_runs(what)

    def kill(self) -> None:
        self.alive = False
        self.open.clear()

    def leave(self) -> None:
        """As for SIGTERM: lines first, then the lease."""
        if not self.alive or self.stopped:
            return
        lease = self.membership.lease
        self.fence.deadline = -math.inf
        self.kill()
        self.world.ask(self, lambda: self.world.store.revoke(lease), lambda _: None)

    def poll(self) -> None:
        """Ask each unit; what the fence lets pass arrives a little later."""
        world = self.world
        for shard, token in list(self.open.items()):
            self._ask(shard, token)
        world.after(world.poll_s, lambda: self._when_it_runs(self.poll))

    def _ask(self, shard: int, token: int) -> None:
        if not self.may_send():
            return

        def arrive() -> None:
            # What was not sent yet goes with the line; what is under way arrives all the same.
            if self.open.get(shard) == token:
                self.world.hear(self, shard, token)

        self.world.after(self.world.chance.uniform(0, SLOWEST_S), arrive)

    def may_send(self) -> bool:
        return self.fence.may_send()

    def look_at_watch(self) -> None:
        if self.cut_off or self.world.frozen:
            return
        self.wake(self._watch)

    def lose_watch(self) -> None:
        self.watching = False
        self.world.after(0.5, lambda: self.wake(self._list))

    def _list(self) -> None:
        def then(found: object) -> None:
            if isinstance(found, EngineError):
                self.world.after(0.5, lambda: self.wake(self._list))
                return
            entries, revision = found
            self.watching, self._watched_from = True, revision + 1
            self.membership.members_are({item.key.split("/")[1]: 1.0 for item in entries})
            self._watch()

        self.world.ask(self, lambda: self.world.store.list("member/"), then)

    def _watch(self) -> None:
        if not self.watching:
            return
        try:
            changes, self._watched_from = self.world.store.since("member/", self._watched_from)
        except Compacted:
            self.lose_watch()
            return
        for change in changes:
            self.membership.member_is(change.key.split("/")[1], 1.0 if change.entry else None)

    def act(self) -> None:
        """Do what the membership says, and have it called when it wants to."""
        world, membership = self.world, self.membership
        for action in membership.step(world.now):
            self._do(action)
        self.fence.deadline = membership.deadline
        due = membership.next_due()
        if due < float("inf") and self._timer_at != due:
            self._timer_at = due
            world.after(max(0.0, due - world.now), lambda: self.wake(lambda: None))

    def _do(self, action: object) -> None:
        world, store, member = self.world, self.world.store, self.membership
        sent_at = world.now

        def failed(found: object) -> bool:
            return isinstance(found, EngineError)

        match action:
            case Grant():
                world.ask(self, lambda: store.grant(TTL_S), lambda found: (
                    member.not_granted(world.now) if failed(found)
                    else member.granted(sent_at, found, TTL_S)
                ))  # fmt: skip
            case Prolong(lease):
                world.ask(self, lambda: store.keep_alive(lease), lambda found: (
                    member.not_kept(world.now) if failed(found) else member.kept(sent_at, found)
                ))  # fmt: skip
            case Join(lease):
                key = f"member/{self.name}"
                world.ask(self, lambda: store.put(key, b"", lease), lambda found: (
                    member.joined(world.now, lease, done=not failed(found))
                ))  # fmt: skip
            case Claim(shard, lease):
                key, value = f"shard/{shard}", self.name.encode()
                world.ask(self, lambda: store.create(key, value, lease), lambda found: (
                    member.unclear(world.now, lease, shard) if failed(found)
                    else member.claimed(world.now, lease, shard, found)
                ))  # fmt: skip
            case Look(shard, lease):
                world.ask(self, lambda: store.get(f"shard/{shard}"), lambda found: (
                    member.unclear(world.now, lease, shard) if failed(found)
                    else member.looked(world.now, lease, shard, found)
                ))  # fmt: skip
            case Release(shard, lease, token):
                key = f"shard/{shard}"
                world.ask(self, lambda: store.delete(key, token), lambda found: (
                    member.unclear(world.now, lease, shard) if failed(found)
                    else member.released(lease, shard)
                ))  # fmt: skip
            case Open(shard, token):
                self.expect_closed(shard)
                self.open[shard] = token
                self._ask(shard, token)
            case Close(shard, token):
                self.close(shard, token)

    def expect_closed(self, shard: int) -> None:
        assert shard not in self.open

    def close(self, shard: int, token: int) -> None:
        """Close the lines of a shard, which takes a moment."""
        assert self.open[shard] == token
        self.world.after(
            self.world.chance.uniform(0, 1.0), lambda: self.wake(lambda: self.closed(shard, token))
        )

    def closed(self, shard: int, token: int) -> None:
        del self.open[shard]
        self.membership.closed(shard, token)


# -- what goes wrong ---------------------------------------------------------------------------


def _partition(world: World, process: Process, seconds: float) -> None:
    process.cut_off = True
    process.lose_watch()

    def heal() -> None:
        process.cut_off = False

    world.after(seconds, heal)


def _pause(world: World, process: Process, seconds: float) -> None:
    process.stop()
    world.after(seconds, process.go_on)


def _silence(world: World, _process: Process, seconds: float) -> None:
    if not world.frozen:
        world.freeze()
        world.after(seconds, world.thaw)


def _new_leader(world: World, process: Process, _seconds: float) -> None:
    world.freeze()

    def elected() -> None:
        world.store.extend()
        world.thaw()

    world.after(1.0, elected)
    for other in world.processes:
        other.lose_watch()


def _lose_watch(world: World, process: Process, _seconds: float) -> None:
    if world.chance.random() < 0.5:
        world.store.compact()
    process.lose_watch()


def _lose_answers(world: World, _process: Process, seconds: float) -> None:
    world.lossy = 0.4

    def end() -> None:
        world.lossy = 0.0

    world.after(seconds, end)


def _slow_down(world: World, _process: Process, seconds: float) -> None:
    world.slow = 0.6

    def end() -> None:
        world.slow = 0.0

    world.after(seconds, end)


def _kill(world: World, process: Process, seconds: float) -> None:
    process.kill()
    world.after(seconds, world.start)


def _restart(world: World, process: Process, seconds: float) -> None:
    process.leave()
    world.after(seconds, world.start)


def _roll(world: World, _process: Process, _seconds: float) -> None:
    """Each process in turn."""
    for n, process in enumerate(world.alive()):

        def restart(process: Process = process) -> None:
            process.leave()
            if not process.alive:
                world.start()

        world.after(1.5 * n, restart)


def _join(world: World, _process: Process, _seconds: float) -> None:
    if len(world.alive()) < 5:
        world.start()


FAULTS = [
    _partition, _pause, _silence, _new_leader, _lose_watch, _lose_answers, _slow_down, _kill,
    _restart, _roll, _join,
]  # fmt: skip

#: The faults come within so many seconds.
TROUBLE_S = 25.0

#: So long after the last one all is in order again: whatever was begun has come to its end.
CALM_S = 30.0


def _strike(world: World, faults: list) -> None:
    chance = world.chance
    if world.alive():
        fault = chance.choice(faults)
        fault(world, chance.choice(world.alive()), chance.uniform(0.5, 2.5 * TTL_S))


def play(seed: int, *, faults: list = FAULTS) -> World:
    """A schedule of faults, and calm after it."""
    world = World(seed)
    chance = world.chance
    for _ in range(chance.randint(2, 3)):
        world.after(chance.uniform(0, 2), world.start)
    for _ in range(chance.randint(2, 6)):
        world.after(chance.uniform(4, TROUBLE_S), lambda: _strike(world, faults))
    world.run(world.now + TROUBLE_S + 3 * TTL_S)
    world.poll_s = CALM_POLL_S
    world.run(world.now + CALM_S)
    return world
