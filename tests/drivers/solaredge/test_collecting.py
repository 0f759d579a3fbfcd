"""The driver in the real collector: from the bytes of a line to line protocol."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rct_collector.catalog import catalog
from rct_collector.cli.snapshot import Snapshot
from rct_collector.config import Config
from rct_collector.drivers import driver
from rct_collector.drivers.solaredge import functions, records, request
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join
from rct_collector.drivers.solaredge.session import SolarEdgeSession
from tests.toys.running import WALL, Run, Unit

UNIT, OTHER, OPTIMIZER = 0x7F101234, 0x7F105678, 0x1A2B3C4D

#: Seconds of the loop at the wall clock's ``WALL``.
BEGUN = 999.5


class Caller(Unit):
    """The far end of a line on which units speak by themselves.

    Attributes:
        answers: Frames that came.
    """

    def __init__(self, *said):
        """Take (seconds, frame), in order."""
        super().__init__()
        self.answers = []
        self._reader = FrameReader()
        self._due = [(BEGUN + seconds, assemble(frame)) for seconds, frame in said]

    def receive(self, _client, data, _now):
        self.answers += self._reader.feed(data)


def post(sequence, *posted, source=UNIT):
    return Frame(sequence, source, request.SERVER, functions.POST, join(list(posted)))


def inverter(unit, time=WALL, **values):
    layout = LAYOUTS[records.INVERTER]
    device = unit | records.BOARD_BIT
    return RawRecord(records.INVERTER, device, layout.encode({"time": time, **values}))


def optimizer(time=WALL, **values):
    layout = LAYOUTS[records.OPTIMIZER_PACKED]
    return RawRecord(records.OPTIMIZER_PACKED, OPTIMIZER, layout.encode({"time": time, **values}))


@pytest.fixture
def at_home(register):
    """The driver, its line an ordinary one."""
    family = driver("solaredge")
    return register(
        replace(
            family,
            name="at_home",
            ways={"tcp": {"port": "1"}},
            session=lambda known: SolarEdgeSession(known.options),
        )
    )


def test_records_of_two_inverters_become_lines_and_are_acknowledged(at_home):
    caller = Caller(
        (2, post(1, inverter(UNIT, power=1500.0), optimizer(input_voltage=30.0))),
        (3, post(2, inverter(OTHER, power=900.0), source=OTHER)),
    )
    run = Run(at_home, caller, include=["inverter_optimizer.*"])
    powers = [line.split(" ") for line in run.lines if "output_watts" in line]
    assert [(head, fields.split(",")[0]) for head, fields, _ in powers] == [
        ("inverter_power,source=toy,unit=7F101234,vendor=solaredge", "output_watts=1500.0"),
        ("inverter_power,source=toy,unit=7F105678,vendor=solaredge", "output_watts=900.0"),
    ]
    (told,) = [line for line in run.lines if line.startswith("inverter_optimizer")]
    assert told.startswith("inverter_optimizer,optimizer=1A2B3C4D,source=toy,unit=7F101234,")
    assert "input_volts=30.0" in told
    assert told.endswith(f" {WALL}000000000")
    assert [(answer.function, answer.sequence) for answer in caller.answers] == [
        (functions.ACK, 1),
        (functions.ACK, 2),
    ]


def test_a_record_that_comes_again_is_published_once_and_acknowledged_again(at_home):
    record = inverter(UNIT, power=1500.0)
    caller = Caller((2, post(1, record)), (4, post(1, record)), (6, post(9, record)))
    run = Run(at_home, caller)
    assert len([line for line in run.lines if "output_watts" in line]) == 1
    assert [answer.sequence for answer in caller.answers] == [1, 1, 9]


def test_late_records_keep_their_time(at_home):
    caller = Caller(
        (2, post(1, inverter(UNIT, power=2.0))),
        (3, post(2, inverter(UNIT, time=WALL - 3600, power=1.0))),
    )
    run = Run(at_home, caller)
    times = [line.rpartition(" ")[2] for line in run.lines if "output_watts" in line]
    assert times == [f"{WALL}000000000", f"{WALL - 3600}000000000"]


@pytest.mark.parametrize("time", [0, 0xFFFFFFFF, WALL + 3 * 365 * 86400])
def test_times_that_cannot_be_are_left_out_and_acknowledged(at_home, time):
    caller = Caller((2, post(1, inverter(UNIT, time=time, power=1.0))))
    run = Run(at_home, caller)
    assert not [line for line in run.lines if "output_watts" in line]
    assert len(caller.answers) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("energy_total_float", 1.2e19), ("power", 3e7), ("temperature", -300.0), ("ac_voltage", 9e4)],
)
def test_absurd_values_are_left_out_and_the_rest_is_taken(at_home, name, value):
    record = inverter(UNIT, dc_voltage=350.0, **{name: value})
    layout = LAYOUTS[records.INVERTER]
    body = layout.encode({"time": WALL, "dc_voltage": 350.0, name: value}, 104)
    run = Run(at_home, Caller((2, post(1, record._replace(body=body)))))
    text = "\n".join(run.lines)
    assert "voltage_volts=350.0" in text
    assert repr(value) not in text
    assert sum(run.own("implausible_total")[-1:]) == 1


def test_why_nothing_comes_of_a_unit_is_told(at_home, caplog):
    caller = Caller((2, post(1, inverter(UNIT, power=1.0))))
    run = Run(at_home, caller, units=["7F105678"])
    assert not [line for line in run.lines if "output_watts" in line]
    assert caller.answers == []
    assert "the inverter 7F101234 is not among 'units': it gets no answer" in caplog.text


@pytest.mark.parametrize(
    ("name", "tags", "value", "text"),
    [
        ("inverter_status.state_code", {}, 4, "producing (MPPT)"),
        ("inverter_status.state_code", {}, 7, ""),
        ("inverter_battery.state_code", {"battery": "T16H0013143"}, 3, "charging"),
        ("inverter_status.uptime_seconds", {}, 4.0, ""),
    ],
)
def test_codes_are_told_with_their_meanings_whatever_component_has_them(name, tags, value, text):
    device = {"name": "plant", "driver": "solaredge", "address": "listen://127.0.0.1:22222"}
    snapshot = Snapshot(Config.parse({"devices": [device]}).devices[0])
    assert snapshot.text(catalog().series(name, **tags), value) == text
