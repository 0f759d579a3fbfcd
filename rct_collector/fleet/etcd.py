"""etcd as the engine of a fleet, by its JSON gateway.

Keys and values travel in base64, and whole numbers of 64 bits as texts; what is zero or false is
left out of answers. An attempt that nobody answers may have been carried out all the same, and is
repeated at another endpoint: so whoever creates, replaces or deletes looks whether it finds its own
work there.

Sources: etcd 3.4 and 3.5, ``rpc.proto`` and "gRPC gateway".
"""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rct_collector.config.fleet import FleetOptions
from rct_collector.fleet.engine import Change, Compacted, EngineError, Entry
from rct_collector.fleet.gateway import Gateway, RefusedByEtcd

#: Keys that are asked for at a time.
_PAGE = 250

#: Attempts to have a watch at one endpoint or the other, per endpoint.
_ROUNDS = 2


class _Outcome(NamedTuple):
    """What came of a change with a condition.

    Attributes:
        is_done: Whether the condition held.
        revision: The engine's, afterwards.
        found: What was there where it did not hold.
        is_repeated: An earlier attempt may have done it.
    """

    is_done: bool
    revision: int
    found: Entry | None
    is_repeated: bool


#: A key, what is asked of it, and what is done then.
_Conditional = tuple[str, Mapping[str, str], Mapping[str, Any]]


class Etcd:
    """The engine, see :class:`rct_collector.fleet.engine.Engine`."""

    def __init__(self, options: FleetOptions) -> None:
        """Do nothing yet; to be made and used on one event loop.

        Args:
            options: Where etcd is, and who we are to it.
        """
        self._gateway = Gateway(options)
        self._attempts = _ROUNDS * len(options.etcd)

    async def grant(self, ttl: float) -> int:
        """A new lease; etcd counts whole seconds, so that it may live a little longer."""
        answer = await self._gateway.call("lease/grant", {"TTL": math.ceil(ttl)}, urgent=True)
        with _understood(answer.endpoint):
            return int(answer.body["ID"])

    async def keep_alive(self, lease: int) -> float:
        """Seconds that a lease has again; 0 where it is gone."""
        answer = await self._gateway.call("lease/keepalive", {"ID": str(lease)}, urgent=True)
        with _understood(answer.endpoint):
            int(answer.body["ID"])  # else it is no word of etcd that the lease is gone
            return float(answer.body.get("TTL", 0))

    async def revoke(self, lease: int) -> None:
        """Let a lease go, and all keys with it."""
        try:
            await self._gateway.call("lease/revoke", {"ID": str(lease)}, urgent=True)
        except RefusedByEtcd as error:
            if not error.is_missing:
                raise

    async def get(self, key: str) -> Entry | None:
        """What is kept under a key, as a majority of etcd's members has it at this moment."""
        answer = await self._gateway.call("kv/range", {"key": _coded(key)}, urgent=True)
        with _understood(answer.endpoint):
            _revision(answer.body)  # else it is no word of etcd that there is nothing
            return _only(answer.body)

    async def list(self, prefix: str) -> tuple[Sequence[Entry], int]:
        """All keys that begin so, in their order, and the revision at which they were.

        Many are asked for in several pieces, all as of the first one's revision.
        """
        found: list[Entry] = []
        revision, begin, end = 0, prefix.encode(), _behind(prefix)
        while True:
            body = {"key": _base64(begin), "range_end": end, "limit": str(_PAGE)}
            if revision:
                body["revision"] = str(revision)
            page, _, endpoint = await self._gateway.call("kv/range", body)
            with _understood(endpoint):
                revision = revision or _revision(page)
                found += map(_entry, page.get("kvs", ()))
                if not page.get("more"):
                    return found, revision
                begin = found[-1].key.encode() + b"\0"

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        """Keep a value, whatever was there; the revision."""
        answer = await self._gateway.call("kv/put", _put(key, value, lease))
        with _understood(answer.endpoint):
            return _revision(answer.body)

    async def create(self, key: str, value: bytes, lease: int) -> int | None:
        """Keep a value where there is none: its create_revision, or None where the key exists."""
        (revision,) = await self.create_all([key], value, lease)
        return revision

    async def create_all(
        self, keys: Sequence[str], value: bytes, lease: int
    ) -> Sequence[int | None]:
        """The same of several, each by itself, in one transaction."""
        condition = {"target": "CREATE", "create_revision": "0"}
        outcomes = await self._change_all(
            [(key, condition, {"request_put": _put(key, value, lease)}) for key in keys]
        )
        return [_created(done, value, lease) for done in outcomes]

    async def replace(self, key: str, value: bytes, mod_revision: int) -> bool:
        """Keep a value if the key was last changed then; 0 where it must not exist."""
        condition = {"target": "MOD", "mod_revision": str(mod_revision)}
        put = {"request_put": _put(key, value, 0)}
        (done,) = await self._change_all([(key, condition, put)])
        found = done.found
        return done.is_done or bool(done.is_repeated and found and found.value == value)

    async def delete(self, key: str, create_revision: int) -> bool:
        """Delete a key if it came into being then."""
        if create_revision <= 0:
            return False  # to etcd that is a key that does not exist
        (done,) = await self._change_all([_deletion(key, create_revision)])
        return done.is_done or done.is_repeated

    async def delete_all(self, revisions: Mapping[str, int]) -> None:
        """The same of several, each by itself, in one transaction."""
        await self._change_all([_deletion(key, made) for key, made in revisions.items()])

    async def _change_all(self, changes: Sequence[_Conditional]) -> Sequence[_Outcome]:
        """Change keys, each on a condition of its own, and else look what is there."""
        parts = [
            {
                "compare": [{"key": _coded(key), "result": "EQUAL", **condition}],
                "success": [change],
                "failure": [{"request_range": {"key": _coded(key)}}],
            }
            for key, condition, change in changes
        ]
        alone = len(parts) == 1
        whole = parts[0] if alone else {"success": [{"request_txn": part} for part in parts]}
        answer = await self._gateway.call("kv/txn", whole)
        body = answer.body
        outcomes = []
        with _understood(answer.endpoint):
            bodies = [body] if alone else [item["response_txn"] for item in body["responses"]]
            for found in bodies:
                is_done = bool(found.get("succeeded"))
                there = None if is_done else _only(found["responses"][0].get("response_range", {}))
                outcomes.append(_Outcome(is_done, _revision(body), there, answer.is_repeated))
        return outcomes

    async def watch(self, prefix: str, revision: int) -> AsyncIterator[Change]:
        """Changes of all keys that begin so, from a revision on, in order.

        Where an endpoint fails, another goes on where it has ended.

        Raises:
            EngineError: None goes on.
            Compacted: The revision is not kept any more.
        """
        attempts = 0
        while True:
            try:
                async for told in self._told(prefix, revision):
                    with _understood(self._gateway.endpoint):
                        changes = [*map(_change, told.get("events", ()))]
                        # Its header is ahead of changes that come in several pieces; and a watch
                        # that was just made has told nothing yet, whatever its header says.
                        seen = changes[-1].revision if changes else _revision(told)
                    attempts = 0
                    for change in changes:
                        if change.revision >= revision:
                            yield change
                    if changes or not told.get("created"):
                        revision = max(revision, seen + 1)
            except Compacted:
                raise
            except EngineError:
                attempts += 1
                if attempts >= self._attempts:
                    raise

    async def _told(self, prefix: str, revision: int) -> AsyncIterator[dict[str, Any]]:
        """What one endpoint tells of a watch.

        Raises:
            EngineError: It has ended.
        """
        request = {
            "key": _coded(prefix),
            "range_end": _behind(prefix),
            "start_revision": str(revision),
            "progress_notify": True,
        }
        async for told in self._gateway.stream("watch", {"create_request": request}):
            if told.get("canceled"):
                kept = int(told.get("compact_revision", 0))
                if kept:
                    raise Compacted(
                        f"{self._gateway.endpoint} keeps nothing older than revision {kept}"
                    )
                self._gateway.may_not_watch()
                raise EngineError(
                    f"{self._gateway.endpoint} does not let us watch {prefix}:"
                    f" {told.get('cancel_reason') or 'it does not say why'}"
                )
            yield told

    async def close(self) -> None:
        """Let go of all connections, not of the leases."""
        await self._gateway.close()


