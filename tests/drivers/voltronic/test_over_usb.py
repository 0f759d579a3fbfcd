"""Simulated units at USB, from their reports through the real collector, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.device.options import Options
from rct_collector.drivers.voltronic import DRIVER
from rct_collector.drivers.voltronic.frame import pack
from rct_collector.drivers.voltronic.simulator import VoltronicLine, VoltronicUnit
from rct_collector.simulator import Hub, ReportNode
from rct_collector.transport import open_line, parse_address, usb
from tests.sysfs import Tree
from tests.virtual import Recorder, VirtualClock, run


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Tree(tmp_path)
    monkeypatch.setattr(usb, "SYS", host.sys)
    monkeypatch.setattr(usb, "DEV", host.dev)
    monkeypatch.setattr(usb, "_next", {})
    return host


@asynccontextmanager
async def plugged(host, units):
    """Units at sockets: they are there while the block runs; socket → what serves its clients.

    Args:
        host: Where they are plugged in.
        units: Socket → unit.
    """
    hubs = {}
    async with AsyncExitStack() as stack:
        for number, (socket, unit) in enumerate(units.items()):
            node = host.hidraw(host.usb(socket, "0665:5161"), number, node=False)
            stack.callback(host.unplug, socket)
            hubs[socket] = hub = Hub(VoltronicLine(unit))
            stack.callback(hub.close)
            await stack.enter_async_context(ReportNode(hub, node))
        yield hubs


@asynccontextmanager
async def collecting(loop, addresses):
    """What a collector publishes of devices: name → address."""
    out = Recorder()
    devices = [
        {"name": name, "driver": "voltronic", "address": address}
        for name, address in addresses.items()
    ]
    collector = Collector(
        Config.parse({"devices": devices}), out, Options(clock=VirtualClock(loop))
    )
    task = asyncio.create_task(collector.run())
    yield out
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def said(out, name, since=0):
    """Name of a series → its values, of one device."""
    found = {}
    for batch in out.batches[since:]:
        for series, value in batch.values:
            if batch.source == name:
                found.setdefault(series.name, []).append(value)
    return found


@pytest.mark.slow
def test_units_are_found_by_what_they_say_wherever_they_are_plugged_in(host, caplog):
    east, west, third = (VoltronicUnit(seed=seed) for seed in range(3))
    addresses = {
        "east": f"usb://?serial_number={east.serial}",
        "west": f"usb://0665:5161?serial_number={west.serial}",
    }

    async def main(loop):
        async with collecting(loop, addresses) as out:
            async with plugged(host, {"1-1.3": west, "1-1.4": third, "1-2": east}) as hubs:
                await asyncio.sleep(300)
                served = [socket for socket, hub in hubs.items() if hub.clients]
            await asyncio.sleep(60)
            again = len(out.batches)
            async with plugged(host, {"1-1.3": east, "1-2": west}):
                await asyncio.sleep(400)
                return served, out, again

    served, out, again = run(main)
    assert served == ["1-1.3", "1-2"]
    for name in addresses:
        before, found = said(out, name), said(out, name, again)
        assert 1 in before["inverter_collector.up"]
        assert (found["inverter_collector.up"][0], found["inverter_collector.up"][-1]) == (0, 1)
        assert len(found["inverter_power.load_watts"]) > 10
    assert not any(record.exc_info for record in caplog.records)


def test_an_answer_takes_the_time_of_its_bytes(host):
    """At 2400 baud, with what the unit needs, and not more than a tenth besides."""

    async def main(loop):
        async with plugged(host, {"1-1.4": VoltronicUnit()}):
            heard = bytearray()
            address = parse_address("usb://0665:5161", DRIVER.ways)
            line = await open_line(address, heard.extend, print, 5.0)
            request, began = pack("QPIGS"), loop.time()
            line.send(request)
            while not heard.endswith(b"\r"):
                await asyncio.sleep(0.001)
            line.close()
            return loop.time() - began, len(request) + len(heard)

    took, size = run(main)
    assert took < 1.1 * size / 240 + 0.06
    assert took < 0.65
