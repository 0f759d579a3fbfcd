"""An engine in memory: linearizable, with leases and watches, on whatever clock a test has."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from rct_collector.fleet.engine import Change, Compacted, EngineError, Entry


class Store:
    """What the engine keeps. Each call is carried out at once, at the time of the clock.

    Attributes:
        revision: Of the last change.
        changes: All changes since the last compaction, in order.
        entries: Key → what is kept under it.
        told: Called after each change.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ids = itertools.count(1)
        self._leases: dict[int, tuple[float, float]] = {}
        self._compacted = 0
        self._earliest = float("inf")
        self.revision = 1
        self.entries: dict[str, Entry] = {}
        self.changes: list[Change] = []
        self.told: Callable[[], object] = lambda: None

    def expire(self) -> None:
        """Let leases go whose time is over, each with its keys at once."""
        now = self._now()
        if now < self._earliest:
            return
        for lease in [lease for lease, (_, until) in self._leases.items() if until <= now]:
            self.revoke(lease)
        # Those that were prolonged meanwhile end later than that, and are looked at again.
        self._earliest = min((until for _, until in self._leases.values()), default=float("inf"))

    def extend(self) -> None:
        """A new leader gives all leases their whole time again."""
        self.expire()
        for lease, (ttl, _) in self._leases.items():
            self._leases[lease] = ttl, self._now() + ttl

    def compact(self) -> None:
        self._compacted = self.revision
        self.changes.clear()

    # -- what a client asks ----------------------------------------------------------------

    def grant(self, ttl: float) -> int:
        lease = next(self._ids) * 1000
        self._leases[lease] = ttl, self._now() + ttl
        self._earliest = min(self._earliest, self._now() + ttl)
        return lease

    def keep_alive(self, lease: int) -> float:
        self.expire()
        if lease not in self._leases:
            return 0.0
        ttl, _ = self._leases[lease]
        self._leases[lease] = ttl, self._now() + ttl
        return ttl

    def revoke(self, lease: int) -> None:
        if self._leases.pop(lease, None):
            for key in [key for key, item in self.entries.items() if item.lease == lease]:
                self._change(key, None)

    def get(self, key: str) -> Entry | None:
        self.expire()
        return self.entries.get(key)

    def list(self, prefix: str) -> tuple[list[Entry], int]:
        self.expire()
        found = [item for key, item in sorted(self.entries.items()) if key.startswith(prefix)]
        return found, self.revision

    def put(self, key: str, value: bytes, lease: int = 0) -> int:
        self._expect(lease)
        self._change(key, value, lease)
        return self.revision

    def create(self, key: str, value: bytes, lease: int) -> int | None:
        self._expect(lease)
        if key in self.entries:
            return None
        self._change(key, value, lease)
        return self.revision

    def replace(self, key: str, value: bytes, mod_revision: int) -> bool:
        self.expire()
        entry = self.entries.get(key)
        if (entry.mod_revision if entry else 0) != mod_revision:
            return False
        self._change(key, value, entry.lease if entry else 0)
        return True

    def delete(self, key: str, create_revision: int) -> bool:
        self.expire()
        entry = self.entries.get(key)
        if entry is None or entry.create_revision != create_revision:
            return False
        self._change(key, None)
        return True

    def create_all(self, keys: Sequence[str], value: bytes, lease: int) -> list[int | None]:
        return [self.create(key, value, lease) for key in keys]

    def delete_all(self, revisions: Mapping[str, int]) -> None:
        for key, revision in revisions.items():
            self.delete(key, revision)

    def since(self, prefix: str, revision: int) -> tuple[list[Change], int]:
        """Changes from a revision on, and the revision after them."""
        self.expire()
        if revision <= self._compacted:
            raise Compacted(f"revision {revision} is compacted")
        found = [c for c in self.changes if c.revision >= revision and c.key.startswith(prefix)]
        return found, self.revision + 1

    def _expect(self, lease: int) -> None:
        self.expire()
        if lease and lease not in self._leases:
            raise EngineError(f"there is no lease {lease}")

    def _change(self, key: str, value: bytes | None, lease: int = 0) -> None:
        self.revision += 1
        entry = None
        if value is None:
            del self.entries[key]
        else:
            before = self.entries.get(key)
            created = before.create_revision if before else self.revision
            entry = self.entries[key] = Entry(key, value, created, self.revision, lease)
        self.changes.append(Change(key, entry, self.revision))
        self.told()


class FakeEngine:
    """One process's way to a store, on a loop in virtual time; see the protocol ``Engine``.

    Attributes:
        reached: The process and the engine hear each other.
        closed: It was closed.
        refuses: What it answers to everything; "" for nothing.
        slow: Seconds that each way takes at most, by lot.
        loses_watches: Raised by one, all watches are lost.
        lossy: Share of the answers that are lost, of what was done.
    """

    TIMEOUT_S = 1.0

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reached = True
        self.closed = False
        self.refuses = ""
        self.loses_watches = 0
        self.slow = 0.002
        self.lossy = 0.0

    async def _ask(self, what: Callable[..., Any], *arguments: Any) -> Any:
        await asyncio.sleep(random.uniform(0.001, self.slow))
        if self.refuses:
            raise EngineError(self.refuses)
        if not self.reached:
            await asyncio.sleep(self.TIMEOUT_S)
            raise EngineError("etcd1 does not answer")
        found = what(*arguments)
        await asyncio.sleep(random.uniform(0.001, self.slow))
        if not self.reached or random.random() < self.lossy:
            await asyncio.sleep(self.TIMEOUT_S)
            raise EngineError("etcd1 does not answer")
        return found

    async def grant(self, ttl: float) -> int:
        return await self._ask(self._store.grant, ttl)

    async def keep_alive(self, lease: int) -> float:
        return await self._ask(self._store.keep_alive, lease)

    async def revoke(self, lease: int) -> None:
        await self._ask(self._store.revoke, lease)

    async def get(self, key: str) -> Entry | None:
        return await self._ask(self._store.get, key)

    async def list(self, prefix: str) -> tuple[Sequence[Entry], int]:
        return await self._ask(self._store.list, prefix)

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        return await self._ask(self._store.put, key, value, lease)

    async def create(self, key: str, value: bytes, lease: int) -> int | None:
        return await self._ask(self._store.create, key, value, lease)

    async def create_all(self, keys: Sequence[str], value: bytes, lease: int) -> list[int | None]:
        return await self._ask(self._store.create_all, keys, value, lease)

    async def delete_all(self, revisions: Mapping[str, int]) -> None:
        await self._ask(self._store.delete_all, revisions)

    async def replace(self, key: str, value: bytes, mod_revision: int) -> bool:
        return await self._ask(self._store.replace, key, value, mod_revision)

    async def delete(self, key: str, create_revision: int) -> bool:
        return await self._ask(self._store.delete, key, create_revision)

    async def watch(self, prefix: str, revision: int) -> AsyncIterator[Change]:
        lost = self.loses_watches
        while True:
            await asyncio.sleep(0.02)
            if self.refuses or self.loses_watches > lost:
                raise EngineError(self.refuses or "the watch is lost")
            if self.reached:
                found, revision = self._store.since(prefix, revision)
                for change in found:
                    yield change

    async def close(self) -> None:
        self.closed = True