@contextlib.contextmanager
def _understood(endpoint: str) -> Iterator[None]:
    """Read in the block what has answered; an object may be anybody's.

    Raises:
        EngineError: It is not what etcd says.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EngineError(
            f"{endpoint} answers with something else than etcd does ({type(error).__name__}:"
            f" {error}); expected the address for clients of etcd 3.4 or newer"
        ) from error


def _created(done: _Outcome, value: bytes, lease: int) -> int | None:
    """When a key was created, by this attempt or by one before it; None where another one was."""
    if done.is_done:
        return done.revision
    found = done.found
    if done.is_repeated and found and (found.value, found.lease) == (value, lease):
        return found.create_revision
    return None


def _deletion(key: str, create_revision: int) -> _Conditional:
    condition = {"target": "CREATE", "create_revision": str(create_revision)}
    return key, condition, {"request_delete_range": {"key": _coded(key)}}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _coded(key: str) -> str:
    return _base64(key.encode())


def _behind(prefix: str) -> str:
    """The first key behind all that begin so, coded."""
    last = prefix.encode()
    return _base64(last[:-1] + bytes([last[-1] + 1]))  # UTF-8 has no byte 255


def _put(key: str, value: bytes, lease: int) -> dict[str, str]:
    return {"key": _coded(key), "value": _base64(value), "lease": str(lease)}


def _revision(body: Mapping[str, Any]) -> int:
    return int(body["header"].get("revision", 0))


def _entry(kept: Mapping[str, Any]) -> Entry:
    return Entry(
        base64.b64decode(kept["key"]).decode("utf-8", "replace"),
        base64.b64decode(kept.get("value", "")),
        int(kept.get("create_revision", 0)),
        int(kept.get("mod_revision", 0)),
        int(kept.get("lease", 0)),
    )


def _only(body: Mapping[str, Any]) -> Entry | None:
    return next(map(_entry, body.get("kvs", ())), None)


def _change(event: Mapping[str, Any]) -> Change:
    """One event of a watch; a deletion has only the key, and when."""
    entry = _entry(event["kv"])
    is_gone = event.get("type") == "DELETE"
    return Change(entry.key, None if is_gone else entry, entry.mod_revision)
