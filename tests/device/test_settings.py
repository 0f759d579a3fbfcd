"""The gate of settings: what may be written is written once, and what came of it is told."""

from __future__ import annotations

import ast
import asyncio
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import rct_collector
from rct_collector.device.journal import APART_S, DAY_S, MOST_A_DAY, UNKNOWN, Journal, JournalEntry
from rct_collector.device.settings import REFRESH_S, Cause, Denied, Gate, State, approve
from rct_collector.device.state import WRITTEN, StateFile
from rct_collector.drivers.base import Approved, Domain, Query, Setting
from rct_collector.drivers.options import Limit, Permission
from rct_collector.errors import RefusedFrameError, TransportError
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
    approved = approve(setting, value, {})
    assert isinstance(approved, Approved)
    assert approved[:2] == (setting, value)


def test_each_approval_has_a_number_of_its_own():
    first, second = (approve(PRIORITY, "solar", {}) for _ in range(2))
    assert first.number < second.number


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
    assert isinstance(approve(VOLTS, 54.0, {"bulk": 54.0}), Approved)


@pytest.mark.parametrize(
    ("permission", "value", "why"),
    [
        (None, 54.0, "also needs allow_battery_limits: true, and its limits"),
        (Permission(), 54.0, "also needs allow_battery_limits"),
        (Permission(guarded=True), 54.0, "and its limits"),
        (Permission(limits={VOLTS.name: Limit(low=53, high=55)}), 54.0, "allow_battery_limits"),
        (Permission((), True, {VOLTS.name: Limit(low=53, high=55)}), 55.1, "limited to 53 to 55"),
        (Permission((), True, {VOLTS.name: Limit(low=53, high=55)}), 55.0, ""),
    ],
)  # fmt: skip
def test_what_battery_or_supply_depend_on_needs_limits_of_the_user(permission, value, why):
    guarded = replace(VOLTS, guarded=lambda _facts: True)
    found = approve(guarded, value, {}, permission)
    if why:
        assert why in found.rule
    else:
        assert isinstance(found, Approved)


def test_unit_narrows_what_a_setting_takes():
    of_48 = replace(VOLTS, narrow=lambda facts: facts["domain"])
    assert "takes 50 or 51, not 52" in approve(of_48, 52, {"domain": Domain((50, 51))}).rule
    assert isinstance(approve(of_48, 51.0, {"domain": Domain((50, 51))}), Approved)
    assert approve(of_48, 51, {"domain": "not of this unit"}).rule == "not of this unit"


# -- the journal -------------------------------------------------------------------------------


def journal_of(loop, folder=None, clock=None):
    file = StateFile(folder, "roof", "toy", WRITTEN) if folder else None
    return Journal(clock or virtual.VirtualClock(loop, virtual.START + loop.time() - 1000.0), file)


def test_writes_are_counted():
    async def main(loop):
        journal = journal_of(loop)
        for _ in range(MOST_A_DAY):
            assert journal.objection(loop.time()) == ""
            entry = await journal.begin("me", "volts", 1, 2)
            await journal.end(entry, "applied")
            assert "10 s must pass" in journal.objection(loop.time() + APART_S - 1)
            almost = journal.objection(loop.time() + APART_S - 0.4)
            assert almost == "the last write was 9 s ago; 10 s must pass: wait 1 s more"
            await asyncio.sleep(APART_S)
        last = loop.time() - MOST_A_DAY * APART_S + DAY_S
        assert "20 writes within a day" in journal.objection(last - 1)
        assert journal.objection(last - 61).endswith("; wait 2 min more")
        assert journal.objection(last) == ""

    virtual.run(main)


def test_limits_and_what_became_of_writes_survive_a_restart(tmp_path):
    """Whatever had left, and of which nobody has seen the end, counts and is told as unknown."""

    async def main(loop):
        journal = journal_of(loop, tmp_path)
        await journal.end(await journal.begin("ann", "volts", 53.0, 54.0), "applied")
        await asyncio.sleep(60)
        await journal.begin("bob", "priority", "solar", "sbu")  # killed here
        await asyncio.sleep(2)
        after = journal_of(loop, tmp_path)
        await after.load()
        assert [entry[1:] for entry in after.entries] == [
            ("ann", "volts", 53.0, 54.0, "applied"),
            ("bob", "priority", "solar", "sbu", UNKNOWN),
        ]
        assert "the last write was 2 s ago" in after.objection(loop.time())
        assert after.objection(loop.time() + 8.1) == ""

    virtual.run(main)


