"""Who is at the other end, and what it speaks: known by what it answers, before all else."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from itertools import pairwise

import pytest

from rct_collector.cli.collect import read_once
from rct_collector.cli.snapshot import Snapshot
from rct_collector.config import Config, DeviceConfig
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.polling.plan import plan_for
from rct_collector.device.polling.presence import presence
from rct_collector.device.polling.round import Round
from rct_collector.docs import metrics
from rct_collector.exits import Exit
from tests import virtual
from tests.addresses import tcp
from tests.toys import choosy, nameless
from tests.toys.running import Plug, Run, Unit


class Answering(Unit):
    """A unit with a serial number and a dialect, which may change from connection to connection."""

    end = b"\r"

    def __init__(self, *serials, dialect="A"):
        super().__init__()
        self.serials, self.dialect, self.serial = list(serials), dialect, "EAST"

    def connect(self):
        if self.serials:
            self.serial = self.serials.pop(0)
        return super().connect()

    def read(self, line, now):
        if line.startswith("PI"):
            self.say(f"({line} {self.serial} {self.dialect}", now + 0.2)
        else:
            known = {"A": {"load": 1000}, "B": {"LOAD": 25000}}[self.dialect]
            self.say(f"({known.get(line, 'NAK')}", now + 0.2)


@pytest.fixture
def driver(register):
    return register(choosy.DRIVER)


def test_tables_name_all_places_where_a_series_is_found(driver):
    load = nameless.POWERS["load"]
    (row,) = metrics.objects([load])
    assert row["drivers"]["choosy"] == {
        "command": "load",
        "field": "watts",
        "scale": 1.0,
        "condition": "A",
        "others": [{"command": "LOAD", "field": "watts", "scale": 0.1, "condition": "B"}],
    }
    assert "choosy: `load, LOAD`" in metrics.source(load.metric)


def test_a_code_means_the_same_wherever_it_is_found(register):
    """What two places say differently is told as in the first one."""
    texts = {"load": {0: "none", 1: "some"}, "LOAD": {1: "a little", 2: "much"}}
    driver = register(replace(choosy.DRIVER, texts=texts))
    config = DeviceConfig(name="toy", driver=driver.name, address=tcp("roof"))
    load, snapshot = nameless.POWERS["load"], Snapshot(config)
    assert [snapshot.text(load, n) for n in range(4)] == ["none", "some", "much", ""]


@pytest.mark.parametrize(
    ("dialect", "command", "watts"), [("A", "load", "1000.0"), ("B", "LOAD", "2500.0")]
)
def test_a_series_comes_from_the_command_that_the_unit_knows(driver, dialect, command, watts):
    run = Run(driver, Answering(dialect=dialect), 60.0)
    assert {line.split()[1] for line in run.lines} == {f"load_watts={watts}"}
    asked = [line for _, line in run.unit.heard]
    assert {line.split()[0] for line in asked} == {"PI", command}
    assert asked.index(command) >= 2, "nothing is asked before the dialect is known"


@pytest.mark.parametrize("order", [("load", "LOAD"), ("LOAD", "load")])
@pytest.mark.parametrize("known", [True, False])
def test_what_two_places_say_is_taken_from_the_one_that_the_unit_has(driver, order, known):
    """Whichever answers first, and whether or not it is known by then which one that is."""
    plan = plan_for(driver, DeviceConfig(name="toy", driver=driver.name, address=tcp("roof")))
    has = {"A": True, "B": False} if known else {}

    def there():
        return presence(plan, lambda *names: next(filter(None, map(has.get, names)), None))

    found = Round(plan, Plausibility(), there, None, pytest.fail)
    for name in order:
        raw = {"load": 1000, "LOAD": 25000}[name]
        found.take(driver.query(name), raw, now=100.0, wall_ns=1)
    has.update(A=True, B=False)
    expected = [(nameless.POWERS["load"], 1000.0)]
    assert found.publish() == (expected if known or order[1] == "load" else [])


def test_session_is_told_the_options_of_its_family(driver):
    run = Run(driver, Answering(), 30.0, serial_number="EAST")
    assert run.lines


def test_session_is_told_the_options_of_its_address(register):
    told = []

    def session(options):
        told.append(options.address)
        return choosy.Session(options)

    ways = {"serial": {"baud": "2400"}}
    driver = register(replace(choosy.DRIVER, ways=ways, session=session))
    run = Run(driver, Answering(), 30.0, address="serial:///dev/toy?parity=even")
    assert run.lines
    assert [address["baud"] for address in told] == ["2400"]
    assert [address["parity"] for address in told] == ["even"]


def test_unit_that_is_not_meant_is_left_and_tried_again_ever_more_rarely(driver, caplog):
    caplog.set_level(logging.INFO)
    run = Run(driver, Answering(), 300.0, serial_number="WEST")
    assert not run.lines
    assert set(run.own("up")) == {0}
    pauses = [later - earlier for earlier, later in pairwise(run.plug.attempts)]
    assert pauses[:14] == pytest.approx([1, 2, *[5] * 12], abs=1.6)
    assert min(pauses[14:]) >= 15
    assert run.device.port.last_error == "the unit is EAST, not WEST"
    assert {batch.health.error for batch in run.batches} <= {"the unit is EAST, not WEST", ""}
    assert [r.getMessage() for r in caplog.records] == [
        "toy: the unit is EAST, not WEST; trying again until it works"
    ]
    assert {line.split()[0] for _, line in run.unit.heard} == {"PI"}


def test_the_next_one_is_taken_if_it_fits(driver, caplog):
    caplog.set_level(logging.INFO)
    run = Run(driver, Answering("EAST", "EAST", "WEST"), 60.0, serial_number="WEST")
    assert len(run.plug.attempts) == 3
    assert run.lines
    assert run.own("up")[-1] == 1
    assert [r.getMessage() for r in caplog.records] == [
        "toy: the unit is EAST, not WEST; trying again until it works",
        "toy: 192.0.2.1:1 answers again",
    ]


def test_unit_that_is_exchanged_for_a_wrong_one_is_left(driver, caplog):
    """What the line was good for before is no proof of what is there now."""

    async def during(run):
        await asyncio.sleep(30.0)
        run.plug.cut()

    run = Run(driver, Answering("WEST", "EAST"), 120.0, during=during, serial_number="WEST")
    pauses = [later - earlier for earlier, later in pairwise(run.plug.attempts)]
    assert pauses[-1] > 10
    assert run.own("up")[0] == 1
    assert run.own("up")[-1] == 0


def test_power_flows_need_not_wait_for_the_second_round(driver):
    """Nothing is known before the first, not even what there is to ask for."""
    run = Run(driver, Answering(), 25.0)
    times = [at for at, line in run.unit.heard if line == "load"]
    assert times[0] < 1005
    assert len(times) == 3
    assert len([line for line in run.lines if "load_watts" in line]) == 3


# -- one reading --------------------------------------------------------------------------------


def read(driver, unit, **options):
    """What one reading of the command brings: seconds, its status, its trouble, its values."""
    device = {"name": "toy", "driver": driver.name, "address": "tcp://192.0.2.1", **options}
    (config,) = Config.parse({"devices": [device]}).devices

    async def main(loop):
        snapshot, plug = Snapshot(config), Plug(unit)
        begun = loop.time()
        _, status = await read_once(snapshot, 60.0, options=virtual.options(loop, plug))
        found = {series.name: reading.value for series, reading in snapshot.readings.items()}
        return loop.time() - begun, status, snapshot.trouble, found, len(plug.attempts)

    return virtual.run(main)


def test_a_single_reading_tries_all_that_an_address_may_lead_to(driver):
    unit = Answering("NORTH", "EAST", "WEST")
    seconds, status, trouble, found, attempts = read(driver, unit, serial_number="WEST")
    assert (status, trouble, attempts) == (Exit.OK, "", 3)
    assert found["inverter_power.load_watts"] == 1000.0
    assert seconds < 15


def test_a_single_reading_tells_soon_that_what_is_meant_is_not_there(driver):
    seconds, status, trouble, found, attempts = read(driver, Answering(), serial_number="WEST")
    assert (status, trouble) == (Exit.UNREACHABLE, "the unit is EAST, not WEST")
    assert "inverter_power.load_watts" not in found
    assert attempts == 2
    assert seconds < 10


def test_a_single_reading_waits_for_answers_as_long_as_the_timeout_says(driver):
    """An answer that comes too late costs more than to wait for it."""

    class Slow(Answering):
        def say(self, line, at):
            super().say(line, at + 1.3)

    seconds, status, trouble, found, _ = read(driver, Slow())
    assert (status, trouble) == (Exit.OK, "")
    assert found["inverter_power.load_watts"] == 1000.0


def test_a_single_reading_is_patient_until_it_is_known_what_a_line_speaks(driver):
    """Each probe takes its silence, and its answer."""

    class Late(Answering):
        def read(self, line, now):
            if now > 1014.0:
                super().read(line, now)

    seconds, status, _, found, _ = read(driver, Late())
    assert status is Exit.OK
    assert seconds > 14
    assert found["inverter_power.load_watts"] == 1000.0
