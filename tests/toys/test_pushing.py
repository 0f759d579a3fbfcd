"""Records that come unasked, late, twice: each once, under its own time, acknowledged at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rct_collector.adapter.alerts import Alerts, AlertSeverity
from rct_collector.catalog import catalog
from rct_collector.config import Config
from rct_collector.device import receiving
from rct_collector.device.device import Device
from rct_collector.drivers.base import Pushed, Record
from rct_collector.model import Origin
from tests import virtual
from tests.toys import pushing
from tests.toys.running import WALL, Plug, Run, Unit

#: Seconds of the loop at the wall clock's ``WALL``.
BEGUN = 999.5


class Talking(Unit):
    """Says each line at a time, and again until it is acknowledged.

    Attributes:
        acknowledged: Number of the record → when, in seconds since it was said last.
    """

    def __init__(self, *lines):
        super().__init__()
        self.acknowledged = {}
        self._said = {}
        for seconds, line in lines:
            self.say(line, BEGUN + seconds)

    def pull(self, now):
        ready = super().pull(now)
        self._said.update((data.split(b";")[0].decode(), now) for data in ready)
        return ready

    def read(self, line, now):
        word, number = line.split()
        assert word == "ACK"
        self.acknowledged[number] = now - self._said[number]


@pytest.fixture
def driver(register):
    return register(pushing.DRIVER)


def test_record_reaches_line_protocol_with_its_own_time(driver):
    unit = Talking((5, f"1;inverter;{WALL - 100};1500"), (6, f"2;meter;{WALL - 90};-20"))
    assert Run(driver, unit, 30.0).lines == [
        f"inverter_power,source=toy,vendor=toys load_watts=1500.0 {WALL - 100}000000000",
        f"inverter_power,source=toy,vendor=toys grid_watts=-20.0 {WALL - 90}000000000",
    ]
    assert unit.acknowledged == {"1": 0.0, "2": 0.0}


def test_each_record_is_handed_over_when_it_comes(driver):
    """No round is waited for."""
    handed = []
    unit = Talking((5, f"1;inverter;{WALL};1"), (11, f"2;inverter;{WALL + 1};2"))

    class Noting(Run):
        async def _main(self, loop, *arguments):
            self.batches = handed_over = []

            class Batches(list):
                def append(self, batch):
                    handed.append(loop.time() - BEGUN)
                    handed_over.append(batch)

            self.batches = Batches()
            await super()._main(loop, *arguments)
            self.batches = handed_over

    run = Noting(driver, unit, 12.0)
    times = [at for at, batch in zip(handed, run.batches, strict=True) if len(batch.values) == 1]
    assert times == [pytest.approx(5.0), pytest.approx(11.0)]


def test_record_that_comes_again_is_acknowledged_again_and_taken_once(driver):
    """With the same number, or with a new one."""
    line = f"inverter;{WALL};1500"
    unit = Talking((5, f"1;{line}"), (6, f"1;{line}"), (7, f"2;{line}"))
    run = Run(driver, unit, 30.0)
    assert len(run.lines) == 1
    assert len(unit.heard) == 3
    assert run.device.units.of("").receiving.repeated == 2
    assert run.device.stats.totals["answers"] == 1


def test_late_records_keep_their_time_and_say_that_they_are_late(driver):
    unit = Talking(
        (5, f"1;inverter;{WALL};3"),
        (6, f"2;inverter;{WALL - 600};1"),
        (7, f"3;inverter;{WALL - 300};2"),
    )
    run = Run(driver, unit, 30.0)
    assert [(b.values[0][1], b.origin) for b in run.batches if len(b.values) == 1] == [
        (3.0, Origin.LIVE),
        (1.0, Origin.LATE),
        (2.0, Origin.LATE),
    ]
    assert [line.split()[-1] for line in run.lines] == [
        f"{WALL + offset}000000000" for offset in (0, -600, -300)
    ]


@pytest.mark.parametrize("time", [0, 0xFFFFFFFF, WALL + 86400 * 900])
def test_record_of_a_time_that_cannot_be_is_acknowledged_and_counted(driver, time, caplog):
    unit = Talking((5, f"1;inverter;{time};1"))
    run = Run(driver, unit, 90.0)
    assert run.lines == []
    assert unit.acknowledged == {"1": 0.0}
    assert run.own("errors_total")[-1] == 1
    assert "toy: sends records of a time that cannot be" in caplog.text


def test_values_of_more_series_than_one_unit_may_have_are_counted(driver, monkeypatch):
    monkeypatch.setattr(receiving, "MOST_SERIES", 1)
    more = [(seconds, f"{seconds};meter;{WALL + seconds};2") for seconds in (6, 7)]
    run = Run(driver, Talking((5, f"1;inverter;{WALL};1"), *more), 90.0)
    assert len(run.lines) == 1
    assert run.own("samples_dropped_total")[-1] == 2


def test_texts_stand_on_a_line_of_their_own(driver):
    run = Run(driver, Talking((5, f"1;name;{WALL};7E123456")), 30.0)
    assert run.lines == [
        f'inverter,source=toy,vendor=toys info=1i,serial="7E123456" {WALL}000000000'
    ]


def test_heartbeat_tells_that_the_unit_is_away_though_nothing_comes(driver):
    """It is up as long as it was heard within its heartbeat, and the age of its values grows."""
    unit = Talking(*((seconds, f"{seconds};inverter;{WALL + seconds};1") for seconds in (5, 50)))
    run = Run(driver, unit, 400.0)
    up = run.own("up")
    assert up[:2] == [1, 1]
    assert up[-1] == 0
    health = [batch.health for batch in run.batches]
    assert health[0].up
    assert health[-1].missed >= 3
    assert health[-1].error == "the line is open, but nothing comes"
    assert 6 <= len(up) <= 9
    ages = run.own("sample_age_seconds")
    assert ages == sorted(ages[:1]) + sorted(ages[1:])
    assert ages[-1] > 250


def test_unit_that_never_speaks_is_told_after_a_heartbeat(driver):
    run = Run(driver, Talking(), 70.0)
    assert run.own("up") == [0]


def test_what_means_nothing_is_counted_and_the_rest_taken(driver):
    unit = Talking((5, "what?"), (6, f"1;colour;{WALL};1"), (7, f"2;inverter;{WALL};1"))
    run = Run(driver, unit, 90.0)
    assert len(run.lines) == 1
    assert run.own("errors_total")[-1] == 2


def test_user_leaves_out_what_comes_unasked(driver):
    unit = Talking((5, f"1;inverter;{WALL};1"), (6, f"2;meter;{WALL};2"))
    run = Run(driver, unit, 30.0, exclude=["inverter_power.load_*"])
    assert [line.split()[1] for line in run.lines] == ["grid_watts=2.0"]


@pytest.mark.parametrize(("speaks_after", "answered"), [(3.0, True), (20.0, False)])
def test_single_reading_waits_for_the_first_record(driver, speaks_after, answered):
    async def main(loop):
        batches = []
        device = {"name": "toy", "driver": driver.name, "address": "tcp://192.0.2.1"}
        (config,) = Config.parse({"devices": [device]}).devices
        plug = Plug(Talking((speaks_after, f"1;inverter;{WALL};1")))
        made = Device(config, batches.append, virtual.options(loop, plug))
        begun = loop.time()
        return await made.read_once(10.0), loop.time() - begun

    found, seconds = virtual.run(main)
    assert found is answered
    assert seconds < 4.0 if answered else seconds == pytest.approx(10.0, abs=0.1)


class Faulty(pushing.Session):
    """Its records tell of faults, ``1;fault 12;1782036000;1``, or of a ``word`` of them.

    Only of such as other families have too: all tests of a process share the catalogue.
    """

    def _events(self, line):
        key, time, value = line.split(";")[1:]
        if key == "word":
            series = catalog().series("inverter_status.fault_word_0")
        else:
            series = catalog().series("inverter_fault.active", fault=key.removeprefix("fault "))
        return [Record("", key, int(time) * 1_000_000_000, ((series, int(value)),))]


@pytest.mark.parametrize(
    ("key", "values", "number", "text"),
    [
        ("fault 12", (1, 1, 0, 0), 12, "the fan stands still"),
        ("fault 107", (1, 1, 0, 0), 107, "unknown"),
        ("word", (1 << 12, 1 << 12, 0, 0), 12, "the fan stands still"),
    ],
)
def test_faults_in_records_are_told_as_those_in_answers(register, key, values, number, text):
    (flag,) = catalog().named("inverter_fault.active")
    (words,) = catalog().named("inverter_status.fault_word_0")
    driver = register(
        replace(
            pushing.DRIVER,
            session=lambda _options: Faulty(),
            pushed=Pushed(records={"faults": (flag, words)}),
            faults={12: "the fan stands still"},
        )
    )
    unit = Talking()
    for n, value in enumerate(values):
        unit.say(f"{n};{key};{WALL + n};{value}", BEGUN + 5 + n)
    run = Run(driver, unit, 30.0, include=["inverter_fault.*"])
    alerts = Alerts(run.device.config, clock=lambda: 0.0)
    told = [alert for batch in run.batches for alert in alerts.take(batch)]
    assert [(alert.place.type_instance, alert.severity, alert.text) for alert in told] == [
        (f"fault_{number}_active", AlertSeverity.FAILURE, f"toy: fault {number} ({text})"),
        (f"fault_{number}_active", AlertSeverity.OKAY, f"toy: fault {number} ({text}) is over"),
    ]
