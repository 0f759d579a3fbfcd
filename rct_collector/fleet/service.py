"""A collector in a fleet: it collects from the devices of the shards that are this process's.

::

    engine ── watch ──► membership ── Open, Close ──► lists of devices ──► Collector.apply
       ▲                   │
       └── lease, keys ────┘ deadline ──► fence ──► each request

What :mod:`rct_collector.fleet.membership` says is done here. Lines are closed before a key is given
back, since :meth:`Collector.apply` returns when they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rct_collector import __version__
from rct_collector.collector import Applied, Collector
from rct_collector.config import Config, DeviceConfig
from rct_collector.errors import ConfigError, TransportError
from rct_collector.fleet.engine import Change, Compacted, Engine, EngineError, Entry
from rct_collector.fleet.fence import Fence, since_boot
from rct_collector.fleet.keys import (
    FleetKeys,
    FleetMember,
    devices_in,
    member_for,
    member_in,
    number_of,
    shards_in,
)
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
from rct_collector.fleet.sharding import Portion, shard_of
from rct_collector.tasks import first_of

if TYPE_CHECKING:
    from rct_collector.config.fleet import FleetOptions

log = logging.getLogger(__name__)

#: What the engine did not tell is asked again after this many seconds.
AGAIN_S = 0.5

#: So often it is looked whether the fleet is still the one that it was, in seconds.
CHECK_S = 30.0

#: So long nothing may be due, in seconds.
LONGEST_PAUSE_S = 3600.0

#: So long lines may take to be closed at the end, in seconds; after that the lease ends by itself.
CLOSE_S = 1.0

#: So long the engine may take to let the lease go at the end, in seconds; it goes by itself, too.
REVOKE_S = 1.0

#: Lists of devices that are asked for at a time.
MOST_LISTS = 16

#: Where a process has taken so large a part of the shards at once, all lists are read in one go.
LARGE_PART = 1 / 32


class _List(NamedTuple):
    """The devices of a shard, as they were at a revision; none of them at 0, before it is read."""

    revision: int
    devices: tuple[DeviceConfig, ...]


_UNREAD = _List(0, ())


class _Other(Exception):  # noqa: N818 - no error, but a reason to begin anew
    """The fleet is not the one any more that this process has joined."""


class Fleet:
    """One process of a fleet; also what :class:`Collector` and its reloading take.

    Attributes:
        config: What the configuration says beside the devices.
        membership: What this process takes, keeps and gives back; None before it is known what
            fleet it is.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine | None = None,
        *,
        me: str = "",
        now: Callable[[], float] = since_boot,
    ) -> None:
        """Take part in nothing yet; to be made on the loop on which it runs.

        Args:
            config: A checked configuration with a fleet.
            engine: Keeps the keys; by default etcd, as the configuration says.
            me: Identifier of this process, which no other one has; by default a new one.
            now: A clock that also runs while the host is suspended, in seconds.

        Raises:
            ConfigError: The library for etcd is not installed.
        """
        assert config.fleet is not None  # noqa: S101 - the caller has looked
        options: FleetOptions = config.fleet
        if engine is None:
            engine = etcd_engine(options)
        self.config = config
        self.membership: Membership | None = None
        self._options = options
        self._keys = FleetKeys(options.prefix)
        self._engine = engine
        self._me = me or f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
        self._now = now
        self._fence = Fence(now)
        self._collector: Collector | None = None
        self._shards = 0
        self._lists: dict[int, _List] = {}
        self._closing: list[Close] = []
        self._changed = asyncio.Event()
        self._opened = asyncio.Event()
        self._room = asyncio.Semaphore(MOST_LISTS)
        self._group: asyncio.TaskGroup | None = None
        self._applying: set[asyncio.Task[Applied]] = set()
        self._acted = asyncio.Event()
        self._told = _Told()

    # -- what a collector asks -------------------------------------------------------------

    def may_send(self) -> bool:
        """Whether anything may be sent to any device at this moment."""
        return self._fence.may_send()

    async def confirm(self, device: DeviceConfig) -> None:
        """Make sure that a device is ours, by the key of its shard as it is at this moment.

        Raises:
            TransportError: It is not, or that cannot be told.
        """
        shard = shard_of(device.address.key, self._shards) if self._shards else -1
        token = self.membership.token(shard) if self.membership else 0
        try:
            entry = await self._engine.get(f"{self._keys.shards}{shard}") if token else None
        except EngineError as error:
            raise TransportError(f"whose the device is cannot be told: {error}") from error
        if entry is None or entry.create_revision != token:
            raise TransportError("the device is another process's of the fleet at present")

    async def apply(self, config: Config) -> Applied:
        """Take a configuration that was read again; what it says of the fleet counts later.

        Args:
            config: A checked configuration.
        """
        later: tuple[str, ...] = ()
        if config.fleet != self.config.fleet:
            later = ("fleet: another one counts from the next start on",)
        self.config = dataclasses.replace(config, devices=(), fleet=self.config.fleet)
        if self._collector is None:
            return Applied((), (), (), (), {}, later)
        applied = await self._apply(self._collector)
        return applied._replace(later=later)

    # -- running ---------------------------------------------------------------------------

    async def run(self, collector: Collector, until: Coroutine[Any, Any, Any]) -> None:
        """Take part until something else has ended; then close all lines and let the lease go.

        Args:
            collector: Runs beside this, and has no devices of its own.
            until: What is waited for.
        """
        self._collector = collector
        try:
            await first_of(until, self._take_part(collector))
        finally:
            self._fence.deadline = float("-inf")
            collector.hang_up()
            await self._let_go()
            await self._engine.close()

    async def _take_part(self, collector: Collector) -> None:
        """Join the fleet, and join it anew whenever it has become another one."""
        while True:
            self._shards = await self._expected()
            share = Portion(self._me, self._shards)
            self.membership = Membership(self._me, self._options.weight, self._options.ttl, share)
            try:
                async with asyncio.TaskGroup() as self._group:
                    for job in (
                        self._keep_time(self.membership), self._watch_members(),
                        self._watch_lists(), self._read_lists(), self._bring_about(collector),
                        self._check(),
                    ):  # fmt: skip
                        self._group.create_task(job)
            except* _Other as group:
                log.error("%s", group.exceptions[0])
            finally:
                self._group = None
            self._fence.deadline = float("-inf")
            self._lists.clear()
            self._closing.clear()
            await self._apply(collector)
            await self._let_go()

    async def _let_go(self) -> None:
        """Have the lease go, so that others need not wait until its time is over.

        Not before lines are closed, since keys go with it.
        """
        membership, self.membership = self.membership, None
        if membership is None or not membership.lease:
            return
        reason = "lines are not closed yet"
        if self._applying:
            await asyncio.wait(self._applying, timeout=CLOSE_S)
        if not self._applying:
            try:
                async with asyncio.timeout(REVOKE_S):
                    await self._engine.revoke(membership.lease)
            except (EngineError, TimeoutError) as error:
                reason = str(error) or "no answer"
            else:
                return
        log.warning(
            "fleet: the lease could not be let go, so that others take over after %g s: %s",
            self._options.ttl, reason,
        )  # fmt: skip

    async def _expected(self) -> int:
        """How many shards the fleet has, once there is one that this process can join."""
        while True:
            try:
                settings = await self._engine.get(self._keys.settings)
                if settings is not None:
                    shards = shards_in(settings)
                    entries, _ = await self._engine.list(self._keys.members)
                    others = [self._counts_otherwise(member_in(entry), shards) for entry in entries]
                    if not (other := next(filter(None, others), "")):
                        return shards
                    self._told.once("count", other)
                else:
                    self._told.once(
                        "none",
                        f"there is no fleet at {self._keys.settings}: 'rct-collector fleet apply'"
                        " makes it, with its devices",
                    )  # fmt: skip
                self._told.reached()
            except EngineError as error:
                self._told.lost(error, "no device is asked before it answers")
            await asyncio.sleep(4 * AGAIN_S)

    def _counts_otherwise(self, member: FleetMember, shards: int) -> str:
        """Whether somebody has joined with another number of shards, in words; "" if not."""
        if member.shards in (0, shards):
            return ""
        return (
            f"{self._keys.settings} says {shards} shards, and {member.id} on {member.host}"
            f" has joined with {member.shards}: the number is fixed when a fleet is made."
            " Stop all its processes before it is made anew"
        )

    def _expect_alike(self, member: FleetMember) -> FleetMember:
        """A member that counts as we do.

        Raises:
            _Other: It does not.
        """
        if other := self._counts_otherwise(member, self._shards):
            raise _Other(other)
        return member

    async def _check(self) -> None:
        """Notice when the fleet has become another one.

        Raises:
            _Other: It has.
        """
        while True:
            await asyncio.sleep(CHECK_S)
            with contextlib.suppress(EngineError):  # the lease tells of that
                await self._expect_same()

    async def _expect_same(self) -> None:
        """Look whether the fleet is still the one that it was.

        Raises:
            _Other: It is not.
            EngineError: That cannot be told.
        """
        settings = await self._engine.get(self._keys.settings)
        shards = shards_in(settings) if settings else 0
        if shards != self._shards:
            found = f"{shards} shards" if shards else "no fleet"
            raise _Other(
                f"{self._keys.settings}: found {found}, expected {self._shards} shards, as when"
                " this process joined; no device is asked until it is clear what fleet it is"
            )

    # -- the membership --------------------------------------------------------------------

    def _act(self) -> None:
        """Do what is due."""
        membership, group = self.membership, self._group
        if membership is None or group is None:
            return
        was_lapsed = membership.lapsed
        actions = membership.step(self._now())
        self._fence.deadline = membership.deadline
        if membership.lapsed and not was_lapsed:
            self._told.lapsed(len(membership.mine))
        claims: list[Claim] = []
        releases: list[Release] = []
        for action in actions:
            if isinstance(action, Open):
                self._lists[action.shard] = _UNREAD
                self._opened.set()
            elif isinstance(action, Close):
                self._lists.pop(action.shard, None)
                self._closing.append(action)
                self._changed.set()
            elif isinstance(action, Claim):
                claims.append(action)
            elif isinstance(action, Release):
                releases.append(action)
            else:
                group.create_task(self._do(membership, action))
        if claims:
            group.create_task(self._claim(membership, claims))
        if releases:
            group.create_task(self._release(membership, releases))
        if membership.is_settled:
            self._told.settled(len(membership.members), len(membership.mine), self._shards)
        self._acted.set()

    async def _keep_time(self, membership: Membership) -> None:
        """Do what is due at its time; a bug in it ends all, since nobody kept the lease alive."""
        self._act()
        while True:
            self._acted.clear()
            pause = membership.next_due() - self._now()
            try:
                async with asyncio.timeout(min(max(pause, 0.0), LONGEST_PAUSE_S)):
                    await self._acted.wait()
            except TimeoutError:
                self._act()

    async def _do(self, membership: Membership, action: Grant | Prolong | Join | Look) -> None:
        """Have the engine do something, and tell what came of it."""
        try:
            await self._ask(membership, action)
        except EngineError as error:
            if isinstance(action, Grant | Prolong):
                left = membership.deadline - self._now()
                self._told.lost(error, f"devices are asked for another {max(left, 0):.1f} s")
            now = self._now()
            match action:
                case Grant():
                    membership.not_granted(now)
                case Prolong():
                    membership.not_kept(now)
                case Join(lease):
                    membership.joined(now, lease, done=False)
                case Look(shard, lease):
                    membership.unclear(now, lease, shard)
        self._act()

    async def _claim(self, membership: Membership, claims: Sequence[Claim]) -> None:
        """Create the keys of shards, each where it does not exist."""
        keys = [f"{self._keys.shards}{claim.shard}" for claim in claims]
        try:
            tokens = await self._engine.create_all(keys, self._me.encode(), claims[0].lease)
        except EngineError as error:
            self._unclear(membership, claims, error)
        else:
            for claim, token in zip(claims, tokens, strict=True):
                membership.claimed(self._now(), claim.lease, claim.shard, token)
        self._act()

    async def _release(self, membership: Membership, releases: Sequence[Release]) -> None:
        """Delete the keys of shards, each if it is the one that was ours."""
        revisions = {f"{self._keys.shards}{item.shard}": item.token for item in releases}
        try:
            await self._engine.delete_all(revisions)
        except EngineError as error:
            self._unclear(membership, releases, error)
        else:
            for item in releases:
                membership.released(item.lease, item.shard)
        self._act()

    def _unclear(
        self, membership: Membership, actions: Sequence[Claim | Release], error: EngineError
    ) -> None:
        log.debug("fleet: what became of %d keys is looked at: %s", len(actions), error)
        for action in actions:
            membership.unclear(self._now(), action.lease, action.shard)

    async def _ask(self, membership: Membership, action: Grant | Prolong | Join | Look) -> None:
        """Ask the engine.

        Raises:
            EngineError: It does not answer, or refuses.
        """
        engine, options, sent_at = self._engine, self._options, self._now()
        match action:
            case Grant():
                membership.granted(sent_at, await engine.grant(options.ttl), options.ttl)
                self._told.reached()
            case Prolong(lease):
                left = await engine.keep_alive(lease)
                if not left:
                    log.warning("fleet: the lease is gone; beginning anew with another one")
                membership.kept(sent_at, left)
                self._told.reached()
            case Join(lease):
                member = FleetMember(
                    self._me, socket.gethostname(), options.weight, __version__, self._shards
                )
                await engine.put(f"{self._keys.members}{self._me}", member_for(member), lease)
                # Who reads the settings after a change of them sees our key; we see it otherwise.
                await self._expect_same()
                membership.joined(self._now(), lease, done=True)
            case Look(shard, lease):
                entry = await engine.get(f"{self._keys.shards}{shard}")
                membership.looked(self._now(), lease, shard, entry)

    async def _watch_members(self) -> None:
        """Keep track of who there is; a watch that is lost is no news of anybody."""

        async def begin() -> int:
            entries, revision = await self._engine.list(self._keys.members)
            found = [self._expect_alike(member_in(entry)) for entry in entries]
            if self.membership is not None:
                self.membership.members_are({member.id: member.weight for member in found})
                self._act()
            return revision

        def take(change: Change) -> None:
            if self.membership is not None:
                weight = None
                if change.entry is not None:
                    weight = self._expect_alike(member_in(change.entry)).weight
                self.membership.member_is(change.key.removeprefix(self._keys.members), weight)
                self._act()

        await self._watch(self._keys.members, begin, take)

    # -- lists of devices ------------------------------------------------------------------

    async def _watch_lists(self) -> None:
        """Keep track of the lists of devices: all are told, and those of others are passed over."""

        async def begin() -> int:
            _, revision = await self._engine.list(self._keys.settings)
            for shard in list(self._lists):
                entry = await self._engine.get(f"{self._keys.devices}{shard}")
                self._take_list(shard, entry, revision)
            return revision

        def take(change: Change) -> None:
            number = number_of(change.key, self._keys.devices)
            self._take_list(number, change.entry, change.revision)

        await self._watch(self._keys.devices, begin, take)

    async def _watch(
        self,
        prefix: str,
        begin: Callable[[], Coroutine[Any, Any, int]],
        take: Callable[[Change], None],
    ) -> None:
        """Hand over changes; a watch that is lost goes on where it was, if that is still kept.

        Args:
            prefix: Of the keys.
            begin: Takes what there is, and returns its revision.
            take: Takes each change.
        """
        seen = 0
        while True:
            try:
                seen = seen or await begin()
                async for change in self._engine.watch(prefix, seen + 1):
                    take(change)
                    seen = change.revision - 1  # of one revision there may be more
            except Compacted:
                seen = 0
            except EngineError as error:
                log.debug("fleet: the watch of %s is begun again: %s", prefix, error)
            await asyncio.sleep(AGAIN_S)

    async def _read_lists(self) -> None:
        """Read the devices of shards that have become ours, as many at a time as there are."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            unread = [shard for shard, known in self._lists.items() if known is _UNREAD]
            try:
                if len(unread) > LARGE_PART * self._shards:
                    entries, _ = await self._engine.list(self._keys.devices)
                    found = {number_of(entry.key, self._keys.devices): entry for entry in entries}
                    for shard in unread:
                        self._take_list(shard, found.get(shard), 1)
                else:
                    async with asyncio.TaskGroup() as group:
                        for shard in unread:
                            group.create_task(self._read_list(shard))
            except* EngineError as errors:
                why = errors.exceptions[0]
                log.debug("fleet: devices of %d shards are read later: %s", len(unread), why)
                self._opened.set()
                await asyncio.sleep(AGAIN_S)

    async def _read_list(self, shard: int) -> None:
        async with self._room:
            entry = await self._engine.get(f"{self._keys.devices}{shard}")
        self._take_list(shard, entry, 1)

    def _take_list(self, shard: int, entry: Entry | None, revision: int) -> None:
        """Take the devices of a shard, if it is ours and they are news.

        Args:
            shard: Its number.
            entry: What is there; None for nothing.
            revision: At which there was nothing.
        """
        known = self._lists.get(shard)
        revision = entry.mod_revision if entry is not None else revision
        if known is None or revision <= known.revision:
            return
        found = self._devices(entry) if entry is not None else ()
        self._lists[shard] = _List(revision, found)
        if found != known.devices:
            self._changed.set()

    def _devices(self, entry: Entry) -> tuple[DeviceConfig, ...]:
        """The devices of a list, as far as they can be used; what cannot is told."""
        try:
            items = devices_in(entry)
        except EngineError as error:
            log.error("%s", error)
            return ()
        if not items:
            return ()
        config, problems = Config.salvage({"devices": items}, entry.key)
        for problem in problems:
            log.error("%s", problem)
        return config.devices if config is not None else ()

    def _wanted(self) -> Config:
        """What is to be collected from now."""
        devices = [item for found in self._lists.values() for item in found.devices]
        return dataclasses.replace(self.config, devices=tuple(self._told.differing(devices)))

    async def _bring_about(self, collector: Collector) -> None:
        """Bring the collector in line with the lists; then what was closed may be given back."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            closing, self._closing = self._closing, []
            await self._apply(collector)
            for action in closing:
                if self.membership is not None:
                    self.membership.closed(action.shard, action.token)
            self._act()

    async def _apply(self, collector: Collector) -> Applied:
        """Have the collector do so, to the end: what is broken off may leave lines open."""
        applying = asyncio.create_task(collector.apply(self._wanted()))
        self._applying.add(applying)
        applying.add_done_callback(self._applying.discard)
        return await asyncio.shield(applying)