def test_clock_that_was_set_back_does_not_open_the_gate(tmp_path):
    async def main(loop):
        clock = virtual.VirtualClock(loop)
        journal = journal_of(loop, tmp_path, clock)
        await journal.begin("ann", "volts", 53.0, 54.0)
        clock.step(-50 * 365 * DAY_S)
        after = journal_of(loop, tmp_path, clock)
        await after.load()
        assert "10 s must pass" in after.objection(loop.time())
        assert after.objection(loop.time() + APART_S) == ""

    virtual.run(main)


@pytest.mark.parametrize(
    "entries",
    [None, 7, {}, [7], [[]], [[1.0, "a", "b", 1, 2]], [[True, "a", "b", 1, 2, "c"]],
     [["x", "a", "b", 1, 2, "c"]], [[1.0, "a", "b", [], 2, "c"]], [[1.0, 5, "b", 1, 2, "c"]]],
)  # fmt: skip
def test_what_is_no_entry_is_left_out(tmp_path, entries):
    StateFile(tmp_path, "roof", "toy", WRITTEN).save({"entries": entries})

    async def main(loop):
        journal = journal_of(loop, tmp_path)
        await journal.load()
        assert journal.entries == []

    virtual.run(main)


@pytest.mark.slow
def test_journal_is_bounded(tmp_path):
    many = [list(JournalEntry(float(n), "x" * 5000, "volts", 1, 2, "applied")) for n in range(30)]
    StateFile(tmp_path, "roof", "toy", WRITTEN).save({"entries": many})

    async def main(loop):
        journal = journal_of(loop, tmp_path)
        await journal.load()
        for _ in range(250):
            await asyncio.sleep(1)
            await journal.begin("x" * 5000, "volts", 1, 2)
        assert len(journal.entries) == 200
        assert all(len(entry.who) == 200 for entry in journal.entries)

    virtual.run(main)


def test_what_cannot_be_recorded_is_not_written(tmp_path):
    (tmp_path / "state").write_text("no folder")
    unit = Unit()
    (result,) = unit.set("solar", folder=tmp_path / "state")
    assert result.state is State.REFUSED
    assert "cannot be recorded" in result.why
    assert unit.written == []


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

    def gate(self, loop, allowed=("output_priority",), settings=(PRIORITY, VOLTS), **more):
        journal = journal_of(loop, more.pop("folder", None))
        facts = more.pop("facts", dict)
        permission = Permission(allowed)
        return Gate("roof", settings, permission, self.port.inquiry, facts, journal, **more)

    def set(self, *values, name="output_priority", pause=APART_S, **more):
        async def main(loop):
            gate = self.gate(loop, **more)
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
    assert result[:5] == (State.APPLIED, "utility", "solar", "", True)
    assert unit.written == ["solar"]
    assert "roof: output_priority: 'utility' was to become 'solar': applied" in caplog.text


def test_slow_unit_is_waited_for():
    unit = Unit(shows_after=30.0)
    assert unit.set("solar")[0].state is State.APPLIED
    assert unit.written == ["solar"]


def test_equal_value_is_not_written():
    unit = Unit()
    (result,) = unit.set("utility")
    assert result.state is State.APPLIED
    assert not result.sent
    assert "nothing is sent" in result.why
    assert unit.written == []


def test_no_is_told():
    unit = Unit(refuses=True)
    assert unit.set("solar")[0].state is State.REFUSED
    assert unit.written == ["solar"]


def test_accepted_but_never_shown_is_told_as_that():
    unit = Unit(keeps=False)
    (result,) = unit.set("solar")
    assert result[:3] == (State.ACCEPTED_NOT_VISIBLE, "utility", "utility")
    assert "does not show it yet" in result.why
    assert unit.written == ["solar"]


