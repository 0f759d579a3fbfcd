"""Simulated units at 2400 baud, in virtual time: what goes over the line, and when."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.drivers import driver
from rct_collector.drivers.voltronic.simulator import LineFaults, VoltronicLine, VoltronicUnit
from rct_collector.drivers.voltronic.table import COMMANDS
from tests import virtual

GAP_S = driver("voltronic").polled.pace.gap
SHAPES = {item.text.encode(): item.shape for item in COMMANDS if "pi30" in item.dialects}


class Watched(VoltronicLine):
    """Notes when what was asked, and when bytes came.

    Attributes:
        asked: (time, question without checksum and end).
        said: When bytes left.
    """

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.asked, self.said = [], []

    def receive(self, client, data, now):
        self.asked.append((now, data[:-3]))
        return super().receive(client, data, now)

    def pull(self, now):
        found = super().pull(now)
        self.said += [now] * bool(found)
        return found

    def times(self, question):
        return [at for at, text in self.asked if text == question]


class Silent(LineFaults):
    """Says nothing to some questions."""

    def __init__(self, *questions):
        super().__init__()
        self._questions = questions

    def on_request(self, line, now):
        return None if line[:-2] in self._questions else super().on_request(line, now)


def collected(scenario, seconds, *faults, **options):
    """The line and the device after so many seconds, and all batches."""
    batches = []
    line = Watched(VoltronicUnit(scenario, start=virtual.START), faults=faults)
    device = {"name": "a", "driver": "voltronic", "address": "tcp://192.0.2.1:4196", **options}

    async def main(loop):
        collector = Collector(
            Config.parse({"devices": [device]}),
            batches.append,
            virtual.options(loop, virtual.Plug(line)),
        )
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return collector.devices[0]

    return line, virtual.run(main), batches


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["sbu", "small", "parallel"])
def test_the_gap_is_kept_and_what_looks_alike_never_follows_on_each_other(scenario):
    line, device, _ = collected(scenario, 300.0)
    assert device.stats.totals["answers"] > 60
    assert device.stats.totals["timeouts"] == 0
    said = iter(line.said)
    last = 0.0
    for at, _ in line.asked:
        while (heard := next(said, None)) is not None and heard < at:
            last = heard
        assert at - last >= GAP_S - 1e-6
    shapes = [(text, SHAPES.get(text)) for _, text in line.asked]
    assert not [
        (before, after)
        for (before, one), (after, other) in pairwise(shapes)
        if before != after and one is not None and one == other
    ]


def test_power_flows_are_there_within_seconds():
    line, _, batches = collected("sbu", 15.0)
    assert line.times(b"QPIGS")[0] < 1000.0 + 10.0
    assert any(
        series.metric.name == "inverter_battery.voltage_volts"
        for batch in batches
        for series, _ in batch.values
    )


@pytest.mark.slow
def test_a_unit_that_is_silent_about_what_it_lacks_is_asked_for_the_rest():
    """Each silence costs its timeout, and a silence of the line."""
    lacks = tuple(
        text.encode()
        for text in ("QPIGS2", "QBMS", "Q1", "QLT", "QLD", "QLM", "QLY", "QBEQI", "VERFW:", "QVFW4")
    )
    line, device, _ = collected("sbu", 1800.0, Silent(*lacks))
    later = [at for at in line.times(b"QPIGS") if at > 1000.0 + 300.0]
    assert len(later) >= 149
    assert max(b - a for a, b in pairwise(later)) < 15
    assert device.polling.given_up >= 7
    silent = [text for _, text in line.asked if text in lacks]
    assert len(silent) <= 4 * len(lacks)
