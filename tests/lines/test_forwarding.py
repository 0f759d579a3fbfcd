"""Callers that are put through: bytes pass unchanged, and we answer nobody."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.drivers.options import FamilyOptions
from rct_collector.errors import ConfigError, TransportError
from rct_collector.lines.forwarding import MOST_WAITING, Forwarding
from rct_collector.option import option
from rct_collector.transport import listen_at, open_line, parse_address
from rct_collector.transport.base import Ends
from tests import virtual
from tests.dialling import Doors
from tests.processes import free_port
from tests.toys import plant
from tests.toys.running import WALL

PORTAL = parse_address("tcp://192.0.2.1:22222", {"tcp": {}})


class Line:
    """An end of a call."""

    def __init__(self, remote=("192.0.2.7", 5000), local=("192.0.2.5", 1)):
        self.ends = Ends(local, remote)
        self.sent = b""
        self.paused = self.closed = False

    def send(self, data):
        self.sent += data

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def close(self):
        self.closed = True


class World:
    """A unit that calls, a portal that answers when it is let, and what we hear of it."""

    def __init__(self, line=None):
        self.unit, self.portal = line or Line(), Line()
        self.heard, self.ended = b"", []
        self.answer = asyncio.get_running_loop().create_future()
        self.forwarding = Forwarding(self._listen, self._open, PORTAL, name="roof")

    async def _listen(self, _address, accept):
        self.call = accept

    async def _open(self, _address, receive, lost, _timeout):
        error = await self.answer
        if error:
            raise TransportError(error)
        self.portal_says, self.portal_hangs_up = receive, lost
        return self.portal

    async def begin(self):
        await self.forwarding.listen(None, self.accept)
        self.say, self.hang_up = self.call(self.unit)

    def accept(self, line):
        self.relay = line
        return self._hear, self.ended.append

    def _hear(self, data):
        self.heard += data
        self.relay.send(b"an answer of ours")


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def world(test):
    """Run a test in a world, once the portal has answered or not."""

    async def main(*arguments):
        there = World()
        await there.begin()
        await test(there, *arguments)

    return lambda *arguments: asyncio.run(main(*arguments))


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=20)), max_size=20), st.integers(0, 20))
def test_bytes_pass_unchanged_and_are_heard(said, when):
    """Whoever speaks, and however early."""

    @world
    async def run(there):
        for n, (by_unit, data) in enumerate(said):
            if n == when:
                there.answer.set_result("")
                await settle()
            if by_unit or n < when:
                there.say(data)
            else:
                there.portal_says(data)
        if len(said) <= when:
            there.answer.set_result("")
            await settle()
        units = b"".join(data for n, (by_unit, data) in enumerate(said) if by_unit or n < when)
        portals = b"".join(
            data for n, (by_unit, data) in enumerate(said) if not by_unit and n >= when
        )
        assert there.portal.sent == there.heard == units
        assert there.unit.sent == portals

    run()


@pytest.mark.parametrize("early", [True, False])
def test_nobody_is_answered_while_the_portal_is_away_and_that_is_told_once(early, caplog):
    caplog.set_level("INFO")

    @world
    async def run(there):
        if early:
            there.say(b"a record")
        there.answer.set_result("nobody answers at 192.0.2.1:22222")
        await settle()
        assert there.unit.closed
        assert there.unit.sent == b""
        assert there.heard == (b"a record" if early else b"")
        assert there.ended == ["the portal cannot be reached: nobody answers at 192.0.2.1:22222"]
        there.say, there.hang_up = there.call(Line())
        await settle()
        there.answer = asyncio.get_running_loop().create_future()
        there.answer.set_result("")
        there.call(Line())
        await settle()

    run()
    told = [record.getMessage() for record in caplog.records if "portal" in record.getMessage()]
    assert len(told) == 2
    assert "roof: the portal tcp://192.0.2.1:22222 cannot be reached" in told[0]
    assert "units are not answered, and keep what they say" in told[0]
    assert told[1] == "roof: the portal tcp://192.0.2.1:22222 answers again"


def test_when_the_portal_hangs_up_so_do_we():
    @world
    async def run(there):
        there.answer.set_result("")
        await settle()
        there.portal_hangs_up("the device closed the connection")
        assert there.unit.closed
        assert there.ended == ["the portal: the device closed the connection"]

    run()


def test_when_the_unit_hangs_up_the_portal_is_told():
    @world
    async def run(there):
        there.answer.set_result("")
        await settle()
        there.hang_up("gone")
        assert there.portal.closed
        assert there.ended == ["gone"]
        assert not there.forwarding.ours

    run()


def test_a_unit_that_hangs_up_early_costs_no_call():
    @world
    async def run(there):
        there.hang_up("gone")
        there.answer.set_result("")
        await settle()
        assert there.portal.sent == b""
        assert there.ended == ["gone"]

    run()


def test_what_waits_for_the_portal_is_bounded():
    @world
    async def run(there):
        there.say(bytes(MOST_WAITING))
        assert not there.unit.paused
        there.say(b"more")
        assert there.unit.paused
        there.relay.resume()
        assert there.unit.paused
        there.answer.set_result("")
        await settle()
        assert not there.unit.paused
        assert there.portal.sent == bytes(MOST_WAITING) + b"more"

    run()


def test_a_circle_is_seen(caplog):
    @world
    async def run(there):
        there.answer.set_result("")
        await settle()
        again = Line(remote=there.portal.ends.local)
        there.call(again)
        await settle()
        assert again.closed

    run()
    assert "'forward' leads to where we listen ourselves" in caplog.text


# -- configured --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PlantOptions(FamilyOptions):
    forward: str = option(
        str, "The portal.", example="tcp://192.0.2.1", takes="address", default="", shown=""
    )


@pytest.fixture
def plant_driver(register):
    return register(replace(plant.DRIVER, options=PlantOptions()))


def configured(forward, address="listen://127.0.0.1:5"):
    device = {"name": "toy", "driver": "plant", "address": address, "forward": forward}
    return Config.parse({"devices": [device]})


@pytest.mark.parametrize(
    ("forward", "address", "words"),
    [
        (
            "192.0.2.1",
            "listen://127.0.0.1:5",
            "devices[0].forward: found '192.0.2.1', expected an address such as tcp://",
        ),
        (
            "tcp://192.0.2.1:0",
            "listen://127.0.0.1:5",
            "devices[0].forward: found 'tcp://192.0.2.1:0', expected an address such as"
            " tcp://192.0.2.10:22222, with a port from 1 to 65535",
        ),
        (
            "tcp://192.0.2.1",
            "tcp://192.0.2.9:5",
            "devices[0].forward: found 'tcp://192.0.2.1', expected none, since nobody dials in at"
            " tcp://192.0.2.9:5, but at listen://",
        ),
    ],
)
def test_where_nobody_can_be_put_through_to_is_told(plant_driver, forward, address, words):
    with pytest.raises(ConfigError) as told:
        configured(forward, address)
    assert words in str(told.value)


def test_a_device_reads_what_passes_and_answers_nothing(plant_driver):
    """Records are published, and the only acknowledgement is that of the portal."""
    doors, portal, batches = Doors(), Line(), []

    async def answer(address, receive, _lost, _timeout):
        assert str(address) == "tcp://192.0.2.1"
        assert address.place == "192.0.2.1:22222"
        portal.says = receive
        return portal

    async def main(loop):
        options = virtual.options(loop, answer)
        options = replace(options, listen=doors)
        collector = Collector(configured("tcp://192.0.2.1"), batches.append, options)
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(1)
        call = doors.call()
        record = f"1;A1;inverter;{WALL};10\n".encode()
        call.say(record)
        await asyncio.sleep(1)
        assert portal.sent == record
        assert call.sent == []
        portal.says(b"A1 ACK 1\n")
        assert call.sent == [b"A1 ACK 1\n"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtual.run(main)
    written = LineProtocol()
    lines = [line.decode() for batch in batches for line in written.lines(batch)]
    assert sum(line.startswith("inverter_power,") for line in lines) == 1


def test_over_real_sockets():
    """A unit, us and a portal on loopback."""

    async def main():
        heard, at_portal = bytearray(), bytearray()
        ways = {"tcp": {}, "listen": {}}
        here, there = free_port(), free_port()

        async def portal(reader, writer):
            while data := await reader.read(100):
                at_portal.extend(data)
                writer.write(b"ACK " + data)
            writer.close()
            await writer.wait_closed()
            hung_up.set()

        hung_up = asyncio.Event()
        server = await asyncio.start_server(portal, "127.0.0.1", there)
        address = parse_address(f"tcp://127.0.0.1:{there}", ways)
        forwarding = Forwarding(listen_at, open_line, address, name="roof")
        local = parse_address(f"listen://127.0.0.1:{here}", ways)
        ours = await forwarding.listen(local, lambda _line: (heard.extend, lambda _reason: None))
        reader, writer = await asyncio.open_connection("127.0.0.1", here)
        for data in (b"one", b"two"):
            writer.write(data)
            assert await reader.readexactly(7) == b"ACK " + data
        writer.close()
        await writer.wait_closed()
        await hung_up.wait()
        ours.close()
        server.close()
        return bytes(heard), bytes(at_portal)

    assert asyncio.run(main()) == (b"onetwo", b"onetwo")
