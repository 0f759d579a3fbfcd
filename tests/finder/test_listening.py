"""Listening at serial ports for units that talk by themselves, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.errors import BusyError, TransportError
from rct_collector.finder.finder import Finder
from rct_collector.finder.places import Place
from rct_collector.lines.lock import DeviceLock
from rct_collector.simulator import SimulatedInverter
from tests import virtual

PORT = "serial:///dev/ttyUSB0"
SOLAREDGE = driver("solaredge")


def place(**more):
    usual = {"kind": "serial", "node": "/dev/ttyUSB0", "addresses": {"solaredge": PORT}}
    return Place(**{**usual, **more})


class Wire:
    """A line on which somebody may speak.

    Attributes:
        sent: What the collector has sent over it.
    """

    is_open = True

    def __init__(self, sent):
        self.sent = sent

    def send(self, data):
        self.sent.append(data)

    def pause(self):
        pass

    def resume(self):
        pass

    def close(self):
        pass


class Ports:
    """Opens lines: a bus of simulated inverters under a foreign master, or given bytes.

    Attributes:
        opened: Where a line was opened.
        sent: What was sent over any.
    """

    def __init__(self, said=None, refuse=""):
        self.opened, self.sent, self._said, self._refuse = [], [], said, refuse

    async def __call__(self, address, receive, lost, timeout):
        self.opened.append((address.place, address.options["mode"]))
        if self._refuse:
            raise TransportError(self._refuse)
        loop = asyncio.get_running_loop()
        if self._said is None:
            bus = SimulatedInverter(
                driver="solaredge", way="passive", start=virtual.START, sun=12.0, inverters=2
            )
            bus.hub().attach(receive, lambda: None)
        elif self._said:
            loop.call_later(1.0, receive, self._said)
        return Wire(self.sent)


def listened(ports, where=None, *, seconds=60.0, families=("solaredge",), lock=False):
    """(place after listening, virtual seconds that it took)."""

    async def main(loop):
        options = Options(clock=virtual.VirtualClock(loop), opener=ports, lock=lock)
        begin = loop.time()
        found = await Finder([driver(name) for name in families], options).listen(
            where or place(), seconds
        )
        return found, loop.time() - begin

    return virtual.run(main)


def test_who_talks_on_a_bus_is_told_and_nothing_is_said_there():
    ports = Ports()
    found, took = listened(ports)
    assert found.driver == "solaredge"
    assert found.said == {"heard": "7F100000, 7F100001"}
    assert found.addresses == {"solaredge": PORT}
    assert ports.opened == [("/dev/ttyUSB0", "passive")]
    assert ports.sent == []
    assert 60.0 <= took < 62.0


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"", "nobody heard within 60 s"),
        (
            b"\x99\x42 not a frame",
            "nobody heard within 60 s, but 1 times something that means nothing",
        ),
    ],
)
def test_a_port_where_nobody_talks_is_told(said, trouble):
    found, _ = listened(Ports(said))
    assert (found.said, found.driver, found.trouble) == ({}, "", trouble)


def test_a_port_that_cannot_be_opened_is_told():
    found, _ = listened(Ports(refuse="cannot open /dev/ttyUSB0: no such device"))
    assert found.trouble == "cannot open /dev/ttyUSB0: no such device"


def test_a_port_that_a_collector_holds_is_left_alone(monkeypatch):
    ports = Ports()

    def refuse(_self):
        raise BusyError("held by another collector")

    monkeypatch.setattr(DeviceLock, "acquire", refuse)
    found, _ = listened(ports, lock=True)
    assert (ports.opened, found.trouble) == ([], "held by another collector")


@pytest.mark.parametrize(
    "where",
    [
        place(kind="usb"),
        place(trouble="this user may not open it"),
        place(said={"dialect": "pi30"}),
        place(addresses={"voltronic": PORT}),
    ],
    ids=["no serial port", "closed to this user", "known already", "of another family"],
)
def test_what_is_no_place_to_listen_at_is_not_opened(where):
    ports = Ports()
    found, _ = listened(ports, where)
    assert (ports.opened, found) == ([], where)


def test_only_families_that_talk_are_listened_to():
    assert Finder([driver("rct"), driver("voltronic")]).talkers == []
    assert Finder([SOLAREDGE]).talkers == ["solaredge"]


def test_those_who_call_are_no_search():
    finder = Finder([driver("rct"), driver("voltronic"), SOLAREDGE])
    assert finder.callers == {"solaredge": "listen://0.0.0.0:22222"}
