"""``rct-collector find``: what is here, what is in a network, and what to write for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rct_collector.drivers import BUILTIN, DEFAULT, driver
from rct_collector.drivers.tools import Tools
from rct_collector.finder.host import ThisHost
from tests.sysfs import Tree

IDS = "0665:5161"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A host whose third serial port is not for this user; its nodes look like those of any."""
    tree = Tree(tmp_path)
    host = ThisHost(tree.sys, tree.dev, lambda node: node.name != "ttyS2")

    class Usual:
        def places(self, families):
            return [
                replace(
                    place,
                    node=place.node.replace(str(tree.dev), "/dev"),
                    addresses={
                        name: address.replace(str(tree.dev), "/dev")
                        for name, address in place.addresses.items()
                    },
                )
                for place in host.places(families)
            ]

    monkeypatch.setattr("rct_collector.finder.host.ThisHost", Usual)
    return tree


@pytest.fixture
def full(tree):
    """Two inverters at USB, one of them without a node, and two serial ports."""
    tree.hidraw(tree.usb("1-1.4", IDS, "USB to Serial", "Cypress"), 3)
    tree.usb("1-1.3", IDS)
    adapter = tree.usb("1-3", "0403:6001", "FT232R USB UART", "FTDI", "A10K5X")
    tree.tty("ttyUSB0", "ftdi_sio", adapter, by_id="usb-FTDI_FT232R_A10K5X-if00")
    tree.tty("ttyS2", "serial8250", kind="4")
    return tree


def test_what_is_here_is_a_table_with_the_address_to_write(run, full, golden):
    result = run("find")
    assert result.exit_code == 0
    golden("find.txt", result.stdout)
    assert "To search a network, name it: --network 192.0.2.0/24" in result.stderr
    assert "To ask them which device they are: --probe" in result.stderr


def test_programs_get_the_same_as_json(run, full, golden):
    result = run("find", "--format", "json")
    golden("find.json", result.stdout)
    assert [place["kind"] for place in json.loads(result.stdout)] == [
        "usb", "usb", "serial", "serial",
    ]  # fmt: skip


def test_nothing_is_said_so(run, tree):
    result = run("find")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No USB device of a known family and no serial port is here." in result.stderr
    assert json.loads(run("find", "-f", "json").stdout) == []


def test_only_one_family_can_be_looked_for(run, full):
    assert f"usb://{IDS}" not in run("find", "--driver", DEFAULT).stdout
    assert f"usb://{IDS}" in run("find", "--driver", "voltronic").stdout


@pytest.fixture
def inverter(serve, register):
    """A simulated inverter, and a family that listens at its port."""
    running = serve(serial="0123456789A")
    ways = {"tcp": {"port": str(running.port)}}
    found = driver(DEFAULT)

    class Rct(Tools):
        def search(self):
            return found.tools().search()

    register(replace(found, name="toy", ways=ways), Rct)
    return running


def test_a_unit_in_a_network_is_found_and_asked_once(run, tree, inverter, golden):
    result = run("find", "--driver", "toy", "--network", "127.0.0.1/32")
    assert result.exit_code == 0
    golden("find-network.txt", result.stdout.replace(str(inverter.port), "8899"))
    assert inverter.requests("inverter_sn") == 1
    (place,) = json.loads(
        run("find", "--driver", "toy", "--network", "127.0.0.1", "-f", "json").stdout
    )
    assert place["said"] == {"serial number": "0123456789A"}
    assert place["addresses"] == {"toy": "tcp://127.0.0.1"}


def test_a_network_without_units_is_told_with_what_was_met(run, tree, inverter):
    result = run("find", "--driver", "toy", "--network", "127.0.0.8/30")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"Nobody listens at port {inverter.port} of 2 addresses (2 refused).\n" in result.stderr


def test_what_is_connected_here_is_asked_only_if_that_is_wanted(run, full, monkeypatch):
    asked = []

    async def probe(self, place):
        asked.append(place.node)
        return replace(place, driver="voltronic", said={"dialect": "pi30", "serial number": "1234"})

    monkeypatch.setattr("rct_collector.finder.finder.Finder.probe", probe)
    run("find")
    assert asked == []
    result = run("find", "--probe")
    assert len(asked) == 4
    assert "dialect pi30, serial number 1234" in result.stdout
    assert "--probe" not in result.stderr


def test_serial_ports_are_listened_at_only_if_that_is_wanted(run, full, monkeypatch):
    heard, asked = [], []

    async def listen(self, place, seconds):
        heard.append((place.node, seconds))
        if place.node == "/dev/ttyUSB0":
            return replace(place, driver="solaredge", said={"heard": "7F101234"})
        return replace(place, trouble="nobody heard")

    async def probe(self, place):
        asked.append(place.node)
        return replace(place, trouble="no answer")

    monkeypatch.setattr("rct_collector.finder.finder.Finder.listen", listen)
    monkeypatch.setattr("rct_collector.finder.finder.Finder.probe", probe)
    assert "To hear who talks at serial ports: --listen 1m" in run("find").stderr
    assert heard == []
    result = run("find", "--listen", "20s")
    assert (len(heard), asked) == (4, [])
    assert ("/dev/ttyUSB0", 20.0) in heard
    assert "heard 7F101234" in result.stdout
    assert "--listen" not in result.stderr
    result = run("find", "--listen", "20s", "--probe", "--format", "json")
    assert "/dev/ttyUSB0" not in asked, "who was heard is known"
    places = {place["node"]: place for place in json.loads(result.stdout)}
    assert places["/dev/hidraw3"]["trouble"] == "nobody heard; no answer"


def test_those_who_call_are_told_to_be_heard_elsewhere(run, full):
    advice = "rct-collector doctor --driver solaredge --address listen://0.0.0.0:22222"
    assert advice in run("find").stderr
    assert "doctor" not in run("find", "--driver", DEFAULT).stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--network", "10.0.0.0/8"], "at most, so /22 or smaller; 10.0.0.0/8 has 16777216"),
        (["--network", "roof"], "--network: wanted is a network such as 192.0.2.0/24"),
        (["--network", "192.0.2.0/24", "--driver", "voltronic"], "have no usual port to look at"),
        (["--listen", "1m", "--driver", "voltronic"], "talk at no serial port unasked"),
        (["--driver", "fronius"], f"'fronius' is no driver; known: {', '.join(BUILTIN)}"),
        (["tcp://192.0.2.10"], "unexpected extra argument"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(run, full, monkeypatch, arguments, wanted):
    monkeypatch.setattr("rct_collector.cli.collect.run", None)
    result = run("find", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert wanted in result.stderr