def test_value_is_read_back_after_2_5_and_10_seconds_and_up_to_a_minute():
    unit = Unit(keeps=False)
    unit.set("solar")
    times = [time for time, name, _ in unit.port.asked]
    sent, *looks = times[1:]
    answered = sent + unit.port.latency
    assert [round(time - answered) for time in looks] == [2, 5, 10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize(("keeps", "state"), [(True, State.APPLIED), (False, State.UNKNOWN)])
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
    assert result.state is State.REFUSED
    assert why in result.why
    assert unit.port.asked == []


def test_value_out_of_range_sends_nothing():
    unit = Unit()
    assert unit.set("sbu")[0].state is State.REFUSED
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
    (result,) = unit.set(
        50.0, name=VOLTS.name, allowed=(VOLTS.name,), settings=[below], facts=lambda: {"kind": 1}
    )
    assert result[:4] == (State.REFUSED, 54.0, 54.0, "must not be lowered")
    assert result.denied.cause is Cause.RULE
    assert unit.written == []


def test_two_writes_keep_their_distance():
    unit = Unit(shows_after=0.0)
    first, second = unit.set("solar", "utility", pause=1.0)
    assert first.state is State.APPLIED
    assert second.state is State.REFUSED
    assert "10 s must pass" in second.why


def test_number_is_compared_as_it_is_shown():
    unit = Unit(value=540)

    async def main(loop):
        gate = unit.gate(loop, (VOLTS.name,))
        await gate.refresh()
        (told,) = [item for item in gate.describe() if item["name"] == VOLTS.name]
        return told["value"], await gate.set(VOLTS.name, 54)

    value, result = virtual.run(main)
    assert value == 54.0
    assert result.state is State.APPLIED
    assert unit.written == []


@pytest.mark.parametrize(
    ("expect", "state"),
    [
        ("utility", State.APPLIED),
        ("solar", State.REFUSED),
        (None, State.REFUSED),
        (0, State.REFUSED),
    ],
)
def test_who_believes_in_another_value_is_refused(expect, state):
    unit = Unit()

    async def main(loop):
        return await unit.gate(loop).set("output_priority", "solar", expect=expect)

    result = virtual.run(main)
    assert result.state is state
    assert unit.written == ["solar"] * (state is State.APPLIED)
    if state is State.REFUSED:
        assert "it is 'utility', not" in result.why


def test_of_two_setters_at_once_one_is_refused():
    unit = Unit()

    async def main(loop):
        gate = unit.gate(loop)
        return await asyncio.gather(
            gate.set("output_priority", "solar", who="ann"),
            gate.set("output_priority", "solar", who="bob"),
        )

    first, second = virtual.run(main)
    assert first.state is State.APPLIED
    assert second.denied.cause is Cause.OFTEN
    assert "one at a time" in second.why
    assert unit.written == ["solar"]


def test_dry_run_reads_and_sends_nothing():
    unit = Unit()

    async def main(loop):
        gate = unit.gate(loop)
        result = await gate.set("output_priority", "solar", dry=True)
        assert gate.journal.entries == []
        return result

    result = virtual.run(main)
    assert (result.sent, result.before) == (False, "utility")
    assert "would be sent" in result.why
    assert unit.written == []


def test_what_becomes_of_it_is_counted_and_recorded(tmp_path):
    unit, totals = Unit(), Counter()

    async def main(loop):
        gate = unit.gate(loop, folder=tmp_path, totals=totals)
        await gate.set("output_priority", "solar", who="ann")
        await gate.set("output_priority", "nonsense", who="bob")
        return gate.journal.entries

    ((*_, who, name, old, new, result),) = virtual.run(main)
    assert (who, name, old, new, result) == (
        "ann",
        "output_priority",
        "utility",
        "solar",
        "applied",
    )
    assert totals == {
        "settings_sent": 1, "settings_applied": 1, "settings_refused": 1, "settings_unconfirmed": 0
    }  # fmt: skip


def test_killed_between_send_and_answer_it_is_recorded_and_never_sent_again(tmp_path):
    unit = Unit(mute=True, keeps=False)

    async def main(loop):
        killed = asyncio.create_task(
            unit.gate(loop, folder=tmp_path).set("output_priority", "solar")
        )
        while not unit.written:
            await asyncio.sleep(0.05)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
        after = unit.gate(loop, folder=tmp_path)
        return await after.set("output_priority", "solar"), after.journal.entries

    result, entries = virtual.run(main)
    assert result.denied.cause is Cause.OFTEN
    assert [entry.result for entry in entries] == [UNKNOWN]
    assert unit.written == ["solar"]


def test_what_is_asked_of_another_connection_is_not_written():
    """A unit may be exchanged between the reading of its present value and the write."""
    unit = Unit()
    answer = unit.port.answer

    def opened_anew(query, argument):
        unit.port.opened += query is SHOW
        return answer(query, argument)

    unit.port.answer = opened_anew
    (result,) = unit.set("solar")
    assert result.denied.cause is Cause.AWAY
    assert "opened anew" in result.why
    assert unit.written == []


def test_evidence_is_read_before_what_tells_the_value_and_never_two_alike_in_a_row():
    lists = [Query(name, "always", shape="list") for name in ("one", "two")]
    plain = Query("plain", "always")
    seen = {}
    setting = replace(
        PRIORITY,
        evidence=(*lists, plain, SHOW),
        rule=lambda _value, facts: seen.update(facts) or "",
    )
    unit = Unit()
    answer = unit.port.answer
    unit.port.answer = lambda query, argument: (
        REFUSES
        if query is lists[1]
        else 7
        if query in (lists[0], plain)
        else answer(query, argument)
    )
    assert unit.set("solar", settings=[setting])[0].state is State.APPLIED
    asked = [name for _, name, _ in unit.port.asked]
    assert asked[: asked.index("set")] == ["one", "plain", "two", "plain", "show"]
    assert seen == {"one": 7, "two": None, "plain": 7, "show": "utility"}


@pytest.mark.parametrize(
    ("has", "cause", "why"),
    [
        (None, Cause.AWAY, "not known yet which unit answers"),
        (False, Cause.UNKNOWN, "has no setting output_priority"),
    ],
)
def test_unit_that_is_not_known_or_another_is_not_set(has, cause, why):
    unit = Unit()
    (result,) = unit.set("solar", has=lambda _condition: has)
    assert result.denied.cause is cause
    assert why in result.why
    assert unit.port.asked == []


# -- what there is -----------------------------------------------------------------------------


def test_settings_are_described_for_json():
    unit = Unit(value=540)

    async def main(loop):
        gate = unit.gate(loop, (VOLTS.name,))
        before = gate.describe()
        await gate.refresh()
        gate.note(SHOW, 541)
        return before, gate.describe()

    before, after = virtual.run(main)
    priority, volts = before
    assert priority["kind"] == "choice"
    assert priority["choices"] == ["solar", "utility"]
    assert (priority["enabled"], priority["value"]) == (False, None)
    assert "writes" in priority["why"]
    assert volts == {
        "name": "battery_float_volts", "title": "", "unit": "", "rank": "B", "kind": "number",
        "choices": [], "low": 48.0, "high": 58.4, "step": 0.1, "value": None, "enabled": True,
        "why": "",
    }  # fmt: skip
    assert after[1] == {**volts, "value": 54.1}
    json.dumps(after)


def described_within(limit):
    """What is told of a setting within a limit of the user."""
    guarded = replace(VOLTS, guarded=lambda _facts: True)
    limits = {VOLTS.name: limit}

    async def main(loop):
        port = Unit().port
        permission = Permission((VOLTS.name,), True, limits)  # noqa: FBT003
        gate = Gate("roof", [guarded], permission, port.inquiry, dict, journal_of(loop))
        return gate.describe()

    (described,) = virtual.run(main)
    return described


def test_limits_of_the_user_show():
    described = described_within(Limit(low=53.0, high=99.0))
    assert (described["low"], described["high"], described["enabled"]) == (53.0, 58.4, True)


def test_limits_that_leave_nothing_are_told_and_are_no_range():
    described = described_within(Limit(low=60.0, high=61.0))
    assert (described["low"], described["high"], described["enabled"]) == (48.0, 58.4, False)
    assert "takes nothing of 60 to 61" in described["why"]


def test_what_another_connection_has_said_is_forgotten():
    unit = Unit(value=540)

    async def main(loop):
        gate = unit.gate(loop, (VOLTS.name,))
        gate.note(SHOW, 540)
        assert gate.describe()[1]["value"] == 54.0
        unit.port.opened += 1
        return gate.describe()[1]["value"]

    assert virtual.run(main) is None


def test_unit_that_cannot_be_read_is_told_as_away():
    unit = Unit(value=None)

    async def main(loop):
        gate = unit.gate(loop, ("output_priority", "colour"))
        return await gate.set("output_priority", "solar"), await gate.set("colour", "red")

    silent, unknown = virtual.run(main)
    assert (silent.state, silent.denied.cause) == (State.REFUSED, Cause.AWAY)
    assert (unknown.state, unknown.denied.cause) == (State.REFUSED, Cause.UNKNOWN)
    assert "there is no setting colour" in unknown.why


@pytest.mark.parametrize("refused", [SET, SHOW])
def test_what_the_driver_does_not_send_yet_is_told_as_away(refused, tmp_path):
    """Before it is known what is at the other end of the line, or when that is another one."""
    unit = Unit()
    answer = unit.port.answer

    def refuse(query, argument):
        if query is refused:
            raise RefusedFrameError("not in this dialect")
        return answer(query, argument)

    unit.port.answer = refuse

    async def main(loop):
        gate = unit.gate(loop, folder=tmp_path)
        await gate.refresh()
        return await gate.set("output_priority", "solar"), gate.journal.entries

    result, entries = virtual.run(main)
    assert (result.state, result.denied.cause) == (State.REFUSED, Cause.AWAY)
    assert not result.sent
    assert entries == []


def test_what_was_read_too_long_ago_decides_nothing():
    """A line that others have, or that is slow: the unit may be another one meanwhile."""
    unit = Unit()
    unit.port = Answering(unit.answer, timeout=30.0, latency=20.0)
    slow = replace(PRIORITY, evidence=(Query("plain", "always"),))
    answer = unit.answer
    unit.port.answer = lambda query, argument: (
        7 if query.name == "plain" else answer(query, argument)
    )
    (result,) = unit.set("solar", settings=[slow])
    assert result.denied.cause is Cause.AWAY
    assert "nothing was sent" in result.why
    assert unit.written == []


def test_many_who_want_to_know_cost_the_unit_one_reading():
    unit = Unit()

    async def main(loop):
        gate = unit.gate(loop)
        await asyncio.gather(*(gate.refresh() for _ in range(5)))
        first = len(unit.port.asked)
        await asyncio.sleep(REFRESH_S)
        await gate.refresh()
        second = len(unit.port.asked)
        unit.port.opened += 1
        await gate.refresh()
        return first, second, len(unit.port.asked)

    assert virtual.run(main) == (1, 2, 3)


# -- devices that others may take over -----------------------------------------------------------


def test_it_is_made_sure_whose_the_unit_is_and_before_that_nothing_is_sent():
    unit = Unit()
    asked = []

    async def confirm():
        asked.append(list(unit.written))
        await asyncio.sleep(0.1)

    assert unit.set("solar", confirm=confirm)[0].state is State.APPLIED
    assert asked == [[]], "once, for the one request that writes"
    assert unit.written == ["solar"]


def test_a_unit_that_was_taken_over_is_written_nothing():
    unit = Unit()

    async def confirm():
        raise TransportError("the device is another process's of the fleet at present")

    (result,) = unit.set("solar", confirm=confirm)
    assert result.state is State.REFUSED
    assert result.why == (
        "nothing was sent: the device is another process's of the fleet at present"
    )
    assert unit.written == []


def test_making_sure_takes_no_longer_than_what_was_read_is_fresh():
    unit = Unit()

    async def confirm():
        await asyncio.sleep(60)

    (result,) = unit.set("solar", confirm=confirm)
    assert result.state is State.REFUSED
    assert unit.written == []
