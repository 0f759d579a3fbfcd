"""Whole collectors in a fleet, in virtual time: who asks which unit, and what is said of it."""

import asyncio
import json
import logging
import random
from collections import defaultdict

import pytest

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.device.options import Options
from rct_collector.errors import TransportError
from rct_collector.fleet.keys import (
    FleetKeys,
    FleetMember,
    devices_for,
    member_for,
    settings_for,
)
from rct_collector.fleet.service import CHECK_S, Fleet
from rct_collector.fleet.sharding import shard_of
from rct_collector.transport import transport
from tests.fleet.engine import FakeEngine, Store
from tests.scripted import ScriptedUnit
from tests.virtual import Plug, Recorder, VirtualClock, run

pytestmark = [pytest.mark.slow, pytest.mark.measured]

PREFIX = "/rct-collector/v1"
KEYS = FleetKeys(PREFIX)
TTL = 4.0
SHARDS = 4
UNITS = 6

CONFIG = {"fleet": {"etcd": "http://etcd1", "ttl": f"{TTL:g}s"}, "log_level": "info"}


def device(n, **more):
    return {
        "name": f"unit{n}",
        "driver": "rct",
        "address": f"tcp://unit{n}.test",
        "intervals": {"fast": "1s"},
        **more,
    }


def key_of(item):
    (found,) = Config.parse({"devices": [{**item, "driver": "rct"}]}).devices
    return found.address.key


class Site:
    """Units, the engine, and the processes of a fleet that is made with all units in it.

    Attributes:
        asked: Name of the unit → (time, process, fencing token) of each request.
    """

    def __init__(self, loop, units=UNITS):
        self.loop = loop
        self.names = []
        self.store = Store(loop.time)
        self.store.put(KEYS.settings, settings_for(SHARDS))
        self.units = {f"unit{n}.test": ScriptedUnit() for n in range(units)}
        self.asked = defaultdict(list)
        self.put([device(n) for n in range(units)])

    def put(self, items):
        lists = {n: [] for n in range(SHARDS)}
        for item in items:
            lists[shard_of(key_of(item), SHARDS)].append(item)
        for n, found in lists.items():
            self.store.put(f"{KEYS.devices}{n}", devices_for(found))

    def opener(self, process):
        async def open_line(address, *rest):
            host = transport("tcp").name(address)
            name, shard = host.removesuffix(".test"), shard_of(address.key, SHARDS)
            token = process.fleet.membership.token(shard)
            wire = await Plug(self.units[host])(address, *rest)
            send = wire.send

            def noted(data):
                self.asked[name].append((self.loop.time(), process.name, token))
                send(data)

            wire.send = noted
            return wire

        return open_line

    def start(self, name, **more):
        return Process(self, name, **more)

    def owners(self, since):
        """Unit → who has asked it since then."""
        return {
            name: {who for at, who, _ in found if at >= since} for name, found in self.asked.items()
        }

    def is_lawful(self):
        tokens = ([token for _, _, token in found] for found in self.asked.values())
        return all(found == sorted(found) for found in tokens)


class Process:
    """A process, which runs from now on."""

    def __init__(self, site, name, **more):
        self.name = name
        site.names.append(name)
        self.engine = FakeEngine(site.store)
        config = Config.parse({**CONFIG, **more})
        self.fleet = Fleet(config, self.engine, me=name, now=site.loop.time)
        self.out = Recorder()
        options = Options(clock=VirtualClock(site.loop), opener=site.opener(self), lock=False)
        self.collector = Collector(config, self.out, options, fleet=self.fleet)
        self.ends = asyncio.Event()
        until = self.fleet.run(self.collector, self.ends.wait())
        self.task = asyncio.create_task(self.collector.run_until(until))

    async def end(self):
        self.ends.set()
        await self.task

    async def kill(self):
        """As by SIGKILL: nobody tells the engine, and the lines are gone."""
        self.engine.reached = False
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]