def etcd_engine(options: FleetOptions) -> Engine:
    """The usual engine.

    Raises:
        ConfigError: Its library is not installed.
    """
    try:
        from rct_collector.fleet.etcd import Etcd
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise ConfigError(
            [
                "fleet: needs aiohttp: the Debian package python3-aiohttp, or with pip the extra"
                " rct-collector[fleet]"
            ]
        ) from None
    return Etcd(options)


class _Told:
    """What is said in the log: each once, until it is over."""

    def __init__(self) -> None:
        self._is_lost = False
        self._said: dict[str, str] = {}
        self._doubles: frozenset[tuple[str, str]] = frozenset()
        self._settled: tuple[int, int] | None = None

    def once(self, kind: str, text: str) -> None:
        """Say something of a kind, unless it was what was said last of it."""
        if self._said.get(kind) != text:
            self._said[kind] = text
            log.error("fleet: %s", text)

    def lost(self, error: EngineError, then: str) -> None:
        """The engine does not answer, or refuses."""
        if not self._is_lost:
            self._is_lost = True
            log.warning("fleet: %s; %s", error, then)

    def lapsed(self, shards: int) -> None:
        """Nothing is asked any more."""
        log.error(
            "fleet: it is not known any more whose the devices are, so that none of %d shards is"
            " asked", shards,
        )  # fmt: skip

    def reached(self) -> None:
        """The engine answers."""
        if self._is_lost:
            self._is_lost = False
            log.info("fleet: the engine answers again")

    def settled(self, members: int, mine: int, shards: int) -> None:
        """This process has what it should have."""
        if self._settled != (members, mine):
            before, self._settled = self._settled, (members, mine)
            was = f", {before[1]} before" if before else ""
            log.info(
                "fleet: %d of %d shards are collected from here%s; processes: %d",
                mine, shards, was, members,
            )  # fmt: skip

    def differing(self, devices: Sequence[DeviceConfig]) -> list[DeviceConfig]:
        """Of devices that share a name, or an address and a unit, the first; told of the others."""
        names: dict[str, DeviceConfig] = {}
        places: dict[tuple[str, str], str] = {}
        doubles = set()
        kept = []
        for item in devices:
            if item.name in names:
                doubles.add((item.name, f"there is another {item.name}"))
            elif other := places.get(item.identity):
                doubles.add((item.name, f"{item.address} is asked by {other} already"))
            else:
                names[item.name], places[item.identity] = item, item.name
                kept.append(item)
        for name, why in sorted(doubles - self._doubles):
            log.error("fleet: %s is left out: %s", name, why)
        self._doubles = frozenset(doubles)
        return kept
