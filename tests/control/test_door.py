"""The door of a device: what it answers, and what nobody can do to it."""

import asyncio
import json
import os
import socket
import subprocess
import sys

import pytest

from rct_collector import __version__
from rct_collector.control import door as module
from rct_collector.control import methods
from rct_collector.control.batches import from_json
from rct_collector.control.door import AT_ONCE, LINE_S, MOST_BEHIND, MOST_CLIENTS, REST_S, WORK_S
from rct_collector.control.messages import LONGEST, Code
from rct_collector.control.rights import UNMAPPED, Rights
from rct_collector.errors import BusyError, RpcError, TransportError
from rct_collector.lines.lock import DeviceLock
from tests.strangers import squatter
from tests.virtual import run
from tests.visiting import House, visited

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own"
)

POWER = "inverter_power.grid_watts"


def call(method, name=1, **params):
    said = {"jsonrpc": "2.0", "id": name, "method": method, "params": params}
    return json.dumps(said).encode() + b"\n"


def answers(heard):
    return [json.loads(line) for line in heard.splitlines()]


# -- what it answers --------------------------------------------------------------------------


def test_status_tells_collector_and_devices():
    async def job(house):
        async with await house.client() as client:
            return house, await client.call("status")

    house, status = visited(job)
    collector = status["collector"]
    assert (collector["version"], collector["clients"]) == (__version__, 1)
    (device,) = status["devices"]
    assert {key: device[key] for key in ("source", "driver", "vendor", "address", "labels")} == {
        "source": "roof",
        "driver": "rct",
        "vendor": "rct",
        "address": str(house.device.address),
        "labels": {"site": "home"},
    }
    assert (device["up"], device["missed"], device["error"]) == (True, 0, "")
    assert (device["interval"], device["units"], device["writes"]) == (10.0, [], [])
    assert device["totals"]["answers"] > 0
    assert device["rounds"] > 0
    assert device["subscribers_cut"] == 0
    assert device["time"] == house.out.batches[-1].time_ns / 1e9


def test_values_are_the_last_ones_with_their_times():
    async def job(house):
        async with await house.client() as client:
            return house.out.values(), await client.call("values")

    published, found = visited(job)
    (unit,) = found["units"]
    assert (found["source"], unit["unit"], unit["up"]) == ("roof", "", True)
    last = {name: times[-1] for name, times in published.items()}
    assert unit["values"] == {
        name: {"value": value, "time": time_ns / 1e9, "time_ns": time_ns}
        for name, (time_ns, value) in last.items()
    }
    assert POWER in unit["values"]


def test_values_can_be_chosen():
    async def job(house):
        async with await house.client() as client:
            params = {"source": "roof", "series": ["*.grid_watts", "inverter_string{string=a}.*"]}
            return await client.call("values", params)

    names = visited(job)["units"][0]["values"]
    assert POWER in names
    assert all(n.endswith(".grid_watts") or n.startswith("inverter_string{") for n in names)


@pytest.mark.slow
def test_a_unit_that_is_away_is_down_and_keeps_what_it_said_with_its_time():
    async def job(house):
        async with await house.client() as client:
            before = await client.call("values", {"series": [POWER]})
            house.unit.mangle = lambda item, data, n: None
            await asyncio.sleep(120)
            return (
                before,
                await client.call("values", {"series": [POWER]}),
                await client.call("status"),
            )

    before, after, status = visited(job)
    assert not after["units"][0]["up"]
    assert after["units"][0]["error"]
    assert after["units"][0]["values"] == before["units"][0]["values"]
    (device,) = status["devices"]
    assert not device["up"]
    assert device["missed"] > 1
    assert device["time"] <= device["since"], "the figures of the collector are no values of it"


