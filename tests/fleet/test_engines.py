"""What every engine does: the real etcd, and what stands in for it in virtual time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from rct_collector.config.fleet import FleetOptions
from rct_collector.fleet.engine import MOST_KEYS, Change, Compacted, EngineError
from tests import virtual
from tests.fleet.memory import MemoryEngine
from tests.needs import library
from tests.servers.etcd import Etcd as Server

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture
def prefix():
    """Begin of keys that no other test has."""
    return f"/test/{next(_numbers)}"


class Real:
    """Makes a client of etcd, in the loop of a test."""

    run = staticmethod(asyncio.run)

    def __init__(self, server):
        self._server = server

    def __call__(self):
        library("aiohttp")
        from rct_collector.fleet.etcd import Etcd

        return Etcd(FleetOptions(etcd=(self._server.endpoint,)))

    def compact(self, etcd, revision):
        self._server.ask("kv/compaction", revision=str(revision))


class InMemory:
    """Makes what stands in for it, on a clock of its own."""

    @staticmethod
    def run(main):
        virtual.run(lambda loop: main)

    def __call__(self):
        return MemoryEngine()

    def compact(self, etcd, revision):
        assert etcd.store.revision == revision
        etcd.store.compact()


@pytest.fixture(
    params=["memory", pytest.param("etcd", marks=[pytest.mark.servers, pytest.mark.slow])]
)
def engine(request):
    """Makes either."""
    if request.param == "memory":
        return InMemory()
    return Real(request.getfixturevalue("server"))


def on(engine):
    """Run a test on an engine of its own."""

    def run(test):
        async def main():
            found = engine()
            try:
                await asyncio.wait_for(test(found), 30)
            finally:
                await found.close()

        engine.run(main())

    return run


def test_a_value_is_kept(engine, prefix):
    @on(engine)
    async def test(etcd):
        key = f"{prefix}/ä"
        assert await etcd.get(key) is None
        first = await etcd.put(key, b"\0\xff")
        second = await etcd.put(key, b"")
        found = await etcd.get(key)
        assert (found.key, found.value, found.lease) == (key, b"", 0)
        assert (found.create_revision, found.mod_revision) == (first, second)
        assert second > first


def test_a_list_is_of_one_moment(engine, prefix):
    """Only what begins so, in order, and none of it is left out where there are many."""

    @on(engine)
    async def test(etcd):
        names = [f"{prefix}/m/{n:04d}" for n in range(1234)]
        await asyncio.gather(*(etcd.put(name, name.encode()) for name in reversed(names)))
        await etcd.put(f"{prefix}/n", b"")
        found, revision = await etcd.list(f"{prefix}/m/")
        assert [entry.key for entry in found] == names
        assert all(entry.value == entry.key.encode() for entry in found)
        assert revision >= max(entry.mod_revision for entry in found)
        assert (await etcd.list(f"{prefix}/o"))[0] == []


def test_only_one_creates(engine, prefix):
    @on(engine)
    async def test(etcd):
        lease, key = await etcd.grant(10), f"{prefix}/a"
        tokens = await asyncio.gather(*(etcd.create(key, b"%d" % n, lease) for n in range(8)))
        (token,) = (found for found in tokens if found is not None)
        found = await etcd.get(key)
        assert (found.create_revision, found.lease) == (token, lease)
        assert found.value == b"%d" % tokens.index(token)
        await etcd.revoke(lease)


def test_a_later_holder_has_a_higher_token(engine, prefix):
    @on(engine)
    async def test(etcd):
        lease, key = await etcd.grant(10), f"{prefix}/a"
        first = await etcd.create(key, b"", lease)
        assert not await etcd.delete(key, first + 1)
        assert not await etcd.delete(key, 0)
        assert await etcd.delete(key, first)
        assert not await etcd.delete(key, first)
        assert await etcd.create(key, b"", lease) > first
        await etcd.revoke(lease)


def test_many_keys_are_created_and_deleted_at_once_each_by_itself(engine, prefix):
    @on(engine)
    async def test(etcd):
        mine, other = await etcd.grant(10), await etcd.grant(10)
        keys = [f"{prefix}/{n:02d}" for n in range(MOST_KEYS)]
        there = await etcd.create(keys[3], b"other", other)
        tokens = await etcd.create_all(keys, b"mine", mine)
        assert [n for n, token in enumerate(tokens) if token is None] == [3]
        assert min(token for token in tokens if token is not None) > there
        found, _ = await etcd.list(f"{prefix}/")
        made = [token or there for token in tokens]
        assert [entry.create_revision for entry in found] == made
        assert [entry.lease for entry in found].count(mine) == MOST_KEYS - 1
        await etcd.delete_all(
            {key: token or there + 1 for key, token in zip(keys, tokens, strict=True)}
        )
        assert [entry.key for entry in (await etcd.list(f"{prefix}/"))[0]] == [keys[3]]
        with pytest.raises(EngineError):
            await etcd.create_all(keys, b"mine", mine + 1)
        await etcd.revoke(mine)
        await etcd.revoke(other)


def test_who_replaces_knows_what_was_there(engine, prefix):
    @on(engine)
    async def test(etcd):
        key = f"{prefix}/a"
        assert not await etcd.replace(key, b"1", 1)
        assert await etcd.replace(key, b"1", 0)
        assert not await etcd.replace(key, b"2", 0)
        found = await etcd.get(key)
        assert await etcd.replace(key, b"2", found.mod_revision)
        assert not await etcd.replace(key, b"3", found.mod_revision)
        assert (await etcd.get(key)).value == b"2"


def test_keys_go_with_their_lease(engine, prefix):
    @on(engine)
    async def test(etcd):
        lease = await etcd.grant(5)
        assert await etcd.keep_alive(lease) == pytest.approx(5, abs=1)
        await etcd.create(f"{prefix}/a", b"", lease)
        await etcd.put(f"{prefix}/b", b"", lease)
        await etcd.put(f"{prefix}/c", b"")
        await etcd.revoke(lease)
        assert await etcd.keep_alive(lease) == 0
        assert [entry.key for entry in (await etcd.list(prefix))[0]] == [f"{prefix}/c"]
        await etcd.revoke(lease)
        with pytest.raises(EngineError, match="lease"):
            await etcd.create(f"{prefix}/a", b"", lease)


def test_a_lease_that_nobody_keeps_alive_ends(engine, prefix):
    @on(engine)
    async def test(etcd):
        lease = await etcd.grant(2)
        key = f"{prefix}/a"
        token = await etcd.create(key, b"", lease)
        told = await asyncio.wait_for(anext(etcd.watch(key, token + 1)), 10)
        assert (told.key, told.entry) == (key, None)
        assert await etcd.keep_alive(lease) == 0


def test_a_watch_tells_all_from_a_revision_on(engine, prefix):
    @on(engine)
    async def test(etcd):
        await etcd.put(f"{prefix}/a", b"0")
        _, revision = await etcd.list(prefix)
        first = await etcd.put(f"{prefix}/a", b"1")  # before the watch begins
        watch = etcd.watch(prefix, revision + 1)
        told = await anext(watch)
        assert told == Change(f"{prefix}/a", await etcd.get(f"{prefix}/a"), first)
        await etcd.put(f"{prefix[:-1]}~", b"not below it")
        made = await etcd.put(f"{prefix}/b", b"2")
        assert await anext(watch) == Change(f"{prefix}/b", await etcd.get(f"{prefix}/b"), made)
        assert await etcd.delete(f"{prefix}/b", made)
        gone = await anext(watch)
        assert (gone.key, gone.entry) == (f"{prefix}/b", None)
        assert gone.revision > made
        await watch.aclose()


def test_a_watch_that_is_far_behind_catches_up_with_everything(engine, prefix):
    """It is told in batches, whose headers are of the last change of all."""

    @on(engine)
    async def test(etcd):
        wanted = [f"{prefix}/{n:04d}" for n in range(2500)]
        begin = await etcd.put(f"{prefix}/begin", b"")
        for n in range(0, len(wanted), 250):
            await asyncio.gather(*(etcd.put(name, b"") for name in wanted[n : n + 250]))
        kept, _ = await etcd.list(f"{prefix}/")
        told = []
        watch = etcd.watch(f"{prefix}/", begin + 1)
        while len(told) < len(wanted):
            told.append(await anext(watch))
        assert [change.revision for change in told] == sorted(
            entry.mod_revision for entry in kept if entry.mod_revision > begin
        )
        assert sorted(change.key for change in told) == wanted
        last = await etcd.put(f"{prefix}/last", b"")
        assert (await anext(watch)).revision == last
        await watch.aclose()


def test_two_watches_do_not_disturb_each_other(engine, prefix):
    @on(engine)
    async def test(etcd):
        begin = await etcd.put(f"{prefix}/a", b"")
        one, other = (etcd.watch(prefix, begin) for _ in range(2))
        assert await anext(one) == await anext(other)
        await one.aclose()
        await etcd.put(f"{prefix}/b", b"")
        assert (await anext(other)).key == f"{prefix}/b"
        await other.aclose()


def test_a_long_value_passes(engine, prefix):
    @on(engine)
    async def test(etcd):
        value = bytes(range(256)) * 4096
        begin = await etcd.put(f"{prefix}/a", value)
        watch = etcd.watch(prefix, begin)
        assert (await anext(watch)).entry.value == value
        await watch.aclose()


def test_what_is_too_old_is_not_kept(engine, prefix):
    @on(engine)
    async def test(etcd):
        begin = await etcd.put(f"{prefix}/a", b"")
        last = await etcd.put(f"{prefix}/a", b"")
        engine.compact(etcd, last)
        with pytest.raises(Compacted, match="revision"):
            await anext(etcd.watch(prefix, begin))