def test_two_processes_share_all_units_and_no_unit_is_asked_by_both():
    async def main(loop):
        site = Site(loop)
        one, two = site.start("one"), site.start("two")
        await asyncio.sleep(10)
        since = loop.time()
        await asyncio.sleep(5)
        owners = site.owners(since)
        await asyncio.gather(one.end(), two.end())

        assert len(owners) == UNITS
        assert all(len(found) == 1 for found in owners.values())
        assert set.union(*owners.values()) == {"one", "two"}
        assert site.is_lawful()
        assert one.engine.closed
        assert site.store.list(KEYS.members)[0] == []

    run(main)


def test_what_a_process_has_is_said_when_it_has_it(caplog):
    caplog.set_level("INFO", "rct_collector.fleet")

    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(3)
        assert said(caplog) == ["fleet: 4 of 4 shards are collected from here; processes: 1"]
        two = site.start("two")
        await asyncio.sleep(5)
        mine = [len(process.fleet.membership.open_shards) for process in (one, two)]
        assert sorted(said(caplog)[1:]) == sorted(
            [
                f"fleet: {mine[0]} of 4 shards are collected from here, 4 before; processes: 2",
                f"fleet: {mine[1]} of 4 shards are collected from here; processes: 2",
            ]
        )
        await asyncio.gather(one.end(), two.end())

    run(main)


def gap(site, since):
    """The longest time, in seconds, for which a unit was not asked."""
    gaps = []
    for found in site.asked.values():
        times = [at for at, _, _ in found if at >= since - 2]
        gaps += [b - a for a, b in zip(times, times[1:], strict=False)]
    return max(gaps)


def test_who_leaves_hands_over_at_once_and_who_is_killed_after_the_time_to_live():
    async def main(loop):
        site = Site(loop)
        one, two, three = (site.start(name) for name in ("one", "two", "three"))
        await asyncio.sleep(10)
        since = loop.time()
        await one.end()
        await asyncio.sleep(6)
        assert gap(site, since) < 2.5  # a round is each second
        since = loop.time()
        await two.kill()
        await asyncio.sleep(12)
        assert 1.0 < gap(site, since) < TTL + 2
        assert all(found == {"three"} for found in site.owners(loop.time() - 3).values())
        assert site.is_lawful()
        await three.end()

    run(main)


def test_without_the_engine_all_stops_at_the_deadline_and_goes_on_when_it_answers(caplog):
    caplog.set_level("INFO", "rct_collector.fleet")

    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(8)
        assert len(site.asked) == UNITS
        one.engine.reached = False
        away = loop.time()
        await asyncio.sleep(12)
        last = max(at for found in site.asked.values() for at, _, _ in found)
        assert away < last < away + TTL - 0.5
        one.engine.reached = True
        back = loop.time()
        await asyncio.sleep(6)
        again = {n: next(at for at, _, _ in f if at > back) for n, f in site.asked.items()}
        assert max(again.values()) < back + 3.5
        await one.end()
        assert site.is_lawful()

    run(main)
    told = [text for text in said(caplog) if "processes" not in text]
    assert told[0].startswith("fleet: etcd1 does not answer; devices are asked for another ")
    assert told[1:] == [
        "fleet: it is not known any more whose the devices are, so that none of 4 shards is asked",
        "fleet: the lease is gone; beginning anew with another one",
        "fleet: the engine answers again",
    ]


def test_an_engine_that_is_away_for_less_than_that_is_not_noticed_by_units():
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(8)
        since = loop.time()
        one.engine.reached = False
        await asyncio.sleep(1.5)
        one.engine.reached = True
        await asyncio.sleep(6)
        assert gap(site, since) < 1.5
        await one.end()

    run(main)


