"""Answers without a name: a late one is never taken for that to another question."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.drivers import base
from rct_collector.model import PollClass
from rct_collector.option import Option
from tests import virtual
from tests.slow import slow_but
from tests.toys import nameless
from tests.toys.running import Plug, Run, Unit

#: What each query is answered with: a thousand of its own.
VALUES = {"load": 1000, "grid": 2000, "battery": 3000}


class Late(Unit):
    """Answers in order, each when the test says: after so many seconds, or never (None)."""

    end = b"\r"

    def __init__(self, delays=(), refuses=(), usual=0.2):
        super().__init__()
        self._delays, self._last, self._refuses, self._usual = list(delays), 0.0, refuses, usual

    def read(self, line, now):
        delay = self._delays.pop(0) if self._delays else self._usual
        if delay is None:
            return
        self._last = max(self._last, now + delay)
        if line in VALUES:
            value = VALUES[line] + len(self.heard) % 1000
            line = str(value) if line not in self._refuses else "NAK"
        self.say(f"({line}", self._last)


@pytest.fixture
def driver(register):
    return register(nameless.DRIVER)


def wrong(run):
    """Values that are those of another query, of at least some values."""
    found = [
        (name, value)
        for batch in run.batches
        for series, value in batch.values
        for name, own in nameless.POWERS.items()
        if own is series
    ]
    assert found
    return [(name, value) for name, value in found if value // 1000 * 1000 != VALUES[name]]


def test_values_reach_line_protocol(driver):
    run = Run(driver, Late(), 15.0)
    assert run.lines[0].startswith("inverter_power,source=toy,vendor=toys load_watts=100")
    assert "grid_watts=200" in run.lines[0]
    assert "battery_watts=300" in run.lines[0]
    assert not wrong(run)


def test_line_is_probed_when_it_is_opened(driver):
    run = Run(driver, Late(), 5.0)
    (first_at, first), (second_at, _), *_ = run.unit.heard
    assert first == "PI 1"
    assert second_at - first_at >= 0.2


def test_line_is_probed_when_it_is_opened_again(driver):
    """What was asked before may still be answered over the new line."""

    async def during(run):
        await asyncio.sleep(11.3)  # in the middle of a round
        run.cut_at = len(run.unit.heard)
        run.plug.cut()

    run = Run(driver, Late(usual=0.8), 30.0, during=during)
    assert len(run.plug.attempts) == 2
    assert run.unit.heard[run.cut_at - 1][1] in VALUES
    assert run.unit.heard[run.cut_at][1].startswith("PI")
    assert not wrong(run)


def test_after_a_lost_answer_the_line_is_silent_and_probed(driver):
    run = Run(driver, Late([0.2, None]), 15.0)
    heard = [line for _, line in run.unit.heard[:6]]
    assert heard == ["PI 1", "load", "PI 2", "grid", "battery", "load"]
    times = [at for at, _ in run.unit.heard]
    assert times[2] - times[1] == pytest.approx(3.0, abs=0.1)  # the timeout, and the silence


def test_late_answer_prolongs_the_silence(driver):
    """It comes half a second into it: what follows may be more of it."""
    run = Run(driver, Late([0.2, 2.5]), 15.0)
    times = [at for at, _ in run.unit.heard]
    assert times[2] - times[1] == pytest.approx(3.5, abs=0.1)
    assert not wrong(run)


def test_answer_that_comes_after_the_probe_is_dropped(driver):
    run = Run(driver, Late([0.2, 3.5]), 15.0)
    assert not wrong(run)
    assert any("load_watts=" in line for line in run.lines)


def test_late_answer_to_the_probe_itself_does_no_harm(driver):
    run = Run(driver, Late([2.5]), 20.0)
    assert not wrong(run)
    assert "load_watts=100" in "".join(run.lines)


def test_refused_query_is_asked_once_a_round_and_then_left_alone(driver):
    run = Run(driver, Late(refuses={"grid"}), 95.0)
    asked = [line for _, line in run.unit.heard]
    assert asked.count("grid") == 3
    assert asked.count("load") >= 9
    assert not any("grid_watts" in line for line in run.lines)
    assert run.own("retries_total")[-1] == 0
    assert run.own("timeouts_total")[-1] == 0
    assert run.own("muted_objects")[-1] == 1


def test_unit_that_refuses_everything_is_there_all_the_same(driver):
    run = Run(driver, Late(refuses=set(VALUES)), 95.0)
    assert set(run.own("up")) == {1}
    assert run.own("muted_objects")[-1] == 0, "a no to all says nothing of each"
    assert run.lines == []


def test_one_request_is_outstanding_at_a_time(driver):
    run = Run(driver, Late(usual=1.0), 20.0)
    times = [at for at, _ in run.unit.heard]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) > 5
    assert min(gaps) >= 1.0


def test_probe_that_is_refused_is_not_waited_for(register):
    """The session knows what else to ask."""

    class Asking(nameless.Session):
        def _event(self, line):
            event = super()._event(line)
            return base.Refused(nameless.PROBE) if line == "(NO" else event

    class Unsure(Late):
        def read(self, line, now):
            super().read("NO" if len(self.heard) == 1 else line, now)

    driver = register(replace(nameless.DRIVER, session=lambda _options: Asking()))
    run = Run(driver, Unsure(), 15.0)
    assert [line for _, line in run.unit.heard[:3]] == ["PI 1", "PI 2", "load"]
    times = [at for at, _ in run.unit.heard]
    assert times[1] - times[0] == pytest.approx(1.2, abs=0.1)  # the answer, and the silence
    assert not wrong(run)


def test_dead_unit_is_told_and_comes_back(driver):
    """No answer to anything, not even to probes: the watchdog opens the line anew."""
    run = Run(driver, Late([None] * 14), 120.0)
    assert run.own("up")[0] == 0
    assert run.own("up")[-1] == 1
    assert len(run.plug.attempts) > 1
    assert not wrong(run)


def test_one_reading_of_a_dead_unit_ends_with_its_line(driver):
    """Nobody asks while the line is probed, so that nobody else would notice. It is tried twice."""

    async def main(loop):
        config = Config.parse(
            {"devices": [{"name": "toy", "driver": driver.name, "address": "tcp://192.0.2.1"}]}
        )
        plug = Plug(Late([None] * 100))
        device = Device(config.devices[0], [].append, virtual.options(loop, plug))
        begun = loop.time()
        assert not await device.read_once(900.0)
        return loop.time() - begun, device.port.last_error

    seconds, error = virtual.run(main)
    assert seconds < 70
    assert error == "no valid answer for 30 s"


def test_late_answers_to_many_probes_are_told_apart(driver):
    """Each probe is given up before the answer to the one before comes."""
    assert not wrong(Run(driver, Late([None] * 6 + [4.0, 4.0]), 60.0))


delays = st.lists(st.one_of(st.none(), st.floats(0.05, 6.0)), max_size=12)


@pytest.mark.slow
@given(delays)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_value_is_ever_that_of_another_query(driver, delays):
    """Whenever answers come, or do not; and in the end all come again."""
    run = Run(driver, Late(delays), 100.0)
    assert not wrong(run)
    last = [line for line in run.lines if line.startswith("inverter_power")][-1]
    assert all(f"{name}_watts=" in last for name in VALUES)


def test_without_resync_values_get_mixed_up(register):
    """So the tests above would notice."""

    class Trusting(nameless.Session):
        def abandon(self, _ask):
            self._asked = None

    polled = replace(nameless.DRIVER.polled, resync=None)
    driver = register(replace(nameless.DRIVER, polled=polled, session=lambda _options: Trusting()))
    assert wrong(Run(driver, Late([2.5]), 15.0))


def test_family_is_one_that_any_session_can_serve():
    session: base.Session = nameless.Session()
    assert session.abandon(base.Ask(nameless.PROBE)) == nameless.RESYNC


# -- several on one line -----------------------------------------------------------------------


class Bus(Late):
    """Two units; ``2load`` asks the second one, whose values are ten thousand more."""

    def read(self, line, now):
        unit, name = (line[0], line[1:]) if line[0].isdigit() else ("", line)
        super().read(name, now)
        if unit == "2" and self._due:
            at, said = self._due.pop()
            self._due.append((at, said.replace(b"(", b"(1") if name in VALUES else said))


@pytest.mark.slow
@pytest.mark.measured
@given(delays)
@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_value_is_ever_that_of_another_unit_on_the_line(register, delays):
    """Nobody asks while the line is drained for the sake of another."""
    unit = Option("Which unit on the bus.", str, "2", "name")
    driver = register(replace(nameless.DRIVER, name="bus", unit=unit))

    async def main(loop):
        batches = []
        devices = [
            {"name": name, "driver": driver.name, "address": "tcp://192.0.2.1", "unit": name}
            for name in "12"
        ]
        plug = Plug(Bus(delays))
        collector = Collector(
            Config.parse({"devices": devices}), batches.append, virtual.options(loop, plug)
        )
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(100.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return batches

    found = {"1": set(), "2": set()}
    for batch in virtual.run(main):
        for series, value in batch.values:
            for name, own in nameless.POWERS.items():
                if own is series:
                    found[batch.source].add(name)
                    first = VALUES[name] + 10_000 * (batch.source == "2")
                    assert first <= value < first + 1000
    assert found == {"1": set(VALUES), "2": set(VALUES)}


# -- what a "no" means -------------------------------------------------------------------------


@pytest.mark.slow
def test_refused_fact_is_one_that_the_unit_does_not_have(register):
    """What hangs on it is not asked for; now and then the unit is asked again."""
    conditions = {
        **nameless.DRIVER.polled.conditions,
        "grid": base.Condition(
            ("battery",),
            lambda facts: facts["battery"] is not None if "battery" in facts else None,
        ),
    }
    load, grid, battery = nameless.QUERIES.values()
    queries = (load, replace(grid, condition="grid"), replace(battery, poll=PollClass.FAST))
    polled = replace(nameless.DRIVER.polled, conditions=conditions, queries=queries)
    driver = register(replace(nameless.DRIVER, polled=polled))
    run = Run(driver, Late(refuses={"battery"}), 3700.0)
    asked = [line for _, line in run.unit.heard]
    assert "grid" not in asked
    assert 4 <= asked.count("battery") <= 5
    assert run.device.discovery.facts == {"battery": None}
    assert run.device.discovery.has("grid") is False


def test_single_reading_takes_the_first_no_for_an_answer(driver):
    async def main(loop):
        batches = []
        unit = Late(refuses={"grid"})
        config = Config.parse(
            {"devices": [{"name": "toy", "driver": driver.name, "address": "tcp://192.0.2.1"}]}
        )
        plug = Plug(unit)
        device = Device(config.devices[0], batches.append, virtual.options(loop, plug))
        begun = loop.time()
        assert await device.read_once(30.0)
        return loop.time() - begun, [line for _, line in unit.heard], batches

    seconds, asked, batches = virtual.run(main)
    assert asked == ["PI 1", "load", "grid", "battery"]
    assert seconds < 5
    assert {series.metric.name for batch in batches for series, _ in batch.values} > {
        "inverter_power.load_watts",
        "inverter_power.battery_watts",
    }


# -- what goes with a question -----------------------------------------------------------------


def test_argument_is_worked_out_when_the_question_is_sent(register):
    """Of the time of then, and of the unit's zone; a repeat has its own."""
    made = []

    class Dated(nameless.Session):
        def request(self, ask):
            made.append(ask)
            return super().request(ask)

    def argument(now, zone):
        return datetime.fromtimestamp(now, zone).strftime("%H:%M:%S")

    load, *_ = nameless.QUERIES.values()
    polled = replace(nameless.DRIVER.polled, queries=(replace(load, argument=argument),))
    driver = register(replace(nameless.DRIVER, polled=polled, session=lambda _options: Dated()))
    run = Run(driver, Late([0.2, None]), 25.0, timezone="Asia/Tokyo")
    asked = [ask.argument for ask in made if ask.query is not nameless.PROBE]
    assert len(asked) >= 3
    assert asked == [
        datetime.fromtimestamp(virtual.START + at - 1000.0, ZoneInfo("Asia/Tokyo")).strftime(
            "%H:%M:%S"
        )
        for at, line in run.unit.heard
        if line == "load"
    ]


