"""The engine in memory as who is in a fleet sees it: one that is always there."""

from __future__ import annotations

import asyncio

from tests.fleet.engine import Store

#: Seconds from one look for what has changed to the next: leases end by the clock.
_LOOK_S = 0.05


class MemoryEngine:
    """A client of a store, which several may have in common; on the clock of its event loop.

    Attributes:
        store: What it talks to.
        written: Keys that were to be replaced, in order.
    """

    def __init__(self, store=None):
        self.store = store or Store(lambda: asyncio.get_running_loop().time())
        self.written = []

    async def grant(self, ttl):
        return self.store.grant(ttl)

    async def keep_alive(self, lease):
        return self.store.keep_alive(lease)

    async def revoke(self, lease):
        self.store.revoke(lease)

    async def get(self, key):
        return self.store.get(key)

    async def list(self, prefix):
        return self.store.list(prefix)

    async def put(self, key, value, lease=0):
        return self.store.put(key, value, lease)

    async def create(self, key, value, lease):
        return self.store.create(key, value, lease)

    async def create_all(self, keys, value, lease):
        return self.store.create_all(keys, value, lease)

    async def delete_all(self, revisions):
        self.store.delete_all(revisions)

    async def replace(self, key, value, mod_revision):
        self.written.append(key)
        return self.store.replace(key, value, mod_revision)

    async def delete(self, key, create_revision):
        return self.store.delete(key, create_revision)

    async def watch(self, prefix, revision):
        while True:
            changes, revision = self.store.since(prefix, revision)
            for change in changes:
                yield change
            await asyncio.sleep(_LOOK_S)

    async def close(self):
        pass
