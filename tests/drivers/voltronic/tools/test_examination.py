"""Examinations of simulated Voltronic units, and how they are found, in virtual time."""

from __future__ import annotations

import pytest

from rct_collector.config import DeviceConfig
from rct_collector.device.options import Options
from rct_collector.doctor.checkup import Checkup
from rct_collector.doctor.diagnosis import diagnose
from rct_collector.drivers import driver
from rct_collector.drivers.voltronic.command import DIALECTS
from rct_collector.drivers.voltronic.simulator import SCENARIOS, VoltronicLine, VoltronicUnit
from rct_collector.drivers.voltronic.tools.examination import equipment, quirks
from rct_collector.finder.finder import Finder
from rct_collector.finder.places import Place
from rct_collector.transport import parse_address
from tests import virtual
from tests.drivers.voltronic.far_end import PI30, FarEnd, unit

VOLTRONIC = driver("voltronic")
USB = Place(kind="usb", node="/dev/hidraw0", addresses={"voltronic": "usb://0665:5161"})

#: What a UPS with the USB ids of an inverter says.
UPS = {b"M\r": b"V\r"}


def examined(far, seconds=60.0):
    address = parse_address("tcp://192.0.2.10:2400", VOLTRONIC.ways)
    config = DeviceConfig(name="barn", driver="voltronic", address=address)

    async def main(loop):
        checkup = Checkup(config, seconds, virtual.options(loop, virtual.Plug(far)))
        await checkup.run()
        return checkup.figures()

    figures = virtual.run(main)
    return figures, diagnose(figures, config)


def probed(far, place=USB):
    async def main(loop):
        options = Options(clock=virtual.VirtualClock(loop), opener=virtual.Plug(far), lock=False)
        return await Finder([VOLTRONIC], options).probe(place)

    return virtual.run(main)


def line(scenario="sbu", **more):
    return VoltronicLine(VoltronicUnit(scenario, **more))


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_a_healthy_unit_of_any_dialect_is_examined(name):
    figures, diagnosis = examined(line(name), 90.0)
    problems = {f.key for f in diagnosis.findings if f.severity.name == "PROBLEM"}
    assert problems == set()
    assert figures.complete
    assert dict(figures.equipment)["dialect"] in DIALECTS
    assert figures.answers == figures.requests
    assert {pace.pace.window for pace in figures.paces} == {1}


def test_what_one_unit_says_of_itself_is_told():
    figures, _ = examined(FarEnd(unit(PI30)))
    assert figures.identity["serial"] == "92932004105315"
    assert figures.equipment[0] == ("dialect", "pi30")
    assert {"QVFW", "QPIGS2"} <= set(figures.unanswered), "what it refuses is known"


def test_a_ups_is_told_for_what_it_is():
    figures, diagnosis = examined(FarEnd(lambda data: UPS.get(data, b"")), 120.0)
    assert figures.trouble.kind == "unfit"
    assert "this is a UPS" in figures.trouble.text
    assert {finding.key for finding in diagnosis.findings} == {"unfit"}


def test_a_silent_port_is_told():
    _, diagnosis = examined(FarEnd(lambda _data: b""))
    assert {finding.key for finding in diagnosis.findings} == {"silent"}


def test_a_port_of_something_else_is_told():
    _, diagnosis = examined(FarEnd(lambda _data: b"$GPGGA,101503,4807.038,N\r\n"))
    assert {finding.key for finding in diagnosis.findings} == {"stranger"}


# -- find ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "framing", "no", "said"),
    [
        (PI30, "pi30", b"(NAKss\r", {"dialect": "pi30", "serial number": "92932004105315"}),
        ({"QPI": "PI30"}, "pi30", b"(NAKss\r", {"dialect": "pi30"}),
        (
            {"PI": "18", "ID": "1492932105105335000000"}, "pi18", b"^0\x1b\xe3\r",
            {"dialect": "pi18", "serial number": "92932105105335"},
        ),
    ],
)  # fmt: skip
def test_dialect_and_serial_number_are_told_on_request(says, framing, no, said):
    place = probed(FarEnd(unit(says, framing, no)))
    assert (place.driver, place.said, place.trouble) == ("voltronic", said, "")


def test_only_the_harmless_is_asked():
    far = FarEnd(unit(PI30))
    probed(far)
    assert [data[:-3] for _, data in far.heard] == [b"QPI", b"QPI", b"QID", b"QSID"]


def test_of_a_ups_it_is_told_what_it_is():
    place = probed(FarEnd(lambda data: UPS.get(data, b"")))
    assert (place.driver, place.said) == ("", {})
    assert "this is a UPS" in place.trouble


# -- in words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, [("dialect", "not known")]),
        ({"protocol": "pi18"}, [("dialect", "pi18")]),
        (
            {"protocol": "pi30", "QPIGS2": "second string"},
            [("dialect", "pi30"), ("solar generators", "two")],
        ),
        ({"protocol": "pi41"}, [("dialect", "pi41"), ("phases", "two")]),
    ],
)
def test_what_a_unit_has(facts, words):
    assert equipment(facts) == words


@pytest.mark.parametrize(
    ("dialect", "count"), [(None, 0), ("pi30", 1), ("pi18", 2), ("pi17", 2), ("pi30revo", 2)]
)
def test_what_is_known_of_a_dialect(dialect, count):
    assert len(quirks({"protocol": dialect} if dialect else {})) == count