# -- answers that are good for a while -----------------------------------------------------------


def rarely(register):
    """The family, whose battery's power is good for two hours."""
    load, grid, battery = nameless.QUERIES.values()
    polled = replace(nameless.DRIVER.polled, queries=(load, grid, replace(battery, every_s=7200.0)))
    return register(replace(nameless.DRIVER, polled=polled))


def times_of(run, line):
    return [at - 1000.0 for at, heard in run.unit.heard if heard == line]


@pytest.mark.slow
def test_what_is_good_for_a_while_is_asked_rarely_and_after_midnight(register):
    """At the begin of the run it is 23:00:03.5 in the zone of the unit."""
    run = Run(rarely(register), Late(), 4 * 3600.0, timezone="Pacific/Tongatapu")
    first, midnight, *later = times_of(run, "battery")
    assert first < 5
    assert 3596.5 <= midnight <= 3596.5 + 12
    assert [b - a for a, b in pairwise([midnight, *later])] == pytest.approx([7200.0], abs=12)
    assert len(times_of(run, "load")) > 1400
    assert len([line for line in run.lines if "battery_watts" in line]) == 3


@pytest.mark.slow
def test_a_new_connection_does_not_ask_what_is_good_still(register):
    async def during(run):
        for _ in range(5):
            await asyncio.sleep(60)
            run.plug.cut()

    run = Run(rarely(register), Late(), 600.0, during=during)
    assert len(run.plug.attempts) == 6
    assert len(times_of(run, "battery")) == 1