def test_a_subscriber_gets_the_same_batches_as_the_agent():
    async def job(house):
        async with await house.client() as client:
            assert await client.call("subscribe") == {"subscribed": "roof", "wider": False}
            before = len(house.out.batches)
            await asyncio.sleep(35)
            published = house.out.batches[before:]
            told = [await anext(client.notifications) for _ in published]
            return published, told

    published, told = visited(job)
    assert sum(batch.ends_round for batch in published) >= 3
    assert {method for method, _ in told} == {"update"}
    assert [from_json(params) for _, params in told] == [
        batch._replace(receipt=None) for batch in published
    ]


@pytest.mark.slow
def test_who_wants_some_series_is_told_of_those_and_that_a_round_is_over():
    async def job(house):
        async with await house.client() as one, await house.client() as other:
            await one.call("subscribe", {"series": [POWER]})
            await other.call("subscribe", {"exclude": ["inverter*"], "include": [POWER]})
            before = len(house.out.batches)
            await asyncio.sleep(10)
            ends = sum(batch.ends_round for batch in house.out.batches[before:])
            told = [await anext(one.notifications) for _ in range(ends + 1)]
            return told, [await anext(other.notifications) for _ in range(ends + 1)]

    for told in visited(job):
        assert {name for _, params in told for name in params["values"]} == {POWER}
        assert told[-1][1]["ends_round"]


def test_who_subscribes_again_is_told_once():
    async def job(house):
        async with await house.client() as client:
            await client.call("subscribe")
            await client.call("subscribe", {"series": [POWER]})
            (topic,) = house.made.broker.topics.values()
            assert len(topic.feed) == 1
        await asyncio.sleep(1)
        assert len(topic.feed) == 0
        assert house.made.broker.clients == 0

    visited(job)


def test_a_removed_device_says_so_and_its_door_is_closed():
    async def job(house):
        async with await house.client() as client:
            await client.call("subscribe")
            await house.made.remove("roof")
            told = [params async for _, params in client.notifications]
            with pytest.raises(TransportError, match="has hung up"):
                await client.call("status")
            return told

    told = visited(job)
    assert not any(params["health"]["removed"] for params in told), "the lock goes first"


def test_a_reload_that_closes_the_door_is_answered_all_the_same():
    async def job(house):
        async def reload():
            await house.made.remove("roof")
            await asyncio.sleep(1)
            return {"removed": ["roof"]}

        house.made.broker.reload = reload
        async with await house.client() as client:
            found = await client.call("reload")
            with pytest.raises(TransportError, match="has hung up"):
                await client.call("status")
            return found, house.made.broker.clients

    assert visited(job) == ({"removed": ["roof"]}, 0)


