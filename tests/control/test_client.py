"""Who asks at a door."""

import asyncio
import json
import os
import socket
import sys

import pytest

from rct_collector.control import client as module
from rct_collector.control.client import MOST_WAITING, Client
from rct_collector.control.doors import Door, Seen, doors, survey
from rct_collector.errors import NobodyError, RpcError, TransportError
from rct_collector.lines.lock import DeviceLock, lock_name, lock_names
from tests.addresses import tcp
from tests.processes import descriptors
from tests.strangers import squatter
from tests.virtual import run
from tests.visiting import House, visited

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own"
)

ADDRESS = tcp(f"client-{os.getpid()}.test")
NAME = lock_name(ADDRESS.key)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


async def listening(answer):
    """A door of which a test says what it answers."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(NAME)
    return await asyncio.start_unix_server(answer, sock=listener)


def talking(answer, job):
    """Run a job with a client of such a door."""

    async def main(_loop):
        async with await listening(answer):
            async with await Client.connect(ADDRESS) as client:
                result = await job(client)
            await asyncio.sleep(1)  # until the other end has gone, too
        return result

    return run(main)


def test_nobody_collects():
    async def main(_loop):
        nobody = "nobody on this host collects from "
        with pytest.raises(NobodyError, match=f"{nobody}client-{os.getpid()}.test"):
            await Client.connect(ADDRESS)
        with pytest.raises(NobodyError, match=f"{nobody}rct-collector/tcp/client"):
            await Client.connect(NAME)

    run(main)


@needs_root
@pytest.mark.parametrize("manner", ["listening", "deaf", "full"])
def test_a_stranger_is_not_asked(manner):
    async def main(_loop):
        with (
            squatter(manner, NAME, NAME + b"/1") as process,
            pytest.raises(NobodyError) as caught,
        ):
            await Client.connect(ADDRESS)
        return process.pid, str(caught.value)

    pid, text = run(main)
    if manner == "deaf":  # it does not even listen
        assert text.startswith("nobody on this host collects from")
    else:
        assert text.startswith("nobody who is trusted collects from")
        assert f"its name is held by process {pid} on this host" in text


def test_a_door_that_takes_nobody_in_is_not_waited_for_for_ever():
    """The queue of those who wait is full."""

    async def main(_loop):
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as caller:
            listener.bind(NAME)
            listener.listen(0)
            caller.connect(NAME)
            with pytest.raises(TransportError, match="takes nobody in within 3 s") as caught:
                await Client.connect(ADDRESS, timeout=3)
        assert caught.value.kind == "timeout"

    run(main)


def test_what_is_not_answered_is_not_waited_for_for_ever():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    async def job(client):
        with pytest.raises(TransportError, match="status was not answered within 7 s") as caught:
            await client.call("status", timeout=7)
        assert caught.value.kind == "timeout"

    talking(silent, job)


def test_answers_come_in_any_order():
    async def backwards(reader, writer):
        lines = [json.loads(await reader.readline()) for _ in range(3)]
        for said in reversed(lines):
            answer = {"jsonrpc": "2.0", "id": said["id"], "result": said["params"]["n"]}
            writer.write(json.dumps(answer).encode() + b"\n")
        await reader.read()
        writer.close()

    async def job(client):
        return await asyncio.gather(*(client.call("x", {"n": n}) for n in range(3)))

    assert talking(backwards, job) == [0, 1, 2]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "has hung up"),
        (b"{\n", "is not understood: no JSON"),
        (b"[]\n7\n{}\n", "has hung up"),
        (b'{"id":77,"result":1}\n', "has hung up"),
        (b"x" * 100_000, "is not understood: a line has at most 99999 bytes"),
    ],
)
def test_what_is_no_answer_is_told(monkeypatch, said, words):
    monkeypatch.setattr(module, "LONGEST_ANSWER", 99_999)

    async def odd(reader, writer):
        await reader.readline()
        writer.write(said)
        writer.close()

    async def job(client):
        with pytest.raises(TransportError, match=words):
            await client.call("status")
        with pytest.raises(TransportError, match=words):
            await client.call("status")
        assert [told async for told in client.notifications] == []
        assert [told async for told in client.notifications] == []

    talking(odd, job)


def test_why_the_door_is_closed_is_what_a_call_raises():
    """Even where it was closed before anything could be asked."""

    async def refuse(_reader, writer):
        error = {"code": -32001, "message": "not for you", "data": [1]}
        writer.write(json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode() + b"\n")
        writer.close()

    async def job(client):
        await asyncio.sleep(1)
        with pytest.raises(RpcError) as caught:
            await client.call("status")
        return caught.value

    error = talking(refuse, job)
    assert (error.code, error.message, error.data) == (-32001, "not for you", [1])


@pytest.mark.slow
def test_what_nobody_takes_stays_at_the_other_end():
    sent = []

    async def chatty(reader, writer):
        await reader.readline()
        for n in range(10 * MOST_WAITING):
            told = {"jsonrpc": "2.0", "method": "update", "params": {"n": n, "pad": "x" * 10_000}}
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
            sent.append(n)
        writer.close()

    async def job(client):
        with pytest.raises(TransportError, match="not answered within 5 s"):
            await client.call("subscribe", timeout=5)
        assert len(sent) < 2 * MOST_WAITING
        return [params["n"] async for _, params in client.notifications]

    assert talking(chatty, job) == list(range(10 * MOST_WAITING))


# -- all doors of the host --------------------------------------------------------------------


def mine(found):
    return [door for door in found if str(os.getpid()).encode() in door.name]


def test_the_kernels_list_names_the_locks(tmp_path):
    listed = tmp_path / "unix"
    listed.write_bytes(
        b"Num       RefCount Protocol Flags    Type St Inode Path\n"
        b"0000000000000000: 00000002 00000000 00010000 0001 01 50831 @rct-collector/tcp/b/8899\n"
        b"0000000000000000: 00000003 00000000 00000000 0001 03 50832 @rct-collector/tcp/c/8899\n"
        b"0000000000000000: 00000002 00000000 00010000 0001 01 50833 @rct-collector/usb/a b\n"
        b"0000000000000000: 00000002 00000000 00010000 0001 01 50834 @/tmp/other\n"
        b"0000000000000000: 00000002 00000000 00010000 0001 01 50835 /run/rct-collector/x\n"
        b"0000000000000000: 00000003 00000000 00000000 0001 03 50836\n"
    )
    assert lock_names(listed) == [b"\0rct-collector/tcp/b/8899", b"\0rct-collector/usb/a b"]
    assert lock_names(tmp_path / "nothing") == []


@pytest.mark.slow
@needs_root
def test_doors_are_those_of_who_is_trusted():
    async def job(house):
        with squatter("listening", NAME):
            return house.name, mine(doors())

    name, found = visited(job)
    assert found == [Door(name, os.geteuid(), os.getpid())]
    assert str(found[0]).startswith(f"tcp/door-{os.getpid()}")


def test_who_hangs_up_at_once_leaves_nothing_open():
    async def job(house):
        before = len(descriptors())
        client = await house.client()
        await client.close()
        await asyncio.sleep(1)  # until the other end has gone, too
        return before, len(descriptors())

    before, after = visited(job)
    assert after == before


def test_a_survey_asks_all_doors_and_tells_of_those_that_are_silent():
    async def job(house):
        silent = DeviceLock(ADDRESS)
        silent.acquire()  # as somebody who only locks the device
        try:
            return house.name, await survey(mine(doors()), timeout=2)
        finally:
            silent.release()

    name, seen = visited(job)
    assert {item.door.name for item in seen} == {name, NAME}
    told = {item.door.name: item for item in seen}
    assert told[name].status["devices"][0]["source"] == "roof"
    assert told[NAME] == Seen(told[NAME].door, None, "status was not answered within 2 s")


def test_a_line_with_two_doors_is_told_once():
    async def main(loop):
        peer = tcp(f"peer-{os.getpid()}.test")
        house = House(loop, peer=peer)
        running = asyncio.create_task(house.made.run())
        await asyncio.sleep(20)
        try:
            found = mine(doors())
            async with await Client.connect(peer) as client:
                status = await client.call("status")
            return found, await survey(found), status
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    found, seen, status = run(main)
    assert len(found) == 2
    assert len(seen) == 1
    assert status["devices"][0]["source"] == "roof"
