"""The doctor listens to SolarEdge inverters: who calls, how often, and what is of no use."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.config import Config
from rct_collector.device.options import Options
from rct_collector.doctor.checkup import Checkup
from rct_collector.doctor.diagnosis import diagnose
from rct_collector.drivers.solaredge.frame import Frame, assemble
from rct_collector.drivers.solaredge.functions import POST
from rct_collector.drivers.solaredge.request import SERVER
from rct_collector.drivers.solaredge.simulator import SCENARIOS, SolarEdgeWitness, SolarEdgeWorld
from rct_collector.drivers.solaredge.tools.examination import HEARING
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.calling import Exchange
from tests.dialling import Doors
from tests.memory import MemoryPlug
from tests.needs import library
from tests.virtual import VirtualClock

LISTEN = "listen://127.0.0.1:22222"
TAKEN = "cannot listen at 127.0.0.1:22222: address already in use"


class Visited:
    """What an examination of units that call has found.

    Attributes:
        witness: Was told of all that they said.
        figures: What was measured.
        diagnosis: What that comes to.
    """

    def __init__(self, *, faults=(), options=None, seconds=60.0, inverters=2, **more):
        self.witness = SolarEdgeWitness()
        entry = {"name": "roof", "driver": "solaredge", "address": LISTEN, **(options or {})}
        (self.config,) = Config.parse({"devices": [entry]}).devices
        self._more = {"inverters": inverters, "optimizers": 3, "faults": faults, **more}
        virtual.run(lambda loop: self._examine(loop, seconds))

    async def _examine(self, loop, seconds):
        clock = VirtualClock(loop)
        units = [
            SimulatedInverter(
                driver="solaredge", start=clock.wall(), sun=12.0, seed=2, line=line,
                witness=self.witness, **self._more,
            )
            for line in range(self._more["inverters"])
        ]  # fmt: skip
        self.units = [unit.unit for unit in units]
        exchange = Exchange(units)
        exchange.start()
        options = Options(clock=clock, listen=exchange, lock=False)
        checkup = Checkup(self.config, seconds, options)
        await checkup.run()
        await exchange.stop()
        self.figures = checkup.figures()
        self.diagnosis = diagnose(self.figures, self.config)

    @property
    def found(self):
        return {finding.key for finding in self.diagnosis.findings}

    def finding(self, key):
        return next(f for f in self.diagnosis.findings if f.key == key)


def test_who_calls_how_often_and_what_they_have_is_told():
    visit = Visited(seconds=600.0)
    assert visit.found == set()
    assert visit.figures.complete
    assert visit.figures.calls.open <= 2
    assert visit.figures.units.keys() == {unit.name for unit in visit.units}
    for unit in visit.figures.units.values():
        assert len(unit.times) > 10
        assert unit.every <= 30.0
        assert unit.parts["optimizers"] <= 3
        assert min(unit.lags) < 300.0


def test_nothing_is_acknowledged_so_that_the_collector_is_told_all_of_it():
    visit = Visited(seconds=600.0)
    assert visit.figures.keeps
    assert any(told.whole for told in visit.witness.told)
    assert not any(told.acknowledged for told in visit.witness.told)
    assert any(unit.repeated for unit in visit.figures.units.values()), "they say it again"


def test_a_portal_is_not_asked_to_acknowledge_it_either(monkeypatch):
    def forwarded(*_arguments, **_more):
        raise AssertionError("put through")

    monkeypatch.setattr("rct_collector.lines.forwarding.Forwarding", forwarded)
    visit = Visited(options={"forward": "tcp://192.0.2.1:22222"})
    assert len(visit.figures.units) == 2


def test_those_that_were_heard_are_recommended():
    visit = Visited()
    names = ", ".join(sorted(unit.name for unit in visit.units))
    assert visit.figures.settings == {"units": f"[{names}]"}


def test_an_inverter_that_encrypts_without_a_key_is_a_problem():
    library("cryptography")
    visit = Visited(encrypt=True, inverters=1)
    finding = visit.finding("unreadable")
    assert finding.severity.word == "problem"
    assert f"the inverter {visit.units[0].name} encrypts" in finding.measured
    assert "'keys'" in finding.advice


def test_with_its_key_it_is_heard_like_any_other():
    library("cryptography")
    plain = Visited(encrypt=True, inverters=1)
    (unit,) = plain.units
    keys = {unit.name: unit.world.secret(0).hex()}
    visit = Visited(encrypt=True, inverters=1, options={"keys": keys})
    assert "unreadable" not in visit.found
    assert visit.figures.units[unit.name].records


def test_strangers_are_told_apart_from_those_that_are_welcome():
    one, other = Visited().units
    visit = Visited(options={"units": [one.name]})
    assert visit.figures.units.keys() == {one.name}
    assert other.name in visit.finding("strangers").measured


@pytest.mark.slow
def test_damaged_frames_are_told():
    visit = Visited(faults=["crc"], seconds=1800.0)
    assert visit.figures.damaged["crc"] > 2
    assert "with a wrong checksum" in visit.finding("damaged-talk").measured
    assert "damage" not in visit.found, "nothing was asked for again"


@pytest.mark.slow
def test_records_that_nobody_knows_are_told():
    assert "unknown-talk" in Visited(faults=["flood"], seconds=1800.0).found


# -- callers whose every word is known ---------------------------------------------------------


def body(time, kind=0x0080, device=0x10000001):
    """A record of an optimizer, of any time."""
    data = time.to_bytes(4, "little") + bytes(2) + bytes.fromhex("f0cf2204cf0109")
    return (
        kind.to_bytes(2, "little") + device.to_bytes(4, "little") + len(data).to_bytes(2, "little")
    ) + data


def spoken(*texts, seconds=60.0, config=None):
    """What comes of a call with some bytes, each a function of the wall clock."""
    entry = {"name": "roof", "driver": "solaredge", "address": LISTEN}
    (config,) = Config.parse({"devices": [config or entry]}).devices
    result = []

    async def main(loop):
        clock, doors = VirtualClock(loop), Doors()
        checkup = Checkup(config, seconds, Options(clock=clock, listen=doors, lock=False))
        task = asyncio.create_task(checkup.run())
        await asyncio.sleep(1.0)
        call = doors.call() if texts else None
        for text in texts:
            call.say(text(int(clock.wall())))
            await asyncio.sleep(1.0)
        await task
        figures = checkup.figures()
        result.extend((figures, diagnose(figures, config)))

    virtual.run(main)
    return result


def posts(*offsets):
    """Bytes of posts with a record each, so many seconds from now."""
    return [
        lambda now, n=n, offset=offset: assemble(
            Frame(n, 0x7F101234, SERVER, POST, body(now + offset))
        )
        for n, offset in enumerate(offsets)
    ]


@pytest.mark.parametrize(
    ("offsets", "key", "words"),
    [
        ((-10, -20), "", ""),
        ((200, 210), "clock-talk", "7F101234: 3 min ahead"),
        ((-10, 5_000_000), "clock-talk", "7F101234: 1 records of a time that cannot be"),
        ((-7300, -20_000), "past-talk", "7F101234: what it tells is 2 h old and more"),
        ((-7300, -20), "", ""),
    ],
)
def test_clocks_that_are_wrong_and_records_of_the_past_are_told(offsets, key, words):
    _, diagnosis = spoken(*posts(*offsets))
    found = {finding.key: finding for finding in diagnosis.findings}
    assert found.keys() == {"short-talk", *filter(None, [key])}
    if key:
        assert found[key].measured == words


def test_a_record_that_comes_twice_counts_once():
    figures, _ = spoken(*posts(-10), *posts(-11))  # a second later: of the same time
    (unit,) = figures.units.values()
    assert (dict(unit.records), unit.repeated) == ({"optimizers": 1}, 1)


def test_nobody_who_calls_is_a_problem_with_what_to_do():
    figures, diagnosis = spoken()
    (finding,) = diagnosis.findings
    assert (finding.key, figures.trouble.kind) == ("uncalled", "uncalled")
    assert "prod.solaredge.com" in finding.advice


def test_who_says_nothing_that_means_anything_has_not_called():
    _, diagnosis = spoken(lambda _now: b"GET / HTTP/1.1\r\n\r\n" * 20)
    (finding,) = diagnosis.findings
    assert finding.key == "uncalled"
    assert "something came that means nothing" in finding.measured


def test_a_port_that_is_taken_is_told_as_such():
    entry = {"name": "roof", "driver": "solaredge", "address": LISTEN}
    (config,) = Config.parse({"devices": [entry]}).devices

    async def main(loop):
        doors = Doors()
        doors.refuse = TAKEN
        options = Options(clock=VirtualClock(loop), listen=doors, lock=False)
        checkup = Checkup(config, 30.0, options)
        await checkup.run()
        return checkup.figures()

    figures = virtual.run(main)
    (finding,) = diagnose(figures, config).findings
    assert (finding.key, finding.measured) == ("open", TAKEN)


# -- other ways --------------------------------------------------------------------------------


def on_a_bus(options, seconds=60.0):
    """What an examination of a bus with two inverters comes to, and who was told of what."""
    witness = SolarEdgeWitness()
    entry = {"name": "roof", "driver": "solaredge", "address": f"tcp://192.0.2.1:4001{options}"}
    (config,) = Config.parse({"devices": [entry]}).devices

    async def main(loop):
        clock = VirtualClock(loop)
        bus = SimulatedInverter(
            driver="solaredge", way="rs485", start=clock.wall(), sun=12.0, seed=2, inverters=2,
            witness=witness,
        )  # fmt: skip
        options = Options(clock=clock, opener=MemoryPlug(bus), lock=False)
        checkup = Checkup(config, seconds, options)
        await checkup.run()
        return checkup.figures()

    figures = virtual.run(main)
    return figures, diagnose(figures, config), witness


def test_a_bus_on_which_nobody_speaks_is_told_with_what_it_may_need():
    figures, diagnosis, _ = on_a_bus("")
    (finding,) = diagnosis.findings
    assert (finding.key, figures.complete) == ("unheard", True)
    assert "?mode=master&units=" in finding.advice


def test_the_master_of_a_bus_hears_its_units_and_acknowledges_nothing():
    units = [
        f"{SolarEdgeWorld(SCENARIOS['roofs'], seed=2, start=0.0).inverter(n):08X}" for n in (0, 1)
    ]
    figures, diagnosis, witness = on_a_bus(f"?mode=master&units={','.join(units)}")
    assert sorted(figures.units) == units
    assert {finding.key for finding in diagnosis.findings} == {"short-talk"}
    assert any(told.whole for told in witness.told)
    assert not any(told.acknowledged for told in witness.told)


def test_a_recording_is_examined_to_its_end_and_its_age_is_no_finding(tmp_path):
    path = tmp_path / "calls.rec"
    path.write_bytes(b"".join(post(1_700_000_000) for post in posts(0, 300)))
    entry = {"name": "roof", "driver": "solaredge", "address": f"file://{path}"}
    (config,) = Config.parse({"devices": [entry]}).devices

    async def main(loop):
        checkup = Checkup(config, 1800.0, Options(clock=VirtualClock(loop), lock=False))
        await checkup.run()
        assert loop.time() < 1100.0, "no longer than it takes to read"
        return checkup.figures()

    figures = virtual.run(main)
    assert figures.units["7F101234"].records == {"optimizers": 2}
    assert diagnose(figures, config).findings == ()


def test_what_is_computed_of_others_is_no_record():
    assert HEARING.part((0x0030, "all")) == ""
    assert HEARING.part((0x0030, 1, b"T16")) == "batteries"
