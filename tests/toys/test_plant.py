"""One device of many units that nobody has configured: each is told of under its own name."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from rct_collector.adapter.alerts import Alerts
from rct_collector.adapter.gauges import Gauges
from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.cli.read import print_influx, print_json, print_table
from rct_collector.cli.snapshot import Snapshot
from rct_collector.cli.view import overview
from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.device import units as units_module
from rct_collector.device.options import Options
from rct_collector.drivers.base import SessionOptions
from rct_collector.model import Origin
from rct_collector.receipt import MOST_WAITING
from tests import virtual
from tests.dialling import Doors
from tests.toys import plant
from tests.toys.running import WALL, Run, Unit
from tests.virtual import VirtualClock

#: Seconds of the loop at the wall clock's ``WALL``.
BEGUN = 999.5


def talking(*lines):
    """The end of a line over which several units say something, each at its time."""
    unit = Unit()
    for seconds, line in lines:
        unit.say(line, BEGUN + seconds)
    return unit


@pytest.fixture
def driver(register):
    return register(plant.DRIVER)


@pytest.fixture
def taken(driver):
    """A snapshot of a device with two units."""
    unit = talking((5, f"1;B2;inverter;{WALL};20"), (6, f"1;A1;inverter;{WALL};10"))
    run = Run(driver, unit, 70.0)
    snapshot = Snapshot(run.device.config)
    for batch in run.batches:
        snapshot.take(batch)
    return snapshot


def of_unit(run, unit):
    return [batch for batch in run.batches if batch.unit == unit]


def test_each_unit_has_a_tag_and_all_else_is_alike(driver):
    unit = talking(
        (5, f"1;A1;inverter;{WALL};10"),
        (6, f"1;B2;inverter;{WALL};20"),
        (6, f"2;B2;name;{WALL};42"),
    )
    assert Run(driver, unit, 20.0).lines == [
        f"inverter_power,source=toy,unit=A1,vendor=toys load_watts=10.0 {WALL}000000000",
        f"inverter_power,source=toy,unit=B2,vendor=toys load_watts=20.0 {WALL}000000000",
        f'inverter,source=toy,unit=B2,vendor=toys info=1i,serial="42" {WALL}000000000',
    ]
    assert [line for _, line in unit.heard] == ["A1 ACK 1", "B2 ACK 1", "B2 ACK 2"]


def test_each_unit_has_a_memory_and_a_judge_of_its_own(driver):
    """The same record of another unit is another one, and what is late for one is not for all."""
    unit = talking(
        (5, f"1;A1;inverter;{WALL};10"),
        (6, f"1;A1;inverter;{WALL};10"),
        (7, f"1;B2;inverter;{WALL - 60};20"),
        (8, f"2;A1;inverter;{WALL - 60};30"),
    )
    run = Run(driver, unit, 20.0)
    told = [(b.unit, v, b.origin) for b in run.batches for s, v in b.values if not s.metric.own]
    assert told == [
        ("A1", 10.0, Origin.LIVE),
        ("B2", 20.0, Origin.LIVE),
        ("A1", 30.0, Origin.LATE),
    ]
    assert run.device.units.of("A1").receiving.repeated == 1


def test_records_of_several_units_in_one_piece_find_each_its_own(driver):
    unit = talking((5, f"1;A1;inverter;{WALL};1\n1;B2;inverter;{WALL};2\n2;A1;meter;{WALL};3"))
    run = Run(driver, unit, 20.0)
    units = {
        name: [v for b in of_unit(run, name) for s, v in b.values if not s.metric.own]
        for name in ("A1", "B2")
    }
    assert units == {"A1": [1.0, 3.0], "B2": [2.0]}


def test_the_device_is_up_while_any_unit_is_and_each_tells_of_itself(driver):
    every = [(t, f"{t};A1;inverter;{WALL + t};1") for t in range(5, 400, 50)]
    run = Run(driver, talking(*every, (6, f"1;B2;inverter;{WALL + 6};2")), 400.0)

    def own(unit, field):
        return [
            value
            for batch in of_unit(run, unit)
            for series, value in batch.values
            if series.metric.name == f"inverter_collector.{field}"
        ]

    assert set(own("", "up")) == {1}
    assert set(own("A1", "up")) == {1}
    assert own("B2", "up")[0] == 1
    assert own("B2", "up")[-1] == 0
    assert own("B2", "sample_age_seconds")[-1] > 300
    assert own("A1", "sample_age_seconds")[-1] < 60
    last = of_unit(run, "B2")[-1]
    assert (last.health.up, last.health.error, last.ends_round) == (
        False,
        "nothing comes of it",
        True,
    )
    assert last.health.missed >= 3
    assert of_unit(run, "")[-1].health.up
    alerts = Alerts(run.device.config, clock=lambda: 0.0, unit="B2")
    (told,) = [alert.text for batch in of_unit(run, "B2") for alert in alerts.take(batch)]
    assert told == "toy B2 has not answered for 5 min"


def test_a_unit_that_only_shows_that_it_is_there_is_up(driver):
    every = [(t, "A1 hello") for t in range(10, 200, 50)]
    run = Run(driver, talking((5, f"1;A1;inverter;{WALL};1"), *every), 200.0)
    assert {b.health.up for b in of_unit(run, "A1")} == {True}


@pytest.mark.parametrize(
    "line",
    [
        "A1 hello",
        "A1 time?",
        "1;A1;inverter;0;1",
        f"1;A1;inverter;{WALL + 90_000};1",
        f"1;A1;inverter;{WALL};1e12",
        f"1;A1;inverter;{WALL};nan",
    ],
)
def test_who_has_measured_nothing_is_no_unit_yet(driver, line):
    """Else anybody could invent any number: but what he waits for, he gets."""
    run = Run(driver, talking((5, line), (60, line)), 90.0)
    assert len(run.device.units) == 0
    assert {batch.unit for batch in run.batches} == {""}
    assert run.own("up")[-1] == 1, "somebody is there"
    assert run.own("samples_dropped_total")[-1] == 0
    if line.startswith("1;"):
        assert said(run) == ["A1 ACK 1"] * 2


def test_units_are_bounded_in_number(driver, monkeypatch, caplog):
    monkeypatch.setattr(units_module, "MOST_UNITS", 3)
    unit = talking(*((5 + n / 10, f"{n};U{n};inverter;{WALL};{n}") for n in range(10)))
    run = Run(driver, unit, 90.0)
    assert len(run.lines) == 3
    assert len(run.device.units) == 3
    assert run.own("samples_dropped_total")[-1] == 7
    assert caplog.text.count("toy: has 3 units already, so what U3 says is left out") == 1


def test_the_longest_silent_unit_makes_room(driver, monkeypatch, caplog):
    monkeypatch.setattr(units_module, "MOST_UNITS", 3)
    unit = talking(
        *((5 + n / 10, f"{n};U{n};inverter;{WALL};{n}") for n in range(3)),
        (60, "U0 hello"),
        (100, f"9;NEW;inverter;{WALL};9"),
        (101, f"9;MORE;inverter;{WALL};9"),
        (102, f"9;LAST;inverter;{WALL};9"),
    )
    run = Run(driver, unit, 200.0)
    assert set(run.device.units._units) == {"U0", "NEW", "MORE"}, "none that is up is forgotten"
    assert [b.unit for b in run.batches if b.health.removed] == ["U1", "U2"]
    assert run.own("units_replaced_total")[-1] == 2
    assert "U1, silent for longest, makes room for NEW" in caplog.text
    assert said(run)[-2:] == ["NEW ACK 9", "MORE ACK 9"]


def test_a_flood_of_invented_units_keeps_no_real_one_away(driver, monkeypatch):
    monkeypatch.setattr(units_module, "MOST_UNITS", 8)
    invented = [(5 + 4 * n, f"{n};X{n};inverter;{WALL};{n}") for n in range(75)]
    real = [(t, f"{t};REAL;inverter;{WALL + t};1") for t in range(4, 300, 30)]
    late = [(t, f"{t};LATE;inverter;{WALL + t};2") for t in range(150, 300, 5)]
    run = Run(driver, talking(*invented, *real, *late), 320.0)
    assert len(run.device.units) == 8
    told = [(b.unit, v) for b in run.batches for s, v in b.values if not s.metric.own]
    assert told.count(("REAL", 1.0)) == len(real), "whoever speaks stays"
    assert run.own("units_replaced_total")[-1] > 8
    assert told.count(("LATE", 2.0)) > 0, "and who is new comes to his turn"
    assert not [b for b in run.batches if b.health.removed and b.unit in ("REAL", "LATE")]


def test_what_names_no_unit_makes_none(driver):
    run = Run(driver, talking((5, f"1;;inverter;{WALL};1")), 90.0)
    assert len(run.device.units) == 0
    assert run.own("samples_dropped_total")[-1] == 1


def test_user_leaves_out_for_all_units_alike(driver):
    unit = talking((5, f"1;A1;inverter;{WALL};1"), (6, f"2;B2;meter;{WALL};2"))
    run = Run(driver, unit, 90.0, exclude=["inverter_power.load_*", "inverter_collector.up"])
    assert [line.split()[1] for line in run.lines] == ["grid_watts=2.0"]
    assert run.own("up") == []


def test_of_a_removed_device_each_unit_is_told_to_be_gone(driver):
    async def during(run):
        await run.collector.remove("toy")

    unit = talking((0.7, f"1;A1;inverter;{WALL};1"), (0.8, f"1;B2;inverter;{WALL};2"))
    run = Run(driver, unit, 1.0, during=during)
    gone = [batch.unit for batch in run.batches if batch.health.removed]
    assert gone == ["A1", "B2", ""]
    lines = LineProtocol()
    for batch in run.batches:
        lines.lines(batch)
    assert lines._heads == {}


def test_gauges_of_units_are_apart(driver):
    """What has come of one is no newer value of the other."""
    unit = talking((5, f"1;A1;inverter;{WALL + 1};1"), (6, f"1;B2;inverter;{WALL};2"))
    run = Run(driver, unit, 20.0)
    for name in ("A1", "B2"):
        gauges = Gauges(run.device.config)
        values = [g.value for b in of_unit(run, name) for g in gauges.take(b)]
        assert values[0] == {"A1": 1.0, "B2": 2.0}[name]
        assert gauges.late == 0


def test_snapshot_keeps_units_apart(taken):
    assert [part.title for part in taken.each] == ["toy A1", "toy B2"]
    assert [part.number("inverter_power.load_watts") for part in taken.each] == [10.0, 20.0]
    assert taken.measured == []
    assert taken.answered
    assert {batch.unit for part in taken.each for batch in part.batches()} == {"A1", "B2"}


def test_a_session_knows_how_its_units_are_reached(register):
    seen = []

    def session(options: SessionOptions):
        seen.append(options.scheme)
        return plant.Session()

    Run(register(replace(plant.DRIVER, session=session)), talking(), 2.0)
    assert seen == ["tcp"]


def test_read_prints_units_one_by_one(taken, capsys):
    print_influx([taken], "inverter")
    power = [line for line in capsys.readouterr().out.splitlines() if "load_watts" in line]
    assert [line.split(",")[2] for line in power] == ["unit=A1", "unit=B2"]
    print_json([taken], "inverter")
    found = {item.get("unit", ""): item for item in json.loads(capsys.readouterr().out)}
    assert list(found) == ["", "A1", "B2"]
    assert [value["value"] for value in found["B2"]["values"]] == [20.0]
    assert found["B2"]["collector"]["up"] == 1
    print_table([taken], "inverter")
    shown = capsys.readouterr().out
    assert shown.index("toy A1") < shown.index("toy B2")


def test_watch_shows_a_line_for_each_unit(taken):
    table = overview(taken.each)
    assert list(table.columns[0].cells) == ["toy A1", "toy B2"]
    assert list(table.columns[5].cells) == ["10 W", "20 W"]


# -- acknowledged when it was taken over ---------------------------------------------------------


class Agent(Run):
    """An agent that takes what comes when it likes.

    Attributes:
        held: Receipts of what it has not taken yet, or "bug" for one that fails.
    """

    def __init__(self, *arguments, defect=False, **more):
        self.held, self._defect = [], defect
        super().__init__(*arguments, **more)

    def take(self, batch):
        if self._defect and not batch.ends_round:
            raise ZeroDivisionError("a defect")
        super().take(batch)
        if batch.receipt is not None:
            batch.receipt.hold()
            self.held.append(batch.receipt)

    def settle(self, number, *, taken):
        self.held[number].settle(taken)


def said(run):
    """What the unit was told, by now."""
    return [line for _, line in run.unit.heard]


def agent(driver, *lines, during=None, **more):
    return Agent(driver, talking(*lines), 20.0, during=during, **more)


def test_nothing_is_acknowledged_before_it_was_taken(driver):
    async def during(run):
        await asyncio.sleep(5)
        assert (len(run.held), said(run)) == (1, [])
        run.settle(0, taken=True)
        await asyncio.sleep(1)
        assert said(run) == ["A1 ACK 1"]

    agent(driver, (3, f"1;A1;inverter;{WALL};1"), during=during)


def test_what_could_not_be_taken_is_not_acknowledged_and_new_when_it_comes_again(driver):
    line = f"A1;inverter;{WALL};1"

    async def during(run):
        await asyncio.sleep(4)
        run.settle(0, taken=False)
        await asyncio.sleep(4)
        assert said(run) == []
        run.settle(1, taken=True)

    run = agent(driver, (3, f"1;{line}"), (6, f"2;{line}"), during=during)
    assert said(run) == ["A1 ACK 2"]
    values = [b.origin for b in run.batches for s, _ in b.values if not s.metric.own]
    assert values == [Origin.LIVE] * 2


def test_several_are_acknowledged_each_by_itself(driver):
    async def during(run):
        await asyncio.sleep(4)
        assert said(run) == []
        for number, taken in ((2, True), (1, False), (0, True)):
            run.settle(number, taken=taken)

    lines = [f"{n};A1;inverter;{WALL + n};{n}" for n in (1, 2)]
    run = agent(driver, (3, "\n".join([*lines, f"3;B2;inverter;{WALL};3"])), during=during)
    assert said(run) == ["B2 ACK 3", "A1 ACK 1"]


def test_other_replies_do_not_wait(driver):
    run = agent(driver, (3, f"1;A1;inverter;{WALL};1\nA1 time?"))
    assert said(run) == [f"A1 time {WALL + 3}"]


def test_a_repetition_waits_for_what_came_first(driver):
    line = f"A1;inverter;{WALL};1"

    async def during(run):
        await asyncio.sleep(8)
        assert (len(run.held), said(run)) == (1, [])
        run.settle(0, taken=True)
        await asyncio.sleep(1)
        assert said(run) == ["A1 ACK 1", "A1 ACK 2"]

    run = agent(driver, (3, f"1;{line}"), (6, f"2;{line}"), (14, f"3;{line}"), during=during)
    assert said(run)[2:] == ["A1 ACK 3"], "what was taken is acknowledged at once"
    assert len(run.lines) == 1


def test_a_unit_that_repeats_itself_while_the_agent_stands_still_fills_no_memory(driver):
    line = f"A1;inverter;{WALL};1"

    async def during(run):
        await asyncio.sleep(15)
        (conversation,) = {run.device.port.conversation}
        assert len(conversation._held) <= MOST_WAITING
        run.settle(0, taken=True)

    many = [(3 + n / 10, f"{n};{line}") for n in range(100)]
    run = agent(driver, *many, during=during)
    assert len(said(run)) == MOST_WAITING


def test_who_is_lost_meanwhile_gets_no_reply_that_was_another_s(driver):
    async def during(run):
        await asyncio.sleep(4)
        run.plug.cut()
        await asyncio.sleep(4)
        assert run.device.port.is_open
        run.settle(0, taken=True)

    line = f"A1;inverter;{WALL};1"
    run = agent(driver, (3, f"1;{line}"), (15, f"1;{line}"), during=during)
    assert said(run) == ["A1 ACK 1"], "for what it has repeated"
    assert run.unit.heard[0][0] == pytest.approx(BEGUN + 15)
    assert len(run.lines) == 1


def test_what_the_user_leaves_out_is_acknowledged_at_once(driver):
    run = agent(driver, (3, f"1;A1;inverter;{WALL};1"), exclude=["inverter_power.*"])
    assert (run.held, said(run)) == ([], ["A1 ACK 1"])


def test_what_meets_a_defect_is_not_acknowledged(driver, caplog):
    run = agent(driver, (3, f"1;A1;inverter;{WALL};1"), defect=True)
    assert said(run) == []
    assert "bug: samples of toy could not be handed over" in caplog.text


def test_units_beyond_the_limit_are_not_acknowledged(driver, monkeypatch):
    monkeypatch.setattr(units_module, "MOST_UNITS", 1)
    run = Run(driver, talking((3, f"1;A1;inverter;{WALL};1"), (4, f"1;B2;inverter;{WALL};1")), 20)
    assert said(run) == ["A1 ACK 1"]


def test_bytes_of_replies_are_counted(driver):
    run = Run(driver, talking((3, f"1;A1;inverter;{WALL};1")), 70.0)
    assert run.own("sent_bytes_total")[-1] == len(b"A1 ACK 1\n")


# -- units that dial in --------------------------------------------------------------------------


class Calling:
    """A collector whose plant units dial in to."""

    def __init__(self, driver):
        self.driver, self.doors, self.held, self.batches = driver, Doors(), None, []

    def take(self, batch):
        self.batches.append(batch)
        if self.held is not None and batch.receipt is not None:
            batch.receipt.hold()
            self.held.append(batch.receipt)

    def call(self, text=""):
        call = self.doors.call()
        if text:
            call.say(text.encode())
        return call

    def own(self, field):
        return [
            value
            for batch in self.batches
            for series, value in batch.values
            if series.metric.name == f"inverter_collector.{field}" and not batch.unit
        ]

    def run(self, test, **options):
        async def main(loop):
            item = {"name": "toy", "driver": self.driver.name, "address": "listen://0.0.0.0:22222"}
            config = Config.parse({"devices": [item | options]})
            shared = Options(clock=VirtualClock(loop), listen=self.doors, lock=False)
            collector = Collector(config, self.take, shared)
            (self.device,) = collector.devices
            running = asyncio.create_task(collector.run())
            await asyncio.sleep(1.0)
            await test(self)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        virtual.run(main)


@pytest.mark.slow
def test_a_plant_calls_one_device_and_each_gets_its_own_acknowledgements(driver):
    async def test(plant_):
        calls = [plant_.call(f"{n};U{n};inverter;{WALL};{n}\n") for n in range(1000)]
        assert [call.sent for call in calls] == [[b"U%d ACK %d\n" % (n, n)] for n in range(1000)]
        await asyncio.sleep(70)

    calling = Calling(driver)
    calling.run(test)
    assert len({batch.unit for batch in calling.batches}) == 1001
    assert (calling.own("units")[-1], calling.own("callers")[-1]) == (1000, 1000)
    assert calling.own("callers_rejected_total")[-1] == 0
    assert calling.own("reconnects_total")[-1] == 999


def test_what_a_unit_repeats_over_a_new_call_waits_for_what_came_over_the_old(driver):
    """The old call is gone before the agent has taken anything."""
    line = f"7;A1;inverter;{WALL};1\n"

    async def test(plant_):
        plant_.held = []
        other = plant_.call(f"1;B2;inverter;{WALL};1\n")
        old = plant_.call(line)
        new = plant_.call(line)
        assert (old.is_open, new.is_open, other.is_open) == (False, True, True)
        assert len(plant_.held) == 2
        for receipt in plant_.held:
            receipt.settle(True)
        assert (old.sent, new.sent, other.sent) == ([], [b"A1 ACK 7\n"], [b"B2 ACK 1\n"])

    Calling(driver).run(test)


def test_what_was_not_taken_before_the_end_is_not_acknowledged(driver):
    async def test(plant_):
        plant_.held = []
        call = plant_.call(f"7;A1;inverter;{WALL};1\n")
        plant_.device.port.line.close()
        plant_.held[0].settle(True)
        assert (call.is_open, call.sent) == (False, [])

    Calling(driver).run(test)


def test_strangers_are_counted_with_the_device(driver):
    async def test(plant_):
        plant_.call("UPS\n")
        plant_.call("GET / HTTP/1.0\n" * 300)
        plant_.call(f"1;A1;inverter;{WALL};1\n")
        await asyncio.sleep(70)

    calling = Calling(driver)
    calling.run(test)
    assert calling.own("callers_rejected_total")[-1] == 2
    assert calling.own("callers")[-1] == 1
    assert not any("callers" in s.name for b in calling.batches if b.unit for s, _ in b.values)


def test_a_device_that_nobody_calls_says_so(driver):
    async def test(_):
        await asyncio.sleep(130)

    calling = Calling(driver)
    calling.run(test)
    assert calling.batches[-1].health.error == "nobody has called yet"
    assert (calling.own("units")[-1], calling.own("callers")[-1]) == (0, 0)
    assert calling.own("up")[-1] == 0
