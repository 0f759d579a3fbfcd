"""Which door a command goes to: that of the one device of its name, where it was before."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from rct_collector.bridge import service
from rct_collector.bridge.service import HouseDoors
from rct_collector.control.doors import Door, Seen
from rct_collector.control.messages import Code
from rct_collector.errors import RpcError


class Host:
    """The doors of a host.

    Attributes:
        doors: Name → the devices that are told there; None for one that does not answer.
        asked: The doors that were asked, each time.
        opened: Those that were gone through.
    """

    def __init__(self, monkeypatch, **doors):
        self.doors = {name.encode(): sources for name, sources in doors.items()}
        self.asked = []
        self.opened = []
        monkeypatch.setattr(service, "survey", self.survey)
        monkeypatch.setattr(service, "Client", self)

    async def survey(self, found=None):
        names = [door.name for door in found] if found else list(self.doors)
        self.asked.append(names)
        return [self._seen(name) for name in names]

    def _seen(self, name):
        sources = self.doors.get(name)
        door = Door(name, 0, 1)
        if sources is None:
            return Seen(door, None, "silent")
        return Seen(door, {"devices": [{"source": source} for source in sources]})

    async def connect(self, name):
        self.opened.append(name)
        return self._door()

    @asynccontextmanager
    async def _door(self):
        yield self


def go(*sources):
    """Through the doors of some devices, one after the other."""

    async def main():
        doors = HouseDoors()
        for source in sources:
            async with doors.opened(source):
                pass

    asyncio.run(main())


def test_the_door_of_a_device_is_found_and_remembered(monkeypatch):
    host = Host(monkeypatch, a=["roof"], b=["barn", "shed"], c=None)
    go("barn", "barn", "roof")

    assert host.opened == [b"b", b"b", b"a"]
    assert host.asked == [[b"a", b"b", b"c"], [b"b"], [b"a", b"b", b"c"]]


def test_a_device_that_somebody_else_has_now_is_looked_for_again(monkeypatch):
    host = Host(monkeypatch, a=["roof"], b=[])

    async def main():
        doors = HouseDoors()
        async with doors.opened("roof"):
            pass
        host.doors = {b"b": ["roof"]}
        async with doors.opened("roof"):
            pass

    asyncio.run(main())

    assert host.opened == [b"a", b"b"]


@pytest.mark.parametrize(
    ("doors", "code", "text"),
    [
        ({}, Code.AWAY, "nobody on this host collects from roof"),
        ({"a": ["barn"], "b": None}, Code.AWAY, "collects from roof, or does not tell: silent"),
        ({"a": ["roof"], "b": ["roof"]}, Code.REFUSED, "2 processes on this host collect"),
    ],
)
def test_no_door_or_more_than_one_is_none(monkeypatch, doors, code, text):
    host = Host(monkeypatch, **doors)
    with pytest.raises(RpcError, match=text) as raised:
        go("roof")

    assert raised.value.code == code
    assert host.opened == []
