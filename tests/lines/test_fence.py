"""A fence: nothing is sent that is not allowed at that moment, and lines are closed for it."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.device.device import Device
from rct_collector.lines.fence import REASON, fenced, fenced_calls
from tests.addresses import tcp
from tests.device.test_device import config
from tests.scripted import ScriptedUnit
from tests.virtual import Plug, Recorder, options, run


class Line:
    """A line without a network."""

    ends = peer = None

    def __init__(self):
        self.said = []

    def send(self, data):
        self.said.append(data)

    def pause(self):
        self.said.append("paused")

    def resume(self):
        self.said.append("resumed")

    def close(self):
        self.said.append("closed")


class Gate:
    """Says whether something may be sent."""

    def __init__(self):
        self.is_open = True

    def __call__(self):
        return self.is_open


async def opened(line, gate, lost):
    async def opener(_address, _receive, _lost, _timeout):
        return line

    return await fenced(opener, gate)(tcp("192.0.2.1:8899"), lambda data: None, lost, 1.0)


async def called(line, gate, lost):
    made = []

    async def listen(_address, accept):
        assert accept(made[0])[1] == lost

    def accept(wire):
        made.append(wire)
        return (lambda data: None), lost

    made.append(line)
    await fenced_calls(listen, gate)(tcp("192.0.2.1:8899"), accept)
    return made[1]


@pytest.mark.parametrize("way", [opened, called])
def test_what_is_forbidden_is_not_sent_and_closes_the_line(way):
    async def main(_loop):
        line, gate, lost = Line(), Gate(), []
        wire = await way(line, gate, lost.append)
        wire.send(b"one")
        wire.pause()
        wire.resume()
        gate.is_open = False
        wire.send(b"two")
        assert not lost, "not from within what sends"
        await asyncio.sleep(0.01)
        gate.is_open = True
        wire.send(b"three")
        wire.pause()
        wire.close()
        return line.said, lost

    said, lost = run(main)
    assert said == [b"one", "paused", "resumed", "closed"]
    assert lost == [REASON]


@pytest.mark.parametrize("way", [opened, called])
def test_whoever_closes_it_is_not_told(way):
    async def main(_loop):
        line, gate, lost = Line(), Gate(), []
        wire = await way(line, gate, lost.append)
        gate.is_open = False
        wire.send(b"one")
        wire.close()
        await asyncio.sleep(0.01)
        return line.said, lost

    said, lost = run(main)
    assert said == ["closed"]
    assert lost == []


def test_a_device_is_asked_nothing_once_that_is_forbidden():
    async def main(loop):
        unit = ScriptedUnit()
        until = loop.time() + 12.3
        shared = options(loop, Plug(unit), may_send=lambda: loop.time() < until)
        task = asyncio.create_task(Device(config(), Recorder(), shared).run())
        await asyncio.sleep(60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return unit.asked, until

    asked, until = run(main)
    assert len(asked) > 20
    assert max(at for at, _ in asked) < until
