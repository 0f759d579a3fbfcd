"""A family that is asked and talks unasked: both on one line, in one device."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.toys import pushing, settable
from tests.toys.running import WALL, Run, Unit

BEGUN = 999.5


class Session(pushing.Session, settable.Session):
    """Lines with a semicolon are records, all others answers."""

    def receive(self, data, _wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [event for line in lines for event in self._either(line.decode())]

    def _either(self, line):
        return self._events(line) if ";" in line else [self._event(line)]


class Both(Unit):
    """Answers after a tenth of a second."""

    answers = True

    def read(self, line, now):
        if line == "volts?" and self.answers:
            self.say("52.0", now + 0.1)


@pytest.fixture
def driver(register):
    return register(
        replace(
            settable.DRIVER,
            name="both",
            session=lambda _options: Session(),
            pushed=pushing.DRIVER.pushed,
            settable=tuple,
        )
    )


def test_answers_have_the_time_of_the_round_and_records_their_own(driver):
    unit = Both()
    unit.say(f"1;inverter;{WALL - 100};1500", BEGUN + 5)
    run = Run(driver, unit, 30.0)
    records = [line for line in run.lines if "load_watts" in line]
    answers = [line for line in run.lines if "voltage_volts" in line]
    assert [line.split()[-1] for line in records] == [f"{WALL - 100}000000000"]
    assert len(answers) >= 3
    assert all(int(line.split()[-1]) > WALL * 10**9 for line in answers)
    assert "ACK 1" in [line for _, line in unit.heard]


@pytest.mark.parametrize(
    ("said", "is_taken"),
    [(WALL - 100, True), (WALL + 100, True), (86400, False), (WALL + 86400, False)],
)
def test_answers_may_have_times_of_their_own_but_not_of_a_clock_that_was_never_set(
    register,
    driver,
    said,
    is_taken,
):
    class Dated(Session):
        def _event(self, line):
            return super()._event(line)._replace(time_ns=said * 10**9)

    dated = replace(driver, name="dated", session=lambda _options: Dated())
    run = Run(register(dated), Both(), 15.0)
    times = {int(line.split()[-1]) // 10**9 for line in run.lines if "voltage_volts" in line}
    assert times == {said} if is_taken else min(times) >= WALL
    assert is_taken or max(times) < WALL + 60


def test_records_between_question_and_answer_disturb_neither(driver):
    unit = Both()
    for n in range(30):
        unit.say(f"{n};inverter;{WALL + n};{n}", BEGUN + 1.0 + n)
    run = Run(driver, unit, 30.0)
    assert sum("load_watts" in line for line in run.lines) == 30
    assert run.own("errors_total")[-1] == 0
    assert run.own("timeouts_total")[-1] == 0


def test_values_of_records_that_are_not_believed_are_counted_with_those_of_answers(driver):
    unit = Both()
    unit.say(f"1;inverter;{WALL};9e9", BEGUN + 1)
    assert Run(driver, unit, 25.0).own("implausible_total")[-1] == 1


@pytest.mark.parametrize(("answers", "speaks"), [(True, False), (False, True)])
def test_unit_is_up_as_long_as_it_does_either(driver, answers, speaks):
    unit = Both()
    unit.answers = answers
    for n in range(60 if speaks else 0):
        unit.say(f"{n};inverter;{WALL + n};1", BEGUN + 1.0 + n)
    run = Run(driver, unit, 45.0)
    assert set(run.own("up")) == {1}


def test_unit_that_does_neither_is_down(driver):
    unit = Both()
    unit.answers = False
    assert set(Run(driver, unit, 25.0).own("up")) == {0}
