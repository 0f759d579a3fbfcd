"""A session that acts by time: it lets units of a bus speak, one after the other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from rct_collector.drivers.base import Record
from tests.toys import master
from tests.toys.pushing import SERIES
from tests.toys.running import WALL, Run, Unit

#: Seconds of the loop when the line is open, and at the wall clock's ``WALL``.
OPENED, BEGUN = 1000.005, 999.5


class Bus(Unit):
    """Units that say one record each time that they may speak, but those that are broken.

    Attributes:
        turns: (seconds since the line was opened, unit) of each turn.
        slow: Seconds that they take for an answer.
    """

    def __init__(self, broken=(), slow=0.1):
        super().__init__()
        self.turns, self.broken, self.slow = [], broken, slow
        self._numbers = itertools.count()

    def read(self, line, now):
        unit, _, said = line.partition(" ")
        if said == "go":
            self.turns.append((round(now - OPENED, 2), unit))
            if unit not in self.broken:
                number = next(self._numbers)
                self.say(f"{number};{unit};inverter;{WALL + number};{number}", now + self.slow)
        else:
            assert said.startswith("ACK ")
            self.say(f"{unit} done", now + 0.1)


@pytest.fixture
def driver(register):
    return register(master.DRIVER)


def test_units_are_let_speak_one_after_the_other(driver):
    bus = Bus()
    run = Run(driver, bus, 4.0)
    turns = [unit for _, unit in bus.turns]
    assert turns[:6] == ["A1", "B2", "C3"] * 2
    times = [at for at, _ in bus.turns]
    # Two answers of a tenth of a second each, and the pause.
    assert [round(b - a, 2) for a, b in itertools.pairwise(times)][:5] == [0.45] * 5
    assert [line.split(",")[2] for line in run.lines[:3]] == ["unit=A1", "unit=B2", "unit=C3"]


def test_a_silent_unit_costs_its_turn_only_and_is_not_up(driver):
    bus = Bus(broken=("B2",))
    run = Run(driver, bus, 70.0)
    assert [unit for _, unit in bus.turns][:6] == ["A1", "B2", "C3"] * 2
    times = [at for at, _ in bus.turns]
    assert [round(b - a, 2) for a, b in itertools.pairwise(times)][:3] == [0.45, 2.0, 0.45]
    assert {batch.unit for batch in run.batches} == {"", "A1", "C3"}
    assert run.own("sent_bytes_total")[-1] > 0


def test_who_is_slow_keeps_its_turn(driver):
    """It answers after more than the silence by which others have lost half an answer."""
    bus = Bus(slow=1.5)
    run = Run(driver, bus, 20.0)
    times = [at for at, _ in bus.turns]
    assert [round(b - a, 2) for a, b in itertools.pairwise(times)][:3] == [1.85] * 3
    assert len(run.lines) >= 9


def test_bytes_that_nobody_answers_are_no_sign_of_life(driver):
    run = Run(driver, Bus(broken=master.UNITS), 130.0)
    assert set(run.own("up")) == {0}
    assert len(run.device.units) == 0


def test_it_begins_anew_with_the_line_and_rests_while_there_is_none(driver):
    bus = Bus()

    async def during(run):
        run.plug.refuse = "cannot connect"
        run.plug.cut()
        bus.turns.clear()

    Run(driver, bus, 3.0, during=during)
    assert bus.turns == []


def test_a_session_that_is_due_at_any_time_holds_up_nobody(register):
    class Hasty(master.Master):
        pulled = 0

        def next_due(self):
            return 0.0

        def pull(self, _now):
            Hasty.pulled += 1
            return []

    Run(register(replace(master.DRIVER, session=lambda _: Hasty())), Bus(), 1.0)
    assert 0 < Hasty.pulled <= 2.1 / 0.001


def test_a_session_may_bring_records_by_time(register):
    """Such as what it could decide only when nothing more came."""

    class Late(master.Master):
        _due = 1002.0

        def reset(self):
            pass

        def pull(self, now):
            self._due = None
            value = ((SERIES["inverter"], 5.0),)
            return [Record("A1", "inverter", WALL * 10**9, value)] if now >= 1002.0 else []

        def next_due(self):
            return self._due

    run = Run(register(replace(master.DRIVER, session=lambda _: Late())), Bus(), 5.0)
    assert run.lines == [
        f"inverter_power,source=toy,unit=A1,vendor=toys load_watts=5.0 {WALL}000000000"
    ]


def test_a_defect_opens_the_line_anew(register, caplog):
    class Broken(master.Master):
        def pull(self, now):
            if now < 1002.0:
                return []
            raise ZeroDivisionError("a defect")

        def next_due(self):
            return 1002.0

    run = Run(register(replace(master.DRIVER, session=lambda _: Broken())), Bus(), 60.0)
    assert caplog.text.count("toy: bug; the line is opened anew") == 1
    assert len(run.plug.attempts) > 1
