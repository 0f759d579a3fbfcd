"""The gate of settings: what may be written is written once, and what came of it is told."""

from __future__ import annotations

import ast
import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest

import rct_collector
from rct_collector.device.settings import (
    APART_S,
    DAY_S,
    MOST_A_DAY,
    Denied,
    Gate,
    Journal,
    State,
    approve,
)
from rct_collector.drivers.base import Approved, Query, Setting
from tests import virtual
from tests.answering import REFUSES, Answering

SET, SHOW = Query("set", "always"), Query("show", "always")
PRIORITY = Setting(name="output_priority", query=SET, shown_by=SHOW, choices=("solar", "utility"))
VOLTS = Setting(
    name="battery_float_volts",
    query=SET,
    shown_by=SHOW,
    shown=lambda value: value / 10,
    low=48.0,
    high=58.4,
    step=0.1,
    rule=lambda value, facts: (
        "float must not be above bulk" if value > facts.get("bulk", math.inf) else ""
    ),
)
ANY = Setting(name="any_watts", query=SET, shown_by=SHOW, low=-5, high=5)


# -- what may be written -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [(PRIORITY, "solar"), (VOLTS, 48.0), (VOLTS, 58.4), (VOLTS, 53.7), (VOLTS, 50), (ANY, 0.123)],
)
def test_value_that_fits_is_approved(setting, value):
    assert approve(setting, value, {}) == Approved(setting, value)


@pytest.mark.parametrize(
    ("setting", "value", "right"),
    [
        (PRIORITY, "sbu", "output_priority takes solar or utility, not 'sbu'"),
        (PRIORITY, 1, "solar or utility"),
        (PRIORITY, None, "solar or utility"),
        (PRIORITY, ["solar"], "solar or utility"),
        (VOLTS, 47.9, "a number from 48 to 58.4 in steps of 0.1, not 47.9"),
        (VOLTS, 58.5, "58.4"),
        (VOLTS, 50.05, "steps of 0.1"),
        (VOLTS, "50.0", "not '50.0'"),
        (VOLTS, True, "not True"),
        (VOLTS, math.nan, "not nan"),
        (ANY, math.inf, "from -5 to 5, not inf"),
    ],
)
def test_value_that_does_not_fit_is_denied_with_what_would_be_right(setting, value, right):
    denied = approve(setting, value, {})
    assert isinstance(denied, Denied)
    assert right in denied.rule


def test_rule_of_the_unit_is_asked():
    assert approve(VOLTS, 55.0, {"bulk": 54.0}) == Denied("float must not be above bulk")
    assert approve(VOLTS, 54.0, {"bulk": 54.0}) == Approved(VOLTS, 54.0)


def test_writes_are_counted():
    journal = Journal()
    for n in range(MOST_A_DAY):
        now = 1000.0 + n * APART_S
        assert journal.objection(now) == ""
        journal.wrote(now)
        assert "10 s must pass" in journal.objection(now + APART_S - 1)
    assert "20 writes within a day" in journal.objection(1000.0 + DAY_S - 1)
    assert journal.objection(1000.0 + DAY_S) == ""


def test_nobody_but_the_gate_makes_what_may_be_written():
    """In the package, ``Approved(…)`` is called in one place."""
    root = Path(rct_collector.__file__).parent
    places = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "Approved" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Approved"
    }
    assert places == {"device/settings.py"}


# -- writing -----------------------------------------------------------------------------------


class Unit:
    """Keeps a value; what is written shows after a while."""

    def __init__(self, value="utility", *, shows_after=0.0, refuses=False, mute=False, keeps=True):
        self.value = value
        self.written = []
        self.port = Answering(self.answer)
        self._shows_after, self._refuses, self._mute, self._keeps = (
            shows_after,
            refuses,
            mute,
            keeps,
        )

    def answer(self, query, argument):
        if query is SHOW:
            return self.value
        assert isinstance(argument, Approved)
        self.written.append(argument.value)
        if self._refuses:
            return REFUSES
        if self._keeps:
            loop = asyncio.get_running_loop()
            loop.call_later(self._shows_after, setattr, self, "value", argument.value)
        return None if self._mute else "ACK"

    def set(self, *values, allowed=("output_priority",), name="output_priority", pause=APART_S):
        gate = Gate("roof", [PRIORITY, VOLTS], allowed, self.port.inquiry, dict)

        async def main(_loop):
            results = []
            for value in values:
                results.append(await gate.set(name, value))
                await asyncio.sleep(pause)
            return results

        return virtual.run(main)