def test_a_list_that_changes_is_followed():
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        site.put([device(n) for n in range(1, UNITS)])
        await asyncio.sleep(1)
        since = loop.time()
        await asyncio.sleep(3)
        assert "unit0" not in {name for name, found in site.owners(since).items() if found}
        site.put([device(n) for n in range(UNITS)])
        await asyncio.sleep(4)
        assert site.owners(loop.time() - 2)["unit0"] == {"one"}
        await one.end()

    run(main)


def test_a_watch_that_is_lost_goes_on_where_it_was_and_reads_anew_what_is_not_kept():
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        asked = []
        listing = one.engine.list
        one.engine.list = lambda prefix: asked.append(prefix) or listing(prefix)
        one.engine.loses_watches += 1
        site.put([device(n) for n in range(1, UNITS)])
        await asyncio.sleep(2)
        assert [item.name for item in one.collector.devices if item.name == "unit0"] == []
        assert asked == []
        one.engine.loses_watches += 1
        site.put([device(n) for n in range(UNITS)])
        site.store.compact()
        await asyncio.sleep(2)
        assert [item.name for item in one.collector.devices if item.name == "unit0"] == ["unit0"]
        assert sorted(asked) == [KEYS.members, KEYS.settings]
        await one.end()

    run(main)


def test_what_is_wrong_in_a_list_is_told_and_spoils_nothing_else(caplog):
    async def main(loop):
        site = Site(loop)
        site.put([device(0), device(1, name="unit0"), device(2, driver="rtc"), device(3)])
        site.store.put(f"{KEYS.devices}x", b"")
        one = site.start("one")
        await asyncio.sleep(6)
        assert sum(bool(found) for found in site.owners(1000).values()) == 2
        await one.end()

    run(main)
    told = "\n".join(said(caplog))
    assert "fleet: unit0 is left out: there is another unit0" in told
    assert ".driver: found 'rtc', expected rct or voltronic or solaredge (did you mean" in told


def test_devices_at_one_address_are_asked_once(caplog):
    async def main(loop):
        site = Site(loop)
        shard = shard_of(key_of(device(0)), SHARDS)
        entries = [device(0), device(0, name="other", address="tcp://UNIT0.test:8899")]
        site.store.put(f"{KEYS.devices}{shard}", json.dumps(entries).encode())
        one = site.start("one")
        await asyncio.sleep(5)
        assert "other" not in [item.name for item in one.collector.devices]
        await one.end()

    run(main)
    assert any("address: found 'tcp://UNIT0.test:8899' a second time" in t for t in said(caplog))


def trouble(site, chance, processes):
    """Something goes wrong with one of the processes, or with its way to the engine."""
    one = chance.choice(processes)
    kind = chance.choice(["cut off", "slow", "lossy", "killed", "ended", "joined"])
    if kind == "cut off":
        one.engine.reached = False
        site.loop.call_later(chance.uniform(1, 2.5 * TTL), setattr, one.engine, "reached", True)
    elif kind == "slow":
        one.engine.slow = 0.5
        site.loop.call_later(TTL, setattr, one.engine, "slow", 0.002)
    elif kind == "lossy":
        one.engine.lossy = 0.4
        site.loop.call_later(TTL, setattr, one.engine, "lossy", 0.0)
    elif kind == "joined" or len(processes) < 2:
        processes.append(site.start(f"p{len(site.names)}"))
    else:
        processes.remove(one)
        return one.kill() if kind == "killed" else one.end()
    return asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_goes_wrong_a_unit_is_asked_by_one_and_by_somebody_in_the_end(seed):
    chance = random.Random(seed)

    async def main(loop):
        site = Site(loop, units=3)
        processes = [site.start(f"p{n}") for n in range(2)]
        for _ in range(8):
            await asyncio.sleep(chance.uniform(1, 6))
            await trouble(site, chance, processes)
        await asyncio.sleep(25)
        since = loop.time()
        await asyncio.sleep(10)
        assert site.is_lawful()
        assert [len(found) for found in site.owners(since).values()] == [1, 1, 1]
        await asyncio.gather(*(one.end() for one in processes))

    run(main)


