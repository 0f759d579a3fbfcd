"""Simulated inverters behind sockets, and behind nothing at all in virtual time."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC
from itertools import pairwise

import pytest

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.drivers.base import Answer, Ask
from rct_collector.drivers.rct import frame, request, wire
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.simulator import (
    SCENARIOS,
    Access,
    Cut,
    Faults,
    Segment,
    Witness,
)
from rct_collector.drivers.rct.simulator.profiles import faults
from rct_collector.drivers.rct.simulator.profiles.outages import Night, ResetMidFrame
from rct_collector.drivers.rct.table import OBJECTS
from rct_collector.simulator import Hub, MemoryLink, SimulatedInverter, serve
from rct_collector.simulator.hub import MOST_UNREAD
from tests.memory import MemoryPlug
from tests.slow import slow_but
from tests.virtual import START, Recorder, collect, options, run

BY_NAME = {item.name: item for item in OBJECTS}
READ = [item for item in OBJECTS if not item.logger]
SOC, SERIAL = BY_NAME["battery.soc"], BY_NAME["inverter_sn"]
NOON = 1782043200
#: A line that costs the tests no time.
AT_ONCE = {"latency": (0.0, 0.0), "rate": 1e9}


class Client(asyncio.Protocol):
    """Keeps all bytes, and wakes who waits for so many of them."""

    def __init__(self):
        self.data, self.lost = b"", None
        self.transport = None
        self.changed = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.changed.set()

    def data_received(self, data):
        self.data += data
        self.changed.set()

    def connection_lost(self, exc):
        self.lost = exc or True
        self.changed.set()

    async def until(self, test):
        while not test(self):
            self.changed.clear()
            await self.changed.wait()

    async def answers(self, count):
        """Wait for so many frames."""
        await self.until(lambda client: len(frame.FrameReader().feed(client.data)) >= count)
        return frame.FrameReader().feed(self.data)


def simulated(scenario="sunny", **more):
    return SimulatedInverter(scenario, start=NOON, zone=UTC, **{**AT_ONCE, **more})


async def connect(server):
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, server.host, server.port)
    return client


def over_tcp(main):
    """Run a coroutine that takes a server and its inverter."""

    async def within(inverter):
        async with asyncio.timeout(60), await inverter.serve() as server:
            await main(server, inverter)

    asyncio.run(within(simulated()))


# -- TCP --------------------------------------------------------------------------------------


def test_every_client_gets_every_answer():
    async def main(server, inverter):
        one, other = await connect(server), await connect(server)
        await until_clients(server, 2)
        one.transport.write(request.read(SOC))
        other.transport.write(request.read(SERIAL))
        found = await one.answers(2)
        assert {item.oid for item in found} == {SOC.oid, SERIAL.oid}
        await other.answers(2)
        assert one.data == other.data
        assert inverter.bridge.observed.bytes_out == len(one.data)

    over_tcp(main)


async def until_clients(server, count):
    """Wait until the server has noticed who came and went."""
    while server.hub.clients != count:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


def test_clients_that_vanish_hurt_nobody():
    async def main(server, inverter):
        one, other = await connect(server), await connect(server)
        await until_clients(server, 2)
        one.transport.write(request.read(SOC) + request.read(SERIAL)[:5])
        one.transport.abort()
        await until_clients(server, 1)
        for _ in range(2):  # the half request may spoil the first
            other.transport.write(request.read(SERIAL))
        found = await other.answers(2)
        assert found[-1].oid == SERIAL.oid
        assert len(inverter.bridge.clients) == 1

    over_tcp(main)


class _Flood(Faults):
    """Makes every answer enormous."""

    def on_answer(self, request, segments, now):
        return [*segments, Segment(segments[-1].due, bytes(1 << 16))]


def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on():
    async def main():
        inverter = simulated(faults=[_Flood()])
        async with asyncio.timeout(60), await inverter.serve() as server:
            stalled, other = await connect(server), await connect(server)
            await until_clients(server, 2)
            stalled.transport.pause_reading()
            while server.hub.clients == 2:
                other.data = b""
                other.transport.write(request.read(SOC))
                await other.until(lambda client: len(client.data) > 1 << 16)
            stalled.transport.resume_reading()
            await stalled.until(lambda client: client.lost)
            assert not other.lost

    asyncio.run(main())


def test_closing_drops_all_clients_and_frees_the_port():
    async def main():
        async with asyncio.timeout(60):
            for _ in range(2):
                server = await serve(simulated().bridge, port=ports[-1] if ports else 0)
                ports.append(server.port)
                client = await connect(server)
                client.transport.write(request.read(SOC))
                await client.answers(1)
                server.close()
                await client.until(lambda client: client.lost)
                await server.wait_closed()

    ports: list[int] = []
    asyncio.run(main())
    assert ports[0] == ports[1]


def test_a_port_that_is_taken_is_an_error():
    async def main(server, _inverter):
        with pytest.raises(OSError, match="in use"):
            await simulated().serve(port=server.port)

    over_tcp(main)


def test_the_address_is_as_a_configuration_has_it():
    async def main(server, _inverter):
        assert server.address == f"tcp://127.0.0.1:{server.port}"

    over_tcp(main)


def test_a_unit_that_hangs_up_can_be_reached_again():
    async def main(server, _inverter):
        first = await connect(server)
        await until_clients(server, 1)
        server.hub.hang_up()
        await first.until(lambda client: client.lost)
        second = await connect(server)
        second.transport.write(request.read(SOC))
        assert (await second.answers(1))[0].oid == SOC.oid

    over_tcp(main)


# -- memory, virtual time ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize("name", slow_but("everything", SCENARIOS))
def test_all_objects_can_be_read_in_virtual_time(name):
    async def main(_loop):
        inverter = SimulatedInverter(name, start=NOON, zone=UTC)
        client, session = Client(), RctSession()
        link = inverter.connect(client)
        await client.until(lambda client: client.transport is link)
        wanted = [item for item in READ if inverter.unit.scenario.knows(item.name)]
        for item in wanted:
            client.data = b""
            link.write(session.request(Ask(item)))
            await client.until(lambda client: client.data)
            (event,) = session.receive(client.data)
            assert isinstance(event, Answer)
            assert event.query is item
        link.close()

    run(main)


def test_answers_come_at_their_time_on_a_clock_that_jumps():
    async def main(loop):
        inverter = SimulatedInverter(start=NOON, zone=UTC, speed=3600.0)
        client = Client()
        link = inverter.connect(client)
        clock = BY_NAME["flash_rtc.time_stamp"]
        for hour in range(24):
            client.data = b""
            began = loop.time()
            link.write(request.read(clock))
            (found,) = await client.answers(1)
            assert 0.02 < loop.time() - began < 0.08
            shown = wire.decode(clock.type, found.payload) - NOON
            assert hour * 3600 <= shown < hour * 3600 + 400
            await asyncio.sleep(began + 1.0 - loop.time())
        link.close()

    run(main)


def test_links_share_the_line_with_each_other():
    async def main(_loop):
        inverter = simulated()
        one, other = Client(), Client()
        links = [inverter.connect(client) for client in (one, other)]
        await asyncio.sleep(0)
        links[0].write(request.read(SOC))
        await other.answers(1)
        assert one.data == other.data
        links[0].close()
        links[1].write(request.read(SOC))
        await other.answers(2)
        assert len(one.data) < len(other.data)
        assert one.lost is True
        assert inverter.hub().clients == 1
        links[1].abort()

    run(main)


def test_a_link_is_a_transport():
    async def main(_loop):
        client = Client()
        hub = Hub(simulated().bridge)
        link = MemoryLink(hub, client)
        assert link.get_extra_info("peername") == ("memory", 0)
        assert link.get_extra_info("socket") is None
        assert link.get_protocol() is client
        assert not link.is_closing()
        assert not link.can_write_eof()
        assert link.get_write_buffer_size() == 0
        link.pause_reading()
        assert not link.is_reading()
        link.writelines([request.read(SOC), request.read(SERIAL)])
        await asyncio.sleep(1.0)
        assert client.data == b""
        link.resume_reading()
        assert len(await client.answers(2)) == 2
        link.abort()
        link.close()
        assert link.is_closing()
        link.write(request.read(SOC))
        await asyncio.sleep(1.0)
        assert client.lost is True
        assert hub.bridge.observed.answers == 2

    run(main)


def test_a_client_without_a_socket_reads_as_much_as_it_wants_and_not_for_ever():
    class Reader(asyncio.BufferedProtocol):
        def __init__(self):
            self.sizes, self.link, self.lost = [], None, False
            self._buffer = bytearray(100)

        def connection_made(self, transport):
            self.link = transport

        def get_buffer(self, sizehint):
            return self._buffer

        def buffer_updated(self, nbytes):
            self.sizes.append(nbytes)
            if len(self.sizes) == 2:
                self.link.pause_reading()

        def connection_lost(self, exc):
            self.lost = True

    async def main(loop):
        reader = Reader()
        link = MemoryLink(Hub(simulated().bridge), reader)
        await asyncio.sleep(0)
        link._arrived(bytes(350))
        assert reader.sizes == [100, 100]
        link.resume_reading()
        assert reader.sizes == [100, 100, 100, 50]
        link.pause_reading()
        link._arrived(bytes(MOST_UNREAD))
        assert not link.is_closing()
        link._arrived(b"1")
        await asyncio.sleep(0)
        assert reader.lost

    run(main)


def test_a_link_hears_when_the_unit_hangs_up():
    async def main(_loop):
        inverter, client = simulated(), Client()
        inverter.connect(client)
        inverter.hub().hang_up()
        await client.until(lambda client: client.lost)
        assert isinstance(client.lost, ConnectionResetError)
        inverter.hub().close()

    run(main)


class _Beat(Faults):
    """Says something every second, unasked."""

    next = 1001.0

    def on_time(self, now):
        found = []
        while self.next <= now:
            found.append(Segment(self.next, b"AT+\r"))
            self.next += 1.0
        return found

    def next_due(self):
        return self.next


def test_what_nobody_asked_for_comes_by_itself():
    async def main(_loop):
        inverter, client = simulated(faults=[_Beat()]), Client()
        inverter.connect(client)
        await asyncio.sleep(5.5)
        assert client.data == b"AT+\r" * 5
        inverter.hub().close()
        await asyncio.sleep(5.5)
        assert client.data == b"AT+\r" * 5

    run(main)


# -- connections that end ----------------------------------------------------------------------


class _Weather(Faults):
    """Does what a test says, and looks often what that is."""

    def __init__(self, state=Access.OPEN):
        self.state, self.cut, self.at = state, None, None

    def on_start(self, line, now):
        self.at = now

    def access(self, now):
        return self.state

    def on_time(self, now):
        self.at = now + 0.002
        cut, self.cut = self.cut, None
        return [Segment(now, b"", cut=cut)] if cut else []

    def next_due(self):
        return self.at


def in_weather(main, state=Access.OPEN):
    """Run a coroutine that takes a server and its weather."""

    async def within(weather):
        async with asyncio.timeout(60), await simulated(faults=[weather]).serve() as server:
            await main(server, weather)

    asyncio.run(within(_Weather(state)))


async def until(test):
    """Wait for something that nothing tells of."""
    while not test():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def served(client):
    """Ask, and wait for the answer."""
    before = client.data
    client.transport.write(request.read(SOC))
    await client.until(lambda client: len(client.data) >= len(before) + 14)
    return frame.FrameReader().feed(client.data[len(before) :])[0].oid == SOC.oid


def test_a_unit_that_refuses_does_not_listen_and_comes_back_at_the_same_port():
    async def main(server, weather):
        port, old = server.port, await connect(server)
        assert await served(old)
        weather.state, weather.cut = Access.REFUSED, Cut.RESET
        await old.until(lambda client: client.lost)
        assert isinstance(old.lost, ConnectionResetError)
        await until(lambda: not server.listening)
        with pytest.raises(ConnectionRefusedError):
            await connect(server)
        weather.state = Access.OPEN
        await until(lambda: server.listening)
        assert await served(await connect(server))
        assert server.port == port

    in_weather(main)


def test_a_unit_can_be_off_from_the_start():
    async def main(server, weather):
        with pytest.raises(ConnectionRefusedError):
            await connect(server)
        weather.state = Access.OPEN
        await until(lambda: server.listening)
        assert await served(await connect(server))

    in_weather(main, Access.REFUSED)


def test_a_server_waits_for_its_port_if_somebody_has_taken_it(monkeypatch, caplog):
    monkeypatch.setattr("rct_collector.simulator.server._RETRY_S", 0.01)

    async def main(server, weather):
        with socket.create_server((server.host, server.port)):
            weather.state = Access.OPEN
            await until(lambda: caplog.records)
        await until(lambda: server.listening)
        assert await served(await connect(server))

    in_weather(main, Access.REFUSED)
    assert "again: " in caplog.records[0].getMessage()


def test_a_server_that_is_closed_does_not_listen_again():
    async def main(server, weather):
        weather.state = Access.OPEN
        await asyncio.sleep(0.005)
        server.close()
        await server.wait_closed()
        await server.serve_forever()
        assert not server.listening

    in_weather(main, Access.REFUSED)


def test_a_forgotten_client_hears_nothing_more_and_new_ones_are_served():
    async def main(server, weather):
        old, other = await connect(server), await connect(server)
        assert await served(old)
        await until_clients(server, 2)
        weather.cut = Cut.HALF_OPEN
        await until_clients(server, 0)
        before = old.data
        old.transport.write(request.read(SOC))
        assert await served(await connect(server))
        assert (old.data, old.lost) == (before, None)
        assert server.hub.bridge.observed.requests["battery.soc"] == 2
        other.transport.abort()
        server.close()
        await old.until(lambda client: client.lost)

    in_weather(main)


def test_a_silent_unit_lets_everybody_in():
    async def main(server, weather):
        weather.state = Access.SILENT
        client = await connect(server)
        await until_clients(server, 1)
        client.transport.write(request.read(SOC))
        await asyncio.sleep(0.02)
        assert (client.data, client.lost) == (b"", None)
        weather.state = Access.OPEN
        assert await served(client)

    in_weather(main)


def test_links_are_refused_forgotten_and_reset_too():
    async def main(_loop):
        weather = _Weather(Access.REFUSED)
        inverter = simulated(faults=[weather])
        with pytest.raises(ConnectionRefusedError, match="refuses"):
            inverter.connect(Client())
        weather.state = Access.OPEN
        old = Client()
        inverter.connect(old)
        await asyncio.sleep(1.0)
        weather.cut = Cut.HALF_OPEN
        await asyncio.sleep(1.0)
        old.transport.write(request.read(SOC))
        new = Client()
        inverter.connect(new)
        await asyncio.sleep(1.0)
        assert (old.data, old.lost) == (b"", None)
        assert await served(new)
        weather.cut = Cut.RESET
        await new.until(lambda client: client.lost)
        assert old.lost is None
        inverter.hub().close()
        await old.until(lambda client: client.lost)

    run(main)


def test_a_link_is_reset_in_the_middle_of_an_answer():
    async def main(_loop):
        inverter, client = simulated(faults=[ResetMidFrame(1e-3)]), Client()
        inverter.connect(client)
        await asyncio.sleep(1.0)
        client.transport.write(request.read(SOC))
        await client.until(lambda client: client.lost)
        assert isinstance(client.lost, ConnectionResetError)
        assert client.data[:7] == bytes.fromhex("002b0508959930")
        assert len(client.data) < 10
        inverter.hub().close()

    run(main)


def test_doors_turn_at_their_times_on_a_clock_that_jumps():
    async def main(loop):
        inverter = SimulatedInverter(start=NOON, zone=UTC, speed=3600.0, faults=[Night()])
        turns = []

        def turned(is_open):
            turns.append((round(loop.time() - 1000.0, 6), is_open))

        inverter.hub().watch(turned)
        await asyncio.sleep(48.0)
        inverter.hub().close()
        return turns

    assert run(main) == [(10.0, False), (17.5, True), (34.0, False), (41.5, True)]


@pytest.mark.slow
def test_a_device_goes_through_nights_and_bad_connections():
    async def main(loop):
        witness = Witness()
        inverter = SimulatedInverter(
            start=START,
            zone=UTC,
            speed=96.0,
            faults=faults(["night", "flaky-wifi", "app"], 1),
            witness=witness,
        )
        plug, out = MemoryPlug(inverter), Recorder()
        where = {"name": "roof", "driver": "rct", "address": "tcp://unit.test", "timezone": "UTC"}
        device = Device(Config.parse({"devices": [where]}).devices[0], out, options(loop, plug))
        await collect(device, 2000.0)
        inverter.hub().close()
        return plug, out, witness

    plug, out, witness = run(main)
    socs = out.values()["inverter_battery{battery=0}.soc_percent"]
    gaps = [(b - a) / 1e9 for (a, _), (b, _) in pairwise(socs)]
    assert sum(280 < gap < 700 for gap in gaps) == 2  # two nights, and the wait after each
    assert plug.opened > 3
    sent = {100 * wire.decode(SOC.type, entry.reply.payload) for entry in witness.of(SOC.oid)}
    assert all(any(abs(value - other) < 1e-4 for other in sent) for _, value in socs)


# -- the whole --------------------------------------------------------------------------------


def test_by_default_the_units_world_is_now():
    before = time.time()
    inverter = SimulatedInverter(zone=UTC, sun=12.5)
    assert before <= inverter.unit.start <= time.time()
    assert inverter.unit.moment(inverter.unit.start).flows.pv > 500


def test_scenarios_are_found_by_name_or_given():
    assert SimulatedInverter(SCENARIOS["plant"]).unit.scenario.slaves == 2
    assert SimulatedInverter("plant", serial="X9").unit.world.identity.serial == "X9"
    with pytest.raises(KeyError):
        SimulatedInverter("no such thing")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_virtual_time():
    async def main(_loop, seed):
        inverter, client = SimulatedInverter(start=NOON, zone=UTC, seed=seed), Client()
        link = inverter.connect(client)
        for item in READ[:100]:
            link.write(request.read(item))
            await asyncio.sleep(0.02)
        await asyncio.sleep(5)
        link.close()
        return client.data

    one, same, other = (run(lambda loop, s=seed: main(loop, s)) for seed in (1, 1, 2))
    assert one == same != other
