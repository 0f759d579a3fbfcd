"""From a scripted line through the real collector to line protocol, in virtual time.

What is published is what was sent, in a valid answer to that command and within its deadline: each
answer holds a number of its own, which tells where a value comes from.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Binding
from rct_collector.drivers.voltronic import DRIVER
from rct_collector.drivers.voltronic.command import Command
from tests.drivers.voltronic.far_end import NAK, PI30, QPIGS, FarEnd, answer, asks, said, unit
from tests.toys.running import Run

untimed = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

#: Seconds that an answer is waited for.
TIMEOUT = DRIVER.polled.pace.timeout

#: Command → the series that it feeds here, the part of its answer, and with what its numbers begin.
#: The answers to two of them have the same shape.
FED = {
    "QPIGS": ("inverter_power.load_watts", "output_active_power", 1000),
    "QET": ("inverter_energy{flow=pv}.watt_hours_total", "pv_energy_total_wh", 2000),
    "QLT": ("inverter_energy{flow=load}.watt_hours_total", "load_energy_total_wh", 3000),
}
SERIES = {catalog().matching(name)[0]: command for command, (name, _, _) in FED.items()}


def fed(query):
    """A command that feeds the series of these tests, and no other."""
    bindings = tuple(
        Binding((series,), part, 1.0, lambda raw, *_, part=part: [raw.get(part)])
        for series, command in SERIES.items()
        for part in FED[command][1:2]
        if command == query.name
    )
    return replace(query, bindings=bindings) if isinstance(query, Command) else query


@pytest.fixture
def driver(register):
    polled = replace(DRIVER.polled, queries=tuple(map(fed, DRIVER.polled.queries)))
    return register(replace(DRIVER, name="fed", polled=polled))


class Counting(FarEnd):
    """A unit of PI30 whose energies and powers are numbers that come once.

    Attributes:
        asked: (command, number) → when it was asked for.
    """

    def __init__(self, says=PI30, **more):
        super().__init__(self._reply, **more)
        self._says = unit(says)
        self.asked = {}

    def _reply(self, data):
        command = asks(data, "pi30")
        if command not in FED:
            return self._says(data)
        number = FED[command][2] + len(self.asked) % 1000
        self.asked[command, number] = self.heard[-1][0]
        return answer(
            QPIGS.replace("0119", f"{number:04}") if command == "QPIGS" else f"{number:08}"
        )


def collected(driver, far_end, seconds=60.0, **options):
    return Run(driver, far_end, seconds, **{"address": "tcp://192.0.2.1:7", **options})


def values(run):
    return [
        (SERIES[series], value)
        for batch in run.batches
        for series, value in batch.values
        if series in SERIES
    ]


def untrue(run):
    """Values that are not those of an answer to their command."""
    return [
        (command, value) for command, value in values(run) if (command, value) not in run.unit.asked
    ]


def test_a_unit_is_collected_to_line_protocol(driver):
    run = collected(driver, Counting())
    found = {re.sub(r"=\d+i \d+$", "", line) for line in run.lines}
    tags = "source=toy,vendor=voltronic"
    assert {
        f"inverter_power,{tags} load_watts",
        f"inverter_energy,flow=pv,{tags} watt_hours_total",
        f"inverter_energy,flow=load,{tags} watt_hours_total",
    } <= found
    assert not untrue(run)
    assert run.own("up")[-1] == 1
    assert [value for command, value in values(run) if command == "QPIGS"]


def test_nothing_is_asked_that_another_dialect_knows(driver):
    """Not even by the name of another one: the pauses between two questions are kept, too."""
    run = collected(driver, Counting(), 100.0)
    asked = run.unit.questions()
    assert asked[0] == "QPI"
    assert all(re.fullmatch("Q[A-Z0-9]+", text) for text in asked)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(run.unit.heard)]
    assert min(gaps) >= run.unit.latency + 0.1 - 1e-6


def test_another_dialect_is_found_and_asked_in_its_own_words(driver):
    run = collected(driver, FarEnd(unit({"PI": "18", "ID": "1496161704100242000000"}, "pi18")))
    asked = run.unit.questions()
    assert asked[:2] == ["QPI", "^P005PI"]
    assert all(text.startswith("^P") for text in asked[1:])
    assert run.own("up")[-1] == 1


#: Framing, what a unit says in it, and what becomes of that.
OTHERS = {
    "pi18": (
        {
            "PI": "18",
            "ID": "1496161704100242000000",
            "T": "20260621120003",
            "GS": "2232,499,2230,498,1406,1376,028,549,000,000,000,010,095,060,000,000,0082,0000,"
            "1604,0000,0,2,0,1,1,1,1,0",
        },
        {
            "inverter_power.load_watts": 1376,
            "inverter_grid{phase=l1}.voltage_volts": 223.2,
            "inverter_battery{battery=0}.voltage_volts": 54.9,
        },
    ),
    "pi17": (
        {
            "PI": "17",
            "ID": "1492932105105335000000",
            "T": "20260621120003",
            "GS": "0000,0000,0000,0000,0394,000,+00000,2389,2427,2459,5002,0000,0000,0000,2378,"
            "2434,2455,5001,,,,029,029,000,0",
        },
        {
            "inverter_grid{phase=l2}.voltage_volts": 242.7,
            "inverter_battery{battery=0}.voltage_volts": 39.4,
        },
    ),
    "pi16": (
        {
            "QPI": "PI16",
            "QID": "92932105105335",
            "QT": "20260621120003",
            "QPIGS": "224.6 000000 49.9 0006.8 232.4 01594 49.9 006.8 029 415.0 415.0 057.9 ---.-"
            " 100 00000 00000 ----- 000.0 000.0 ---.- 035.0 D---110001",
        },
        {
            "inverter_power.load_watts": 1594,
            "inverter_grid{phase=l1}.voltage_volts": 224.6,
            "inverter_battery{battery=0}.voltage_volts": 57.9,
        },
    ),
}


@pytest.mark.parametrize("dialect", OTHERS)
def test_units_of_other_dialects_are_collected(dialect):
    """By the driver as it is, in the framing of the dialect and of the date that the unit shows."""
    says, expected = OTHERS[dialect]
    far_end = FarEnd(unit(says, dialect, NAK if dialect == "pi16" else b"^0\x1b\xe3\r"))
    run = collected(DRIVER, far_end, 100.0)
    found = {series.name: value for batch in run.batches for series, value in batch.values}
    assert {name: found.get(name) for name in expected} == pytest.approx(expected)
    assert run.own("up")[-1] == 1
    framed = [asks(data, dialect) for _, data in far_end.heard]
    assert None not in framed[4:]
    (day,) = {text for text in framed if text and re.match("Q?ED", text)}
    if dialect == "pi18":
        assert day == "ED20260621"
    else:
        counted = day[:-3] if dialect == "pi16" else f"^P014{day[:-3]}"
        assert day.endswith(f"ED20260621{sum(counted.encode()) & 0xFF:03}")


# -- faults ------------------------------------------------------------------------------------


def test_late_answer_is_not_taken_for_one_of_the_same_shape(driver):
    """QET is answered after its time-out, when QLT is asked; only the silence helps here."""

    def mangle(_number, data, said_):
        return [(3.2 if said(data) == "QET" else 0.1, said_)]

    run = collected(driver, Counting(mangle=mangle), 100.0)
    assert not untrue(run)
    assert {command for command, _ in values(run)} == {"QPIGS", "QLT"}


class Once(Counting):
    """The fourth answer to QPIGS comes after so many seconds, or never; all others behind it."""

    def __init__(self, seconds):
        super().__init__(mangle=self._mangle)
        self._seconds, self._count = seconds, 0
        self.fourth = self._until = 0.0

    def _mangle(self, _number, data, text):
        now = self.heard[-1][0]
        self._count += asks(data, "pi30") == "QPIGS"
        if self._count != 4 or self.fourth:
            return [(max(0.1, self._until - now), text)]
        self.fourth = now
        self._until = now + self._seconds + 0.1
        return [(self._seconds, text)] if self._seconds else []


@pytest.mark.parametrize("seconds", [1.5, 3.3, 7.0])
def test_late_answer_is_taken_in_its_round_where_no_other_looks_like_it(driver, seconds):
    run = collected(driver, Once(seconds), 80.0)
    asked = [(at, asks(data, "pi30")) for at, data in run.unit.heard]
    after = [(at, text) for at, text in asked if at >= run.unit.fourth]
    assert after[1][1] == "QPI"
    assert after[1][0] - after[0][0] == pytest.approx(1.0, abs=0.1), "the line was silent for it"
    (late,) = [number for (_, number), at in run.unit.asked.items() if at == run.unit.fourth]
    assert ("QPIGS", late) in values(run)
    in_round = [at for at, text in asked if text == "QPIGS" and 0 <= at - run.unit.fourth < 9]
    assert len(in_round) == 1, "it need not be asked again"
    assert not untrue(run)


def test_late_answer_of_the_round_before_is_too_old(driver):
    run = collected(driver, Once(11.0), 80.0)
    (late,) = [number for (_, number), at in run.unit.asked.items() if at == run.unit.fourth]
    assert ("QPIGS", late) not in values(run)
    assert not untrue(run)


def test_lost_answer_costs_little_more_than_a_second(driver):
    run = collected(driver, Once(0.0), 80.0)
    again = [
        at for at, data in run.unit.heard if asks(data, "pi30") == "QPIGS" and at > run.unit.fourth
    ]
    assert again[0] - run.unit.fourth == pytest.approx(1.2, abs=0.1)
    assert not untrue(run)


def test_doubled_answers_are_taken_once(driver):
    run = collected(
        driver, Counting(mangle=lambda _n, _d, text: [(0.1, text), (0.25, text)]), 100.0
    )
    assert not untrue(run)
    assert {command for command, _ in values(run)} == {*FED}


@pytest.mark.parametrize(
    "mangle",
    [
        lambda _n, data, text: [(0.1, data + text)],
        lambda _n, _d, text: [(0.1 + 0.004 * n, text[n : n + 1]) for n in range(len(text))],
        lambda _n, _d, text: [(0.1, text + b"\n")],
        lambda _n, _d, text: [(0.1, text.replace(b"\r", b"\n"))],
        lambda _n, _d, text: [(0.1, b"\xff\x00\r" + text)],
        lambda _n, _d, text: [(0.1, text.ljust(-len(text) // 8 * -8, b"\0"))],
    ],
    ids=["echo", "byte by byte", "LF behind CR", "LF for CR", "noise", "padding"],
)
def test_quirks_cost_nothing(driver, mangle):
    run = collected(driver, Counting(mangle=mangle), 60.0)
    assert not untrue(run)
    assert {command for command, _ in values(run)} == {*FED}
    assert run.unit.questions().count("QPI") <= 5, "the line is not probed for it"


def test_refused_command_does_not_spoil_the_round(driver):
    class Without(Counting):
        def _reply(self, data):
            return NAK if asks(data, "pi30") == "QET" else super()._reply(data)

    run = collected(driver, Without(), 100.0)
    assert {command for command, _ in values(run)} == {"QPIGS", "QLT"}
    powers = [value for command, value in values(run) if command == "QPIGS"]
    assert len(powers) >= 8
    assert run.own("up")[-1] == 1


def test_silent_command_does_not_spoil_the_round(driver):
    class Without(Counting):
        def _reply(self, data):
            return b"" if asks(data, "pi30") == "QET" else super()._reply(data)

    run = collected(driver, Without(), 200.0)
    assert {command for command, _ in values(run)} == {"QPIGS", "QLT"}
    assert len([value for command, value in values(run) if command == "QPIGS"]) >= 14


def test_unit_that_sleeps_is_found_when_it_wakes(driver):
    class Sleeping(Counting):
        def _reply(self, data):
            awake = not 1100 <= self.heard[-1][0] < 1400
            return super()._reply(data) if awake else b""

    run = collected(driver, Sleeping(), 500.0)
    up = [batch.health.up for batch in run.batches if batch.health]
    assert up[0]
    assert False in up
    assert up[-1]
    assert not untrue(run)
    last = max(at for (command, _), at in run.unit.asked.items() if command == "QPIGS")
    assert last > 1480


faults = st.lists(
    st.sampled_from(
        [
            "late",
            "very late",
            "lost",
            "doubled",
            "echo",
            "cut",
            "damaged",
            "stale",
            "nak",
            "noise",
            "LF",
        ]
    )
    | st.none(),
    max_size=30,
)


class Faulty(Counting):
    """Its answers come with faults, in order; then without."""

    def __init__(self, faults):
        super().__init__(mangle=self._mangle)
        self._faults = list(faults)
        self._before = b""

    def _mangle(self, number, data, text):
        fault = self._faults.pop(0) if self._faults else None
        before, self._before = self._before, text
        middle = len(text) // 2
        return {
            "late": [(3.3, text)],
            "very late": [(5.9, text)],
            "lost": [],
            "doubled": [(0.1, text), (0.3, text)],
            "echo": [(0.05, data), (0.1, text)],
            "cut": [(0.1, text[:middle])],
            "damaged": [(0.1, text[:middle] + b"7" + text[middle + 1 :])],
            "stale": [(0.05, before), (0.2, text)],
            "nak": [(0.1, NAK)],
            "noise": [(0.1, b"\xfe(\x01\r")],
            "LF": [(0.1, text[:-1] + b"\n")],
        }.get(fault, [(0.1, text)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of all commands of a driver
@given(faults)
@example(["very late", "damaged"])  # energies came before it was known of which unit they are
@untimed
def test_no_value_is_ever_that_of_another_command(driver, faults):
    """Nor one that came too late, whatever the line does; and in the end all come again."""
    run = collected(driver, Faulty(faults), 200.0)
    assert not untrue(run)
    assert {command for command, _ in values(run)} == {*FED}


def test_what_came_before_it_was_known_whose_it_is_is_not_good_for_a_while(driver):
    """A total that came in the first round, too early to be published, comes in the next one."""
    run = collected(driver, Faulty(["nak", "very late", "damaged"]), 400.0)
    assert {command for command, _ in values(run)} == {*FED}


# -- what is not read --------------------------------------------------------------------------

STRANGERS = [
    (unit({"QPI": "PI34"}), {}, "PI34: a solar charge controller"),
    (lambda data: b"H\r" if data == b"M\r" else b"", {}, "a UPS that speaks Megatec"),
    (lambda _data: b"#-1\r", {}, "none of their dialects"),
    (unit(PI30), {"dialect": "pi18"}, "speaks PI30, but the option dialect says pi18"),
    (
        unit(PI30),
        {"serial_number": "1234567890"},
        "serial number is 92932004105315, not 1234567890",
    ),
]


@pytest.mark.parametrize(("reply", "options", "told"), STRANGERS)
def test_what_is_something_else_is_named_and_not_read(driver, caplog, reply, options, told):
    caplog.set_level(logging.INFO)
    run = collected(driver, FarEnd(reply), 200.0, **options)
    assert not run.lines
    assert set(run.own("up")) == {0}
    assert told in run.device.port.last_error
    messages = [record.getMessage() for record in caplog.records]
    assert len([text for text in messages if told in text]) == 1, "it is told once"


def test_unit_with_the_serial_number_is_read(driver):
    run = collected(driver, Counting(), serial_number="92932004105315")
    assert not untrue(run)
    assert {command for command, _ in values(run)} == {*FED}
    assert run.unit.questions()[:2] == ["QPI", "QID"]


def test_unit_is_not_read_before_it_is_the_one_that_is_meant(driver):
    """Another one is plugged in while the line is open."""

    async def during(run):
        await asyncio.sleep(40.0)
        run.unit._says = unit({**PI30, "QID": "99999999999999"})
        run.cut_at = len(run.unit.heard)
        run.plug.cut()

    run = collected(driver, Counting(), 60.0, during=during, serial_number="92932004105315")
    after = run.unit.questions()[run.cut_at :]
    assert set(after) <= {"QPI", "QID", "QSID"}
    assert run.own("up")[-1] == 0