# -- what fleet it is --------------------------------------------------------------------------


def test_an_engine_that_is_away_at_the_start_is_waited_for(caplog):
    caplog.set_level("INFO", "rct_collector.fleet")

    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        one.engine.refuses = "https://etcd1: the password of 'me' is wrong: see password_file"
        await asyncio.sleep(20)
        assert not site.asked
        one.engine.refuses = ""
        await asyncio.sleep(6)
        assert len(site.asked) == UNITS
        await one.end()

    run(main)
    assert said(caplog)[:2] == [
        "fleet: https://etcd1: the password of 'me' is wrong: see password_file; no device is asked"
        " before it answers",
        "fleet: the engine answers again",
    ]


def test_where_there_is_no_fleet_it_is_told_how_to_make_one(caplog):
    async def main(loop):
        site = Site(loop)
        entry = site.store.get(KEYS.settings)
        site.store.delete(KEYS.settings, entry.create_revision)
        one = site.start("one")
        await asyncio.sleep(10)
        assert not site.asked
        await one.end()

    run(main)
    assert said(caplog) == [
        "fleet: there is no fleet at /rct-collector/v1/settings: 'rct-collector fleet apply' makes"
        " it, with its devices"
    ]


def test_another_number_of_shards_stops_all_and_is_told(caplog):
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        site.store.put(KEYS.settings, settings_for(2 * SHARDS))
        await asyncio.sleep(CHECK_S + 1)
        since = loop.time()
        await one.end()
        assert not any(site.owners(since).values())

    run(main)
    assert (
        "/rct-collector/v1/settings: found 8 shards, expected 4 shards, as when this process"
        " joined; no device is asked until it is clear what fleet it is"
    ) in said(caplog)


def test_who_counts_otherwise_than_others_does_not_join(caplog):
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        site.store.put(KEYS.settings, settings_for(2 * SHARDS))
        two = site.start("two")
        await asyncio.sleep(2)
        assert two.fleet.membership is None
        await asyncio.gather(one.end(), two.end())

    run(main)
    (told,) = [text for text in said(caplog) if "fixed when a fleet is made" in text]
    assert told.startswith("fleet: /rct-collector/v1/settings says 8 shards, and one on ")


def test_two_that_join_at_once_and_count_otherwise_never_ask_both():
    """One has read the settings before they were changed, and neither has seen the other."""

    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        read, may_join = asyncio.Event(), asyncio.Event()
        listing = one.engine.list

        async def slow(prefix):
            found = await listing(prefix)
            if not read.is_set():  # it has read the settings, and that nobody is there
                read.set()
                await may_join.wait()
            return found

        one.engine.list = slow
        await read.wait()
        site.store.put(KEYS.settings, settings_for(2 * SHARDS))
        two = site.start("two")
        while two.fleet.membership is None or not two.fleet.membership.lease:
            await asyncio.sleep(0.001)
        may_join.set()
        for _ in range(3000):
            await asyncio.sleep(0.001)
            held = [p.fleet.membership for p in (one, two) if p.fleet.membership]
            counts = {p.fleet._shards for p in (one, two)
                      if p.fleet.membership and p.fleet.membership.open_shards}  # fmt: skip
            assert counts <= {2 * SHARDS}
        assert len(held) == 2
        await asyncio.gather(one.end(), two.end())

    run(main)