def test_what_was_not_answered_is_asked_all_the_same(register):
    run = Run(rarely(register), Late([0.2, 0.2, 0.2, None, 0.2, 0.2, 0.2]), 60.0)
    assert len(times_of(run, "battery")) == 2
    assert any("battery_watts" in line for line in run.lines)


# -- the gap between an answer and the next question ----------------------------------------------


def test_the_gap_begins_behind_the_last_byte(driver):
    """Units of some models say something more, such as the end of another line."""

    class Trailing(Late):
        def read(self, line, now):
            super().read(line, now)
            self._due.append((self._last + 0.07, b"\n"))

    run = Run(driver, Trailing(usual=0.3), 60.0)
    times = [at for at, _ in run.unit.heard]
    assert len(times) > 15
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.3 + 0.07 + 0.1 - 1e-6
    assert not wrong(run)


def test_units_of_a_line_keep_the_gap_between_them(register):
    """The line is what needs it, not the unit."""
    unit = Option("Which unit on the bus.", str, "2", "name")
    driver = register(replace(nameless.DRIVER, name="bus", unit=unit))
    bus = Bus(usual=0.3)

    async def main(loop):
        devices = [
            {"name": name, "driver": driver.name, "address": "tcp://192.0.2.1", "unit": name}
            for name in "12"
        ]
        options = virtual.options(loop, Plug(bus))
        collector = Collector(Config.parse({"devices": devices}), [].append, options)
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(60.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtual.run(main)
    times = [at for at, _ in bus.heard]
    assert len(times) > 30
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.4 - 1e-6


# -- how long an answer is waited for -------------------------------------------------------------


class Dribbling(Late):
    """Its first answer of all but the probe comes in parts: (seconds after the question, bytes)."""

    def __init__(self, parts):
        super().__init__()
        self._parts = parts

    def read(self, line, now):
        if line in VALUES and self._parts:
            self._due += [(now + after, data) for after, data in self._parts]
            self._parts = ()
        else:
            super().read(line, now)


def second_probe_after(run):
    """Seconds from the first question that is no probe to the next probe."""
    begun = next(at for at, line in run.unit.heard if line in VALUES)
    return next(at for at, line in run.unit.heard if at > begun and line.startswith("PI")) - begun


def test_rest_of_an_answer_is_not_waited_for_as_long_as_its_begin(driver):
    """It comes without a pause; the silence that tells so is followed by that of the line."""
    run = Run(driver, Dribbling([(0.2, b"(10"), (0.4, b"0")]), 15.0)
    assert second_probe_after(run) == pytest.approx(0.4 + 1.0 + 1.0, abs=0.01)
    assert any("load_watts=100" in line for line in run.lines)
    assert not wrong(run)


def test_answer_may_take_longer_than_its_first_byte(driver):
    """Bridges pack bytes, so that they come in bursts."""
    parts = [(1.9, b"("), (2.4, b"1007"), (2.9, b"\r")]
    run = Run(driver, Dribbling(parts), 15.0)
    assert [line for _, line in run.unit.heard[:4]] == ["PI 1", "load", "grid", "battery"]
    assert "load_watts=1007" in run.lines[0]


def test_answer_without_an_end_is_given_up(driver):
    parts = [(0.5 * n, b"1") for n in range(1, 40)]
    run = Run(driver, Dribbling(parts), 40.0)
    assert second_probe_after(run) == pytest.approx(19.5 + 1.0, abs=0.01), "it never ceased before"
    assert run.own("timeouts_total")[0] == 1
    assert not wrong(run)


def test_round_that_an_answer_has_delayed_is_followed_by_the_next_one_at_once(driver):
    """Three answers of 1.6 s do not quite fit into five; no tick is left out for it."""
    run = Run(driver, Late(usual=1.6), 100.0, intervals={"fast": "5s"})
    assert gaps_of(run, "load") < 8
    assert not wrong(run)


def test_what_came_does_not_wait_for_what_is_outstanding(driver):
    """The round is over, but not the wait for its last answer."""
    at = []

    async def during(run):
        while not run.batches or not any(
            s.metric.name.endswith("load_watts") for b in run.batches for s, _ in b.values
        ):
            await asyncio.sleep(0.05)
        at.append(asyncio.get_running_loop().time())

    delays = [0.2, 1.9, 1.9, 1.9]
    run = Run(driver, Late(delays), 5.0, during=during, intervals={"fast": "5s"})
    battery = next(when for when, line in run.unit.heard if line == "battery")
    assert at[0] < battery + 1.9


# -- what a unit does not answer, or always spoils ------------------------------------------------


class Lacking(Late):
    """Leaves some questions unanswered, or spoils each answer to them, from a time on."""

    def __init__(self, *lacks, says=None, since=0.0, **more):
        super().__init__(**more)
        self._lacks, self._says, self._since = lacks, says, 1000.0 + since

    def read(self, line, now):
        if line not in self._lacks or now < self._since:
            super().read(line, now)
        elif self._says is not None:
            self.say(self._says, now + 0.2)


def gaps_of(run, line):
    """Longest seconds from one question to the next."""
    times = times_of(run, line)
    return max(b - a for a, b in pairwise(times))


SPOILT = "1000 and no bracket"


@pytest.mark.slow
@pytest.mark.parametrize("says", slow_but(SPOILT, [None, SPOILT]), ids=["silent", "damaged"])
@pytest.mark.parametrize("since", slow_but(0.0, [0.0, 200.0]), ids=["ever", "later"])
def test_a_question_that_is_never_answered_well_spoils_no_round(driver, says, since):
    """It costs its time-out, and a silence of the line, a few times, and then once an hour."""
    run = Run(driver, Lacking("load", says=says, since=since), 3500.0)
    for name in ("grid", "battery"):
        found = [line for line in run.lines if f"{name}_watts" in line]
        assert len(found) >= 349, name
        assert gaps_of(run, name) < 15
    asked = [at for at in times_of(run, "load") if at > since]
    if since:  # it was answered before: the pauses begin with a minute
        rounds = sorted({(at - asked[0]) // 10 * 10 for at in asked})
        assert sum(at < asked[0] + 10 for at in asked) == 4, "it may have been lost by chance"
        assert len(asked) == 4 + 2 * (len(rounds) - 1)
        pauses = [b - a for a, b in pairwise(rounds)]
        assert pauses == pytest.approx([10, 10, *(60 * 2**n for n in range(5))], abs=15)
    else:
        assert len(asked) == 4
        assert asked[3] - asked[0] < 30, "three rounds"
    assert run.own("muted_objects")[-1] == 1
    assert run.own("up")[-1] == 1
    assert not wrong(run)


@pytest.mark.slow
def test_it_is_asked_again_after_an_hour_and_is_welcome(driver):
    class Healed(Lacking):
        def read(self, line, now):
            if now > 1000.0 + 3000.0:
                self._lacks = ()
            super().read(line, now)

    run = Run(driver, Healed("load"), 3700.0)
    asked = times_of(run, "load")
    assert 3590 < asked[4] - asked[3] < 3620
    assert run.own("muted_objects")[-1] == 0
    assert any("load_watts" in line for line in run.lines)


def test_what_was_never_answered_is_asked_once_a_round_behind_all_else(driver):
    run = Run(driver, Lacking("load"), 40.0)
    asked = [line for _, line in run.unit.heard if line in VALUES]
    assert asked[:4] == ["load", "grid", "battery", "load"]
    assert asked[4:10] == ["grid", "battery", "load"] * 2
    assert "load" not in asked[10:]


@pytest.mark.slow
def test_a_unit_that_lacks_most_is_asked_for_the_rest_all_the_time(register):
    """Of twelve questions ten are never answered: the two others come in each round."""
    load, grid, battery = nameless.QUERIES.values()
    lacking = [replace(battery, name=f"lack{n}") for n in range(10)]
    polled = replace(nameless.DRIVER.polled, queries=(load, *lacking, grid))
    driver = register(replace(nameless.DRIVER, polled=polled))
    run = Run(driver, Lacking(*(query.name for query in lacking)), 3000.0)
    assert run.own("muted_objects")[-1] == 10
    settled = [at for at in times_of(run, "grid") if at > 600]
    assert len(settled) >= 239
    assert len([line for _, line in run.unit.heard if line.startswith("lack")]) <= 30
    assert not wrong(run)


def test_one_reading_asks_more_than_once(driver):
    """There is no other round to wait for."""

    async def main(loop):
        unit = Late([0.2, None])
        config = Config.parse(
            {"devices": [{"name": "toy", "driver": driver.name, "address": "tcp://192.0.2.1"}]}
        )
        batches = []
        device = Device(config.devices[0], batches.append, virtual.options(loop, Plug(unit)))
        assert await device.read_once(30.0)
        return batches

    names = {s.name for batch in virtual.run(main) for s, _ in batch.values}
    assert "inverter_power.load_watts" in names


def test_a_no_to_what_was_answered_before_says_nothing_of_it(driver):
    """The question was damaged on its way: after some repeats it is left for the round only."""

    class Fickle(Late):
        def read(self, line, now):
            self._refuses = {"grid"} if now > 1030.0 else ()
            super().read(line, now)

    run = Run(driver, Fickle(), 200.0)
    assert len(times_of(run, "grid")) >= 20
    assert run.own("muted_objects")[-1] == 0


def test_a_question_that_was_damaged_on_its_way_is_asked_again_at_once(driver):
    """A no ends its exchange: nothing can come late, so the line need not be drained."""

    class Once(Late):
        def read(self, line, now):
            count = [heard for _, heard in self.heard].count(line)
            self._refuses = {"grid"} if line == "grid" and count in (3, 4) else ()
            super().read(line, now)

    run = Run(driver, Once(), 55.0)
    times = times_of(run, "grid")
    assert max(times[4] - times[2], times[3] - times[2]) < 1.0
    asked = [line.split()[0] for _, line in run.unit.heard]
    assert asked.count("PI") == 1
    assert len([line for line in run.lines if "grid_watts" in line]) == asked.count("load")
    assert not wrong(run)


@pytest.mark.slow
def test_what_is_refused_is_asked_again_after_an_hour_or_on_a_new_connection(driver):
    async def during(run):
        await asyncio.sleep(8000)
        run.plug.cut()

    run = Run(driver, Late(refuses={"grid"}), 600.0, during=during)
    asked = times_of(run, "grid")
    assert [b - a for a, b in pairwise(asked)] == pytest.approx(
        [10, 10, 3600, 3600, 8000 - 7220], abs=15
    )


# -- answers that look alike ----------------------------------------------------------------------


def test_two_questions_whose_answers_look_alike_are_probed_between(register):
    load, grid, battery = nameless.QUERIES.values()
    queries = (replace(load, shape="W"), replace(grid, shape="W"), battery)
    polled = replace(nameless.DRIVER.polled, queries=queries)
    run = Run(register(replace(nameless.DRIVER, polled=polled)), Late(), 30.0)
    asked = [line.split()[0] for _, line in run.unit.heard]
    assert asked[:9] == ["PI", "load", "PI", "grid", "battery", "load", "PI", "grid", "battery"]
    times = [at for at, _ in run.unit.heard]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.3 - 1e-6
    assert times[4] - times[1] < 1.3, "no silence: nothing was given up"
    assert len(run.lines) >= 3


@pytest.mark.slow
@given(delays)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_alike_ones_never_follow_on_each_other_whatever_is_late(register, delays):
    queries = tuple(replace(query, shape="W") for query in nameless.QUERIES.values())
    polled = replace(nameless.DRIVER.polled, queries=queries)
    run = Run(register(replace(nameless.DRIVER, polled=polled)), Late(delays), 100.0)
    asked = [line for _, line in run.unit.heard]
    assert not [(a, b) for a, b in pairwise(asked) if a in VALUES and b in VALUES and a != b]
    assert not wrong(run)


@pytest.mark.slow
def test_what_is_answered_on_a_bad_line_is_not_left_alone_for_long(driver):
    """One answer of four is lost, so that three rounds in a row may be in vain; not the first."""
    chance = Random(7)

    class Bad(Late):
        def read(self, line, now):
            if line not in VALUES or now < 1010.0 or chance.random() > 0.25:
                super().read(line, now)

    run = Run(driver, Bad(), 7200.0)
    for name in VALUES:
        assert len([line for line in run.lines if f"{name}_watts" in line]) > 0.8 * 720, name
        assert gaps_of(run, name) < 300
    assert not wrong(run)


@pytest.mark.slow
def test_what_is_slower_uses_all_of_a_round_that_answers_leave(register):
    """An answer is waited for as long as the timeout says, but hardly ever takes so long."""
    load, grid, battery = nameless.QUERIES.values()
    medium = replace(
        battery.bindings[0], series=(catalog().series("inverter_status.insulation_ohms"),)
    )
    slower = tuple(base.Query(f"slow{n}", "", (medium,)) for n in range(8))
    polled = replace(nameless.DRIVER.polled, queries=(load, grid, *slower))
    driver = register(replace(nameless.DRIVER, polled=polled))

    class Slow(Late):
        def read(self, line, now):
            super().read("load" if line.startswith("slow") else line, now)

    intervals = {"fast": "5s", "medium": "10s"}
    run = Run(driver, Slow(usual=0.4), 310.0, intervals=intervals)
    for n in range(8):
        assert len(times_of(run, f"slow{n}")) >= 29
    fast = times_of(run, "load")
    assert max(b - a for a, b in pairwise(fast)) < 6