def test_who_asks_for_a_reload_and_leaves_does_not_stop_it():
    async def job(house):
        done = []

        async def reload():
            await asyncio.sleep(5)
            done.append(True)
            return {}

        house.made.broker.reload = reload
        async with await house.client() as client:
            with pytest.raises(TransportError, match="timeout|not answered"):
                await client.call("reload", timeout=1)
        await asyncio.sleep(10)
        return done

    assert visited(job) == [True]


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("reboot", {}, Code.UNKNOWN, "there is no method 'reboot'; there are: status, values"),
        ("status", {"source": "barn"}, Code.PARAMS, "there is no source 'barn'; there are: roof"),
        ("status", {"source": 1}, Code.PARAMS, "source is text, not 1"),
        ("status", {"x": 1}, Code.PARAMS, "there is no parameter x; there are: source"),
        ("values", {"series": "*"}, Code.PARAMS, "series is at most 64 globs"),
        ("values", {"series": [1]}, Code.PARAMS, "series is at most 64 globs"),
        ("values", {"series": ["*"] * 65}, Code.PARAMS, "series is at most 64 globs"),
        ("values", {"series": ["*" * 201]}, Code.PARAMS, "of at most 200 characters"),
        ("subscribe", {"cells": 1}, Code.PARAMS, "cells is true or false, not 1"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_can(method, params, code, words):
    async def job(house):
        async with await house.client() as client:
            with pytest.raises(RpcError) as caught:
                await client.call(method, params)
            assert (await client.call("status"))["devices"]
            return caught.value

    error = visited(job)
    assert error.code == code
    assert words in error.message


def test_calls_that_come_together_are_answered_together():
    async def job(house):
        with house.knock() as caller:
            said = [json.loads(call("status", "a")), json.loads(call("nothing", "b"))]
            silent = {"jsonrpc": "2.0", "method": "status"}
            await house.loop.sock_sendall(caller, json.dumps([*said, silent]).encode() + b"\n")
            return json.loads(await house.loop.sock_recv(caller, 1 << 20))

    one, other = visited(job)
    assert one["id"] == "a"
    assert one["result"]["devices"]
    assert other["error"]["code"] == Code.UNKNOWN


def test_a_defect_is_told_and_stays_one_callers(monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(methods, "_status_of", broken)

    async def job(house):
        async with await house.client() as client:
            with pytest.raises(RpcError, match="bug: ZeroDivisionError"):
                await client.call("status")
            return await client.call("values")

    assert visited(job)["units"]
    assert "status could not be answered" in caplog.text


# -- hostile use ------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", [Rights(), Rights(sets=True, governs=True)])
def test_who_may_not_read_is_told_so_and_hung_up_on(monkeypatch, reads):
    monkeypatch.setattr(module, "rights_of", lambda _caller: reads)

    async def job(house):
        with house.knock() as caller:
            caller.send(call("status"))
            heard = await house.hear(caller)
        assert house.made.broker.clients == 0
        return answers(heard)

    (answer,) = visited(job)
    assert answer["error"]["code"] == Code.NOT_PERMITTED
    assert "members of the group rct-collector may ask" in answer["error"]["message"]


#: Asks as another user, and prints what it is told.
FOREIGNER = """\
import os, socket, sys
uid = int(sys.argv[1])
os.setgroups([]); os.setgid(uid); os.setuid(uid)
caller = socket.socket(socket.AF_UNIX)
caller.connect(chr(0) + sys.argv[2])
print("there", flush=True)
print(caller.recv(65536).decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("uid", [4711, UNMAPPED])
def test_a_process_of_another_user_is_told_that_it_may_not(uid):
    """One who is in no list, and the one as whom everybody from another name space appears."""

    async def job(house):
        words = [sys.executable, "-S", "-E", "-c", FOREIGNER, str(uid), house.name[1:].decode()]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"there\n"
            await asyncio.sleep(1)
            return process.stdout.read()

    (answer,) = answers(visited(job).strip())
    assert answer["error"]["code"] == Code.NOT_PERMITTED


def test_an_unmapped_user_may_not_read(monkeypatch):
    real = module.other_end
    monkeypatch.setattr(module, "other_end", lambda call: real(call)._replace(uid=UNMAPPED))

    async def job(house):
        with pytest.raises(RpcError) as caught:
            async with await house.client() as client:
                await client.call("status")
        return caught.value

    assert visited(job).code == Code.NOT_PERMITTED


def test_half_a_line_is_not_waited_for_for_ever():
    async def job(house):
        with house.knock() as caller:
            caller.send(call("status") + b'{"jsonrpc"')
            begun = house.loop.time()
            heard = await house.hear(caller)
            assert house.loop.time() - begun == pytest.approx(LINE_S, abs=0.01)
        assert house.made.broker.clients == 0
        return answers(heard)

    status, error = visited(job)
    assert status["result"]["devices"]
    assert error["error"]["message"] == f"a message is to be whole within {LINE_S:g} s"


def test_who_says_nothing_at_all_is_hung_up_on():
    async def job(house):
        with house.knock() as caller:
            begun = house.loop.time()
            await house.hear(caller)
            assert house.loop.time() - begun == pytest.approx(LINE_S, abs=0.01)

    visited(job)


@pytest.mark.slow
def test_who_has_asked_may_be_silent():
    async def job(house):
        async with await house.client() as client:
            await client.call("status")
            await asyncio.sleep(60 * LINE_S)
            return await client.call("status")

    assert visited(job)["devices"]


def test_a_line_of_a_megabyte_is_not_kept():
    async def job(house):
        with house.knock() as caller:
            sending = asyncio.create_task(house.loop.sock_sendall(caller, b"x" * (1 << 20)))
            heard = await house.hear(caller)
            await asyncio.gather(sending, return_exceptions=True)
        assert house.made.broker.clients == 0
        return answers(heard)

    (answer,) = visited(job)
    assert answer["error"] == {"code": -32600, "message": f"a line has at most {LONGEST} bytes"}


def test_many_messages_at_once_let_others_have_their_turn(monkeypatch):
    """The devices theirs after a few of them, and each client its own after one of another."""
    done, turns = [], []
    real = module.Methods.call

    def counted(self, caller, said):
        done.append(said.id)
        return real(self, caller, said)

    monkeypatch.setattr(module.Methods, "call", counted)

    async def job(house):
        with house.knock() as one, house.knock() as other:
            for caller, name in ((one, "a"), (other, "b")):
                caller.send(b"".join(call("nothing", f"{name}{n}") for n in range(100)))
            while len(done) < 200:
                before = len(done)
                await asyncio.sleep(REST_S / 2)
                turns.append(len(done) - before)

    visited(job)
    assert [name for name in done if name[0] == "a"] == [f"a{n}" for n in range(100)]
    assert max(turns) <= AT_ONCE
    assert sum(1 for one, other in zip(done, done[1:], strict=False) if one[0] != other[0]) > 150


def test_what_takes_long_to_be_answered_is_enough_for_a_turn(monkeypatch):
    times = []
    real = module.Methods.call

    async def job(house):
        def slow(self, caller, said):
            times.append(house.loop.time())
            house.loop.now += WORK_S
            return real(self, caller, said)

        monkeypatch.setattr(module.Methods, "call", slow)
        with house.knock() as caller:
            caller.send(b"".join(call("nothing", n) for n in range(5)))
            await asyncio.sleep(1)

    visited(job)
    assert len(times) == 5
    assert min(b - a for a, b in zip(times, times[1:], strict=False)) >= WORK_S + REST_S - 1e-9


def test_a_client_too_many_is_told_so():
    async def job(house):
        clients = [await house.client() for _ in range(MOST_CLIENTS)]
        for client in clients:
            await client.call("status")
        with house.knock() as caller:
            heard = await house.hear(caller)
        await clients.pop().close()
        await asyncio.sleep(1)
        async with await house.client() as client:
            again = await client.call("status")
        for client in clients:
            await client.close()
        return answers(heard), again

    (answer,), again = visited(job)
    assert answer["error"]["code"] == Code.TOO_OFTEN
    assert answer["error"]["message"].startswith("8 clients are connected")
    assert again["collector"]["clients"] == MOST_CLIENTS


@pytest.mark.slow
def test_a_subscriber_that_does_not_read_is_cut_off_and_counted(caplog):
    async def job(house):
        with house.knock() as caller:
            caller.send(call("subscribe"))
            await asyncio.sleep(1)
            (topic,) = house.made.broker.topics.values()
            (client,) = topic.feed._groups.popitem()[1].subscribers
            topic.feed.add(client, methods.Wish())
            kept = 0
            while house.made.broker.clients:
                await asyncio.sleep(10)
                kept = max(kept, client._transport.get_write_buffer_size())
        async with await house.client() as other:
            return kept, await other.call("status")

    kept, status = visited(job, intervals={"fast": "10s"})
    assert MOST_BEHIND - LONGEST < kept < MOST_BEHIND + LONGEST
    assert status["devices"][0]["subscribers_cut"] == 1
    assert status["devices"][0]["up"]
    assert "does not read what it is told; it is hung up on" in caplog.text


@pytest.mark.slow
def test_who_asks_and_does_not_read_is_cut_off():
    async def job(house):
        with house.knock() as caller:
            sending = asyncio.create_task(
                house.loop.sock_sendall(caller, b"".join(call("values") for _ in range(500)))
            )
            await asyncio.sleep(60)
            await asyncio.gather(sending, return_exceptions=True)
        return house.made.broker.clients

    assert visited(job) == 0


@pytest.mark.slow
def test_who_does_not_read_keeps_no_door_from_being_closed():
    async def job(house):
        with house.knock() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.send(b"".join(call("values") for _ in range(40)))
            await asyncio.sleep(1)
            await house.made.remove("roof")
            await asyncio.sleep(1)
            before = house.made.broker.clients
            await asyncio.sleep(LINE_S)
            return before, house.made.broker.clients

    assert visited(job) == (1, 0)


def test_who_comes_in_while_the_door_is_closed_is_hung_up_on():
    async def job(house):
        server = module.DoorServer(house.made.broker, house.device.line)
        ours, theirs = socket.socketpair()
        with theirs:
            server.admit(ours)
            assert house.made.broker.clients == 1
            server.close()
            await asyncio.sleep(1)
            return theirs.recv(1), ours.fileno(), house.made.broker.clients

    assert visited(job) == (b"", -1, 0)


@pytest.mark.slow
def test_ten_thousand_connections_disturb_no_round():
    """Most of them only ask who has the lock; the others say something, or nothing."""

    async def quiet(house):
        await asyncio.sleep(100)
        return [batch.time_ns for batch in house.out.batches if batch.ends_round]

    async def busy(house):
        async def flood():
            left = 10_000
            while left:
                for _ in range(min(100, left)):
                    left -= 1
                    try:
                        caller = house.knock()
                    except BlockingIOError:
                        continue
                    if left % 3:
                        caller.send(call("status") if left % 2 else b"\n")
                    caller.close()
                await asyncio.sleep(0.1)

        await asyncio.gather(flood(), asyncio.sleep(100))
        async with await house.client() as client:
            status = await client.call("status")
        times = [batch.time_ns for batch in house.out.batches if batch.ends_round]
        return times, status["collector"]["clients"]

    alone = visited(quiet)
    times, clients = visited(busy)
    assert [time_ns // 10**9 for time_ns in times] == [time_ns // 10**9 for time_ns in alone]
    assert clients == 1


@pytest.mark.slow
def test_who_merely_asks_who_has_the_lock_loads_nothing(monkeypatch):
    """And is told at once, by the kernel."""

    def fail(*_):
        raise AssertionError("nobody has said anything")

    monkeypatch.setattr(module.DoorServer, "__init__", fail)

    async def job(house):
        for _ in range(300):
            with pytest.raises(BusyError):
                DeviceLock(house.device.address).acquire()
            await asyncio.sleep(0.1)

    visited(job)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_behind_a_stranger_there_is_a_door_all_the_same(caplog):
    """The name is anybody's; who looks for the door passes by whoever is not trusted."""

    async def main(loop):
        house = House(loop)
        with squatter("listening", house.name) as process:
            running = asyncio.create_task(house.made.run())
            await asyncio.sleep(20)
            async with await house.client() as client:
                status = await client.call("status")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return process.pid, status, house.out.last()

    pid, status, values = run(main)
    assert status["devices"][0]["up"]
    assert POWER in values
    assert f"is held by process {pid} on this host (user" in caplog.text


def test_no_descriptors_for_callers_leave_the_device_alone(monkeypatch):
    async def job(house):
        monkeypatch.setattr(
            socket.socket, "accept", lambda _self: (_ for _ in ()).throw(OSError(24, "too many"))
        )
        with house.knock():
            before = len(house.out.batches)
            await asyncio.sleep(30)
            assert len(house.out.batches) > before
        monkeypatch.undo()
        async with await house.client() as client:
            return await client.call("status")

    assert visited(job)["devices"][0]["up"]
