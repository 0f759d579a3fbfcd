"""Asking at places which device is there: over real lines, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rct_collector.device.options import Options
from rct_collector.drivers import DEFAULT, driver
from rct_collector.drivers.tools import Search, Tools
from rct_collector.errors import BusyError, TransportError
from rct_collector.finder import finder as finding
from rct_collector.finder.finder import Finder
from rct_collector.finder.places import Place
from rct_collector.lines.lock import DeviceLock
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.toys import nameless
from tests.toys.test_nameless import Late

SERIAL = "0123456789A"


class Network:
    """An opener: where somebody is, and what becomes of the others.

    Attributes:
        asked: Where it was tried to connect.
    """

    def __init__(self, units, kinds=None):
        self._units, self._kinds, self.asked = units, kinds or {}, []

    async def __call__(self, address, receive, lost, timeout):
        self.asked.append(address.place)
        unit = self._units.get(address.place)
        if unit is None:
            kind = self._kinds.get(address.place, "timeout")
            await asyncio.sleep(timeout if kind == "timeout" else 0.001)
            raise TransportError(f"nobody at {address.place}", kind)
        return virtual.Wire(unit, receive, lost)


class Asked(Tools):
    """Of a family whose answers do not tell what they answer."""

    def search(self):
        return Search(
            queries=("load", "grid"), words=lambda facts: {n: str(facts[n]) for n in facts}
        )


@pytest.fixture
def toy(register):
    return register(replace(nameless.DRIVER, ways={"tcp": {"port": "1"}, "serial": {}}), Asked)


def inverter():
    return SimulatedInverter(serial=SERIAL, latency=(0.01, 0.02)).bridge


def searched(units, hosts, families=(DEFAULT,), kinds=None):
    """Places in a network, what it was told meanwhile, the finder, and where it has asked."""
    network, told = Network(units, kinds), []

    async def main(loop):
        options = Options(clock=virtual.VirtualClock(loop), opener=network, lock=False)
        finder = Finder([driver(name) for name in families], options)
        places = await finder.search(hosts, lambda attempt, found: told.append((*attempt, found)))
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []
        return places, told, finder, network.asked

    return virtual.run(main)


def probed(unit, place, names=("nameless",)):
    async def main(loop):
        opener = Network({place.node: unit} if unit else {}, {place.node: "refused"})
        options = Options(clock=virtual.VirtualClock(loop), opener=opener, lock=False)
        return await Finder([driver(name) for name in names], options).probe(place)

    return virtual.run(main)


# -- in a network ------------------------------------------------------------------------------


def test_units_in_a_network_are_found_with_their_serial_numbers():
    hosts = [f"192.0.2.{n}" for n in range(1, 40)]
    units = {f"192.0.2.{n}:8899": inverter() for n in (7, 30)}
    kinds = {"192.0.2.9:8899": "refused"}
    places, told, finder, asked = searched(units, hosts, kinds=kinds)
    assert [place.node for place in places] == ["192.0.2.7:8899", "192.0.2.30:8899"]
    for place in places:
        assert (place.kind, place.driver, place.trouble) == ("network", DEFAULT, "")
        assert place.said == {"serial number": SERIAL}
        assert place.addresses == {DEFAULT: f"tcp://{place.node.removesuffix(':8899')}"}
    assert sorted(asked) == sorted(f"{host}:8899" for host in hosts), "each is asked once"
    assert told[-1] == (39, 39, 2)
    assert finder.failures == {"timeout": 36, "refused": 1}


def test_each_is_asked_for_one_thing_only():
    unit = inverter()
    searched({"192.0.2.7:8899": unit}, ["192.0.2.7"])
    assert unit.request_count == 1


def test_who_listens_and_says_nothing_is_told():
    class Silent(Late):
        def read(self, line, now):
            """Says nothing."""

    ((place,), _, _, _) = searched({"192.0.2.7:8899": Silent()}, ["192.0.2.7"])
    assert (place.driver, place.said) == ("", {})
    assert "was not answered within" in place.trouble


def test_a_family_without_a_usual_port_is_not_looked_for(register):
    register(replace(nameless.DRIVER, ways={"tcp": {}}), Asked)
    assert Finder([driver("nameless")]).ports == {}
    register(nameless.DRIVER)
    assert Finder([driver("nameless")]).ports == {}, "nor one that has nothing to ask"
    assert Finder([driver(DEFAULT)]).ports == {DEFAULT: "8899"}


def test_of_families_at_one_host_the_one_that_answers_counts(toy):
    units = {"192.0.2.7:1": Late(), "192.0.2.7:8899": inverter()}
    for names, port in ((["rct", "nameless"], 1), (["nameless", "rct"], 8899)):
        ((place,), _, _, asked) = searched(units, ["192.0.2.7"], names)
        assert place.node == f"192.0.2.7:{port}"
        assert len(asked) == 2
    del units["192.0.2.7:8899"]
    ((place,), _, _, _) = searched(units, ["192.0.2.7"], ["rct", "nameless"])
    assert place.driver == "nameless"


def test_a_device_that_a_collector_holds_is_told_and_left_alone(monkeypatch):
    refusal = BusyError("already collected by process 17 on this host")

    def refuse(self):
        self.refusal = refusal
        raise refusal

    monkeypatch.setattr(DeviceLock, "acquire", refuse)
    network = Network({})

    async def main(loop):
        options = Options(clock=virtual.VirtualClock(loop), opener=network)
        return await Finder([driver(DEFAULT)], options).search(["192.0.2.7"], lambda *_: None)

    (place,) = virtual.run(main)
    assert place.trouble == str(refusal)
    assert network.asked == []


# -- at this host ------------------------------------------------------------------------------

PORT = Place(kind="serial", node="/dev/ttyX", addresses={"nameless": "serial:///dev/ttyX"})


def test_a_family_whose_answers_have_no_names_is_asked_behind_its_detection(toy):
    unit = Late()
    place = probed(unit, PORT)
    assert place.driver == "nameless"
    assert place.said == {"load": "1002.0", "grid": "2003.0"}
    assert [line for _, line in unit.heard] == ["PI 1", "load", "grid"]


def test_what_is_refused_or_not_answered_is_left_out(toy):
    assert probed(Late(refuses=("grid",)), PORT).said == {"load": "1002.0"}
    assert probed(Late(delays=[0.2, 0.2, None]), PORT).said == {"load": "1002.0"}


def test_a_place_where_nothing_answers_is_told_after_a_while(toy):
    place = probed(Late(usual=None), PORT)
    assert (place.driver, place.trouble) == ("", f"no answer within {finding.ANSWERS_S:g} s")
    assert place.addresses == PORT.addresses


def test_a_place_that_cannot_be_opened_is_told(toy):
    assert probed(None, PORT).trouble == "nobody at /dev/ttyX"


def test_a_place_with_trouble_is_not_opened(toy):
    place = replace(PORT, trouble="this user may not open it")
    assert probed(Late(), place) is place


def test_families_are_asked_in_turn_until_one_is_answered(toy, register):
    register(replace(driver(DEFAULT), name="first", ways={"serial": {}}), lambda _name: Rct())
    both = replace(PORT, addresses=dict.fromkeys(("first", "nameless"), "serial:///dev/ttyX"))
    place = probed(Late(), both, ("first", "nameless"))
    assert place.driver == "nameless"
    assert place.addresses == {"nameless": "serial:///dev/ttyX"}

    place = probed(Late(usual=None), both, ("first", "nameless"))
    assert place.addresses == both.addresses
    assert "; " in place.trouble


class Rct(Tools):
    def __init__(self):
        super().__init__("first")

    def search(self):
        return driver(DEFAULT).tools().search()


def test_what_cannot_be_asked_is_left_as_it_is(register):
    register(replace(nameless.DRIVER, ways={"serial": {}}))
    assert probed(Late(), PORT) == PORT