def test_setting_is_written_once_and_read_back(caplog):
    unit = Unit()
    with caplog.at_level("INFO"):
        (result,) = unit.set("solar")
    assert result == (State.WRITTEN, "utility", "solar", "")
    assert unit.written == ["solar"]
    assert "roof: output_priority: 'utility' was to become 'solar': written" in caplog.text


def test_slow_unit_is_waited_for():
    unit = Unit(shows_after=30.0)
    assert unit.set("solar")[0].state is State.WRITTEN
    assert unit.written == ["solar"]


def test_equal_value_is_not_written():
    unit = Unit()
    assert unit.set("utility")[0].state is State.UNCHANGED
    assert unit.written == []


def test_no_is_told():
    unit = Unit(refuses=True)
    assert unit.set("solar")[0].state is State.REFUSED
    assert unit.written == ["solar"]


def test_accepted_but_never_shown_is_unconfirmed():
    unit = Unit(keeps=False)
    (result,) = unit.set("solar")
    assert result == (State.UNCONFIRMED, "utility", "utility", "accepted, but not visible")
    assert unit.written == ["solar"]


@pytest.mark.parametrize(("keeps", "state"), [(True, State.WRITTEN), (False, State.UNCONFIRMED)])
def test_lost_answer_is_never_followed_by_a_second_write(keeps, state):
    unit = Unit(mute=True, keeps=keeps)
    assert unit.set("solar")[0].state is state
    assert unit.written == ["solar"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"allowed": ()}, "not among the settings that may be written"),
        ({"name": "colour"}, "no setting colour; there are: output_priority, battery_float_volts"),
        ({"name": "battery_float_volts"}, "not among the settings"),
    ],
)
def test_what_is_not_allowed_is_not_even_read(arguments, why):
    unit = Unit()
    (result,) = unit.set("solar", **arguments)
    assert result.state is State.DENIED
    assert why in result.why
    assert unit.port.asked == []


def test_value_out_of_range_sends_nothing():
    unit = Unit()
    assert unit.set("sbu")[0].state is State.DENIED
    assert unit.port.asked == []


def test_unit_whose_value_cannot_be_read_is_not_written():
    unit = Unit(value=None)
    assert "cannot be read" in unit.set("solar")[0].why
    assert unit.written == []


def test_rule_sees_what_the_unit_has_just_answered():
    """A voltage is held against the others that the same answer tells."""
    unit = Unit(value=540)
    below = replace(
        VOLTS,
        rule=lambda value, facts: (
            "must not be lowered" if value < facts["show"] / 10 and facts["kind"] == 1 else ""
        ),
    )
    gate = Gate("roof", [below], [VOLTS.name], unit.port.inquiry, lambda: {"kind": 1})
    result = virtual.run(lambda _loop: gate.set(VOLTS.name, 50.0))
    assert result == (State.DENIED, 54.0, 54.0, "must not be lowered")
    assert unit.written == []


def test_two_writes_keep_their_distance():
    unit = Unit(shows_after=0.0)
    first, second = unit.set("solar", "utility", pause=1.0)
    assert first.state is State.WRITTEN
    assert second.state is State.DENIED
    assert "10 s must pass" in second.why


def test_number_is_compared_as_it_is_shown():
    unit = Unit(value=540)
    gate = Gate("roof", [VOLTS], ["battery_float_volts"], unit.port.inquiry, dict)
    assert virtual.run(lambda _loop: gate.get("battery_float_volts")) == 54.0
    result = virtual.run(lambda _loop: gate.set("battery_float_volts", 54))
    assert result.state is State.UNCHANGED
