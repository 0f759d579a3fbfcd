"""Runs a family of a test through the real collector, in virtual time, to line protocol."""

from __future__ import annotations

import asyncio
from itertools import count

from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.collector import Collector
from rct_collector.config import Config
from tests import virtual

WALL = int(virtual.START)


class Unit:
    """The other end of a line; a test says what it does with what it reads.

    Attributes:
        heard: (time, line) of everything that was read.
    """

    end = b"\n"

    def __init__(self):
        self.heard = []
        self._half = b""
        self._due = []
        self._clients = count()

    def connect(self):
        return next(self._clients)

    def disconnect(self, client):
        self._half = b""

    def receive(self, _client, data, now):
        *lines, self._half = (self._half + data).split(self.end)
        for line in lines:
            self.heard.append((now, line.decode()))
            self.read(line.decode(), now)

    def read(self, line, now):
        """A line came."""

    def say(self, line, at):
        """Send a line at a time."""
        self._due.append((at, line.encode() + self.end))
        self._due.sort(key=lambda entry: entry[0])

    def next_due(self):
        return self._due[0][0] if self._due else None

    def pull(self, now):
        ready = [data for at, data in self._due if at <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        return ready


class Plug(virtual.Plug):
    """Leads to a unit that may speak first."""

    async def __call__(self, *arguments):
        wire = await super().__call__(*arguments)
        wire._arm()
        return wire


class Run:
    """What came out.

    Attributes:
        batches: Every batch.
        device: The device.
        lines: Line protocol, without the figures about the collector.
    """

    def __init__(self, driver, unit, seconds=30.0, *, during=None, common=None, **options):
        """``common`` are options that all devices of a process share."""
        self.batches = []
        self.unit = unit
        virtual.run(lambda loop: self._main(loop, driver, seconds, during, common or {}, options))

    async def _main(self, loop, driver, seconds, during, common, options):
        self.plug = Plug(self.unit)
        device = {"name": "toy", "driver": driver.name, "address": "tcp://192.0.2.1", **options}
        self.collector = Collector(
            Config.parse({"devices": [device]}),
            self.take,
            virtual.options(loop, self.plug, **common),
        )
        (self.device,) = self.collector.devices
        running = asyncio.create_task(self.collector.run())
        if during is not None:
            await asyncio.sleep(1.0)
            self.result = await during(self)
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def take(self, batch):
        """What stands in for an agent: takes each batch at once."""
        self.batches.append(batch)

    @property
    def lines(self):
        written = LineProtocol()
        lines = [line.decode().strip() for batch in self.batches for line in written.lines(batch)]
        return [line for line in lines if not line.startswith("inverter_collector")]

    def own(self, field):
        """Values of a figure about the collector itself, in order."""
        return [
            value
            for batch in self.batches
            for series, value in batch.values
            if series.metric.name == f"inverter_collector.{field}"
        ]
