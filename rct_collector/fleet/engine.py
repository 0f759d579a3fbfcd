"""What keeps the keys of a fleet: linearizable, with leases and watches, as etcd has them.

Revisions are whole numbers above 0 that grow with every change of any key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rct_collector.errors import CollectorError

#: Keys that are created, or deleted, at a time.
MOST_KEYS = 64


class EngineError(CollectorError):
    """The engine was not reached, or refused; the text names the endpoint and what to do.

    What was asked of it may have been done all the same.
    """


class Compacted(EngineError):
    """A watch was to begin at a revision that is not kept any more: list anew."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and what is kept under it.

    Attributes:
        key: In full.
        value: Bytes, as they were put.
        create_revision: When the key came into being; a later holder has a higher one.
        mod_revision: When the value was last put.
        lease: The lease with which it goes; 0 for none.
    """

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a watch tells.

    Attributes:
        key: In full.
        entry: What is there now; None where it was deleted.
        revision: When.
    """

    key: str
    entry: Entry | None
    revision: int


class Engine(Protocol):
    """Everything a fleet asks of the engine; each may raise :class:`EngineError`."""

    async def grant(self, ttl: float) -> int:
        """A new lease, which is gone ``ttl`` seconds after it was last kept alive; its id."""

    async def keep_alive(self, lease: int) -> float:
        """Seconds that a lease has again; 0 where it is gone."""

    async def revoke(self, lease: int) -> None:
        """Let a lease go, and all keys with it; nothing happens where it is gone."""

    async def get(self, key: str) -> Entry | None:
        """What is kept under a key at this moment (linearizable)."""

    async def list(self, prefix: str) -> tuple[Sequence[Entry], int]:
        """All keys that begin so, in their order, and the revision at which they were."""

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        """Keep a value, whatever was there; the revision."""

    async def create(self, key: str, value: bytes, lease: int) -> int | None:
        """Keep a value where there is none: its create_revision, or None where the key exists."""

    async def create_all(
        self, keys: Sequence[str], value: bytes, lease: int
    ) -> Sequence[int | None]:
        """The same of up to :data:`MOST_KEYS`, each by itself, at the cost of one."""

    async def replace(self, key: str, value: bytes, mod_revision: int) -> bool:
        """Keep a value if the key was last changed then; 0 where it must not exist."""

    async def delete(self, key: str, create_revision: int) -> bool:
        """Delete a key if it came into being then."""

    async def delete_all(self, revisions: Mapping[str, int]) -> None:
        """The same of up to :data:`MOST_KEYS` (key → create_revision), at the cost of one."""

    def watch(self, prefix: str, revision: int) -> AsyncIterator[Change]:
        """Changes of all keys that begin so, from a revision on, in order.

        Raises:
            EngineError: The watch is lost; nothing is known of what followed.
            Compacted: The revision is not kept any more.
        """

    async def close(self) -> None:
        """Let go of all connections, not of the leases."""