@pytest.mark.parametrize("first", [True, False], ids=["listed", "told of"])
def test_a_member_that_counts_otherwise_stops_all_at_once(caplog, first):
    """Whoever it is: two numbers of shards would be two owners of a device."""
    caplog.set_level("INFO", "rct_collector.fleet")

    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        assert one.fleet.membership.open_shards
        other = member_for(FleetMember("two", "host2", 1.0, "1", 2 * SHARDS))
        site.store.put(f"{KEYS.members}two", other)
        if first:
            site.store.compact()
        await asyncio.sleep(1)
        since = loop.time()
        await asyncio.sleep(4)
        assert not any(site.owners(since).values())
        assert site.store.list(KEYS.shards)[0] == []
        site.store.delete(
            f"{KEYS.members}two", site.store.get(f"{KEYS.members}two").create_revision
        )
        gone = loop.time()
        await asyncio.sleep(12)
        assert all(site.owners(gone).values())
        await one.end()

    run(main)
    assert any("two on host2 has joined with 8: the number is fixed" in t for t in said(caplog))


# -- the end --------------------------------------------------------------------------------------


def test_keys_are_let_go_when_lines_are_closed_however_they_are_being_changed():
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        order = []
        remove, revoke = one.collector._remove, one.engine.revoke

        async def slow(name):
            await asyncio.sleep(0.5)
            await remove(name)
            order.append(f"{name} is closed")

        def noted(lease):
            order.append("revoked")
            return revoke(lease)

        one.collector._remove, one.engine.revoke = slow, noted
        site.put([device(n) for n in range(1, UNITS)])
        await asyncio.sleep(0.2)
        await one.end()
        assert order == ["unit0 is closed", "revoked"]

    run(main)


def test_where_lines_do_not_close_the_lease_ends_by_itself(caplog):
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        may_close = asyncio.Event()
        one.collector._remove = lambda name: may_close.wait()
        site.put([device(n) for n in range(1, UNITS)])
        await asyncio.sleep(0.2)
        begin = loop.time()
        await one.end()
        assert loop.time() - begin < 2
        assert len(site.store.list(KEYS.shards)[0]) == SHARDS
        may_close.set()
        await asyncio.sleep(1)

    run(main)
    assert said(caplog)[-1] == (
        "fleet: the lease could not be let go, so that others take over after 4 s: lines are not"
        " closed yet"
    )


def test_a_bug_in_what_is_done_at_its_time_ends_the_process():
    """Else it would go on without keeping its lease alive, and nobody would see why."""

    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)

        def step(now):
            raise ZeroDivisionError

        one.fleet.membership.step = step
        await asyncio.sleep(TTL / 2)  # the lease is there still, so that no watch tells of its end
        assert one.task.done()
        with pytest.raises(ExceptionGroup) as caught:
            one.task.result()
        assert caught.group_contains(ZeroDivisionError)

    run(main)


# -- the rest of a process ---------------------------------------------------------------------


def test_a_configuration_that_is_read_again_keeps_the_devices():
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        applied = await one.fleet.apply(Config.parse({**CONFIG, "log_level": "debug"}))
        assert len(applied.unchanged) == UNITS
        assert applied.later == ()
        other = Config.parse({"fleet": {"etcd": "http://etcd2"}})
        assert (await one.fleet.apply(other)).later == (
            "fleet: another one counts from the next start on",
        )
        await one.end()

    run(main)


@pytest.mark.parametrize("taken", [False, True], ids=["ours", "another's"])
def test_a_setting_is_written_only_while_the_key_is_ours(taken):
    async def main(loop):
        site = Site(loop)
        one = site.start("one")
        await asyncio.sleep(6)
        (item,) = Config.parse({"devices": [device(0)]}).devices
        key = f"{KEYS.shards}{shard_of(item.address.key, SHARDS)}"
        if not taken:
            await one.fleet.confirm(item)
        else:
            site.store.delete(key, site.store.get(key).create_revision)
            site.store.create(key, b"two", 0)
            with pytest.raises(TransportError, match="is another process's of the fleet"):
                await one.fleet.confirm(item)
            one.engine.refuses = "nobody is there"
            with pytest.raises(TransportError, match="cannot be told: nobody is there"):
                await one.fleet.confirm(item)
        await one.end()

    run(main)
