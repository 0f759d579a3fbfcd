"""What was missed is restored from the memory of the unit, between the rounds."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rct_collector.device.backfill import ATTEMPTS
from rct_collector.device.coverage import SETTLED_S, SLOT_S, SlotRange, SlotRanges, floor
from rct_collector.device.happenings import EVERY_S
from rct_collector.device.polling.courtesy import QUIET_S
from rct_collector.device.restoring import SELDOM
from rct_collector.device.state import WRITER
from rct_collector.model import GapOrder, Origin
from tests.toys import keeping
from tests.toys.keeping import PARTS, SECOND, SERIES, SOC
from tests.toys.running import WALL, Run, Unit

#: So far back gaps are looked for, in the tests: ``since``.
SINCE_S = 6 * 3600
NEWEST = floor(WALL - SETTLED_S) - SLOT_S
SLOTS = list(range(floor(WALL - SINCE_S), NEWEST + 1, SLOT_S))

#: All signals of the toy that the usual configuration restores.
USUAL = ("pv", "load", "soc")

#: What becomes of one question about the past.
FINE, SILENT, SHORT, EMPTY_ECHO, CUT = "fine", "silent", "short", "of another question", "cut"


class Keeping(Unit):
    """Remembers values: signal → time → value, told page by page.

    Attributes:
        asked: (time, line) of each question about the past.
        fates: What becomes of the next questions about the past; then all are answered.
    """

    def __init__(self, memory, *, page=20, fates=(), events=(), lacks=()):
        super().__init__()
        self.memory = memory
        self.page = page
        self.fates = list(fates)
        self.events = list(events)
        self.lacks = lacks
        self.fault = 0
        self.asked = []
        self.cut = lambda: None

    def read(self, line, now):
        words = line.split()
        if words == ["now"]:
            self.say(f"now {int(now) % 100}", now + 0.05)
        elif words == ["fault"]:
            self.say(f"fault {self.fault}", now + 0.05)
        else:
            self.asked.append((now, line))
            self._past(words[1], int(words[2]), now)

    def _past(self, name, before, now):
        fate = self.fates.pop(0) if self.fates else FINE
        if fate is SILENT or name in self.lacks:
            return
        if fate is CUT:
            self.cut()
            return
        if fate is EMPTY_ECHO:
            self.say(f"{name} {before - 1} -", now + 0.2)
        kept = self.events if name == "events" else self.memory[name].items()
        rows = [row for row in sorted(kept, reverse=True) if row[0] < before]
        if name != "events":  # it does not look beyond a hole
            rows = [row for row in rows if row[0] >= before - keeping.HOLE_S]
        rows = rows[: self.page]
        if fate is SHORT:
            rows = rows[:1]
        text = ",".join(":".join(map(str, row)) for row in rows) or "-"
        self.say(f"{name} {before} {text}", now + 0.3)


def whole(times=SLOTS, signals=PARTS):
    """A memory without holes; each value tells where it is from."""
    return {
        name: {at: float((at // SLOT_S + 7 * n) % 100) for at in times}
        for n, name in enumerate(signals)
    }


def covered(tmp_path, missing):
    """A state folder in which all but some slots are covered."""
    spans = SlotRanges([SlotRange(0, floor(WALL))])
    kept = SlotRanges(SlotRange(a, b) for a, b in _without(spans, missing))
    content = {"covered": [list(s) for s in kept], "version": 2, "driver": "keeping"}
    tmp_path.mkdir(exist_ok=True, parents=True)
    (tmp_path / "toy+coverage.json").write_text(json.dumps(content))
    return tmp_path


def _without(spans, missing):
    (span,) = spans
    at = span.start
    for slot in sorted(missing):
        if slot > at:
            yield at, slot
        at = slot + SLOT_S
    yield at, span.end


class Restored:
    """What came out of one or several runs."""

    def __init__(self, *runs):
        self.batches = [batch for run in runs for batch in run.batches]
        past = [batch for batch in self.batches if batch.origin is Origin.HISTORY]
        self.past = [b for b in past if "inverter_event" not in str(b.values[0][0])]
        self.values = [(s, b.time_ns // SECOND, v) for b in self.past for s, v in b.values]

    @property
    def times(self):
        return [batch.time_ns // SECOND for batch in self.past]


def expected(memory, missing, signals=USUAL):
    return {
        (SERIES[name], at, value)
        for name in signals
        for at, value in memory[name].items()
        if at in missing
    }


@pytest.fixture
def driver(register):
    return register(keeping.DRIVER)


def run(driver, unit, seconds, folder, order=GapOrder.NEWEST, **options):
    history = {"since": "6h", "events": False, **options.pop("history", {})}
    common = {"state_dir": folder, "restore": order}
    made = []

    async def during(run):
        made.append(run)
        unit.cut = run.plug.cut

    return Run(driver, unit, seconds, during=during, common=common, history=history, **options)


def test_gap_is_restored_on_wide_lines_with_their_own_times(driver, tmp_path):
    missing = SLOTS[10:50]
    unit = Keeping(whole())
    found = Restored(run(driver, unit, 600.0, covered(tmp_path, missing)))
    assert set(found.values) == expected(unit.memory, missing)
    assert found.times == missing, "one batch of all signals for each time"
    assert {batch.interval_s for batch in found.past} == {SLOT_S}


@pytest.mark.parametrize("order", GapOrder)
def test_gaps_come_in_the_order_that_the_agent_stands(driver, tmp_path, order):
    gaps = [SLOTS[3:5], SLOTS[20:22], SLOTS[60:62]]
    missing = [at for gap in gaps for at in gap]
    found = Restored(run(driver, Keeping(whole()), 600.0, covered(tmp_path, missing), order))
    pieces = gaps if order is GapOrder.OLDEST else gaps[::-1]
    assert found.times == [at for gap in pieces for at in gap]


@pytest.mark.slow
def test_memory_is_asked_once_in_a_round_and_behind_it(driver, tmp_path):
    unit = Keeping(whole(), page=3)
    run(driver, unit, 900.0, covered(tmp_path, SLOTS))
    rounds = [at for at, line in unit.heard if line == "now"]
    for at, _ in unit.asked:
        begun = max(r for r in rounds if r <= at)
        assert at >= begun + 0.05
    pairs = itertools.pairwise(rounds)
    counts = [sum(a <= at < b for at, _ in unit.asked) for a, b in pairs]
    assert max(counts) == 1
    assert sum(counts) > 60


@pytest.mark.slow
def test_live_values_are_those_without_it(driver, tmp_path):
    def live(order):
        folder = covered(tmp_path / str(order), SLOTS)
        unit = Keeping(whole(), page=5, fates=[SILENT, FINE, FINE, SHORT] * 20)
        batches = run(driver, unit, 1800.0, folder, order).batches
        return [(round(b.time_ns / 1e6), v) for b in batches for s, v in b.values if s is SOC]

    assert live(GapOrder.NEWEST) == live(None)


def test_nothing_is_asked_where_the_user_does_not_want_it(driver, tmp_path):
    unit = Keeping(whole())
    run(driver, unit, 300.0, covered(tmp_path, SLOTS), history={"backfill": "off"})
    assert unit.asked == []


def test_only_the_signals_that_are_wanted_are_asked_for(driver, tmp_path):
    unit = Keeping(whole())
    folder = covered(tmp_path, SLOTS[:20])
    options = {"history": {"signals": ["pv_*", "load_*"]}, "exclude": ["inverter_history*.load*"]}
    found = Restored(run(driver, unit, 600.0, folder, **options))
    assert set(found.values) == expected(unit.memory, SLOTS[:20], ["pv"])
    assert {line.split()[1] for _, line in unit.asked} == {"pv"}


@pytest.mark.slow
def test_without_a_state_folder_what_is_missed_in_the_run_is_restored(driver):
    memory = whole([*SLOTS, *(floor(WALL) + n * SLOT_S for n in range(20))])
    unit = Keeping(memory)
    gone = []

    async def during(run):
        await asyncio.sleep(600.0)
        run.plug.refuse = "the network is down"
        run.plug.cut()
        gone.append(run.collector._options.clock.wall())
        await asyncio.sleep(1800.0)
        run.plug.refuse = ""
        gone.append(run.collector._options.clock.wall())

    common = {"restore": GapOrder.NEWEST}
    found = Restored(
        Run(driver, unit, 1500.0, during=during, common=common, history={"events": False})
    )
    first, last = gone
    assert set(found.times) <= {*range(floor(first), floor(last) + SLOT_S, SLOT_S)}
    assert set(found.times) >= {*range(floor(first) + SLOT_S, floor(last), SLOT_S)}
    assert len(set(found.times)) == len(found.times)


@pytest.mark.slow
def test_damaged_file_is_told_of_and_all_is_restored(driver, tmp_path, caplog):
    (tmp_path / "toy+coverage.json").write_text(
        json.dumps({"version": 2, "driver": "keeping", "covered": [[300, 100]]})
    )
    unit = Keeping(whole())
    found = Restored(run(driver, unit, 900.0, tmp_path))
    assert set(found.values) == expected(unit.memory, SLOTS)
    assert "[300, 100] is no interval of whole 300 seconds" in caplog.text


def test_signal_that_the_unit_does_not_answer_holds_up_no_other(driver, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    unit = Keeping(whole(), lacks=["load"])
    missing = SLOTS[:12]
    found = Restored(run(driver, unit, 600.0, covered(tmp_path, missing)))
    assert set(found.values) == expected(unit.memory, missing, ["pv", "soc"])
    assert "load is not answered" in caplog.text


FATES = st.lists(st.sampled_from([FINE, SILENT, SHORT, EMPTY_ECHO, CUT]), max_size=30)
SOME = st.sets(st.sampled_from(SLOTS), min_size=1, max_size=40)


@pytest.mark.slow
@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # all examples use one driver
)
@given(st.data())
def test_what_is_restored_is_the_memory_whatever_happens(driver, tmp_path_factory, data):
    """Any gaps, holes, pages and faults; the process may be killed at any point."""
    folder = tmp_path_factory.mktemp("state")
    missing = data.draw(SOME)
    memory = whole()
    for name in USUAL:
        for at in data.draw(st.sets(st.sampled_from(SLOTS), max_size=40)):
            del memory[name][at]
    order = data.draw(st.sampled_from(GapOrder))
    covered(folder, missing)
    page = data.draw(st.integers(1, 30))
    lives = data.draw(st.lists(st.integers(1, 900), max_size=3))
    runs = []
    for seconds in [*lives, None]:
        unit = Keeping(memory, page=page, fates=data.draw(FATES))
        runs.append(killed(driver, unit, seconds, folder, order))
    found = Restored(*runs)
    assert set(found.values) == expected(memory, missing)
    assert len(found.values) == len(set(found.values)), "nothing twice"


def killed(driver, unit, seconds, folder, order):
    """A run that is ended as by SIGKILL: what is on the disk by then is what remains.

    Without a time it is ended when the unit was asked nothing about the past for some minutes.
    """
    file = folder / "toy+coverage.json"
    common = {"state_dir": folder, "restore": order}
    left = []

    async def during(run):
        unit.cut = run.plug.cut
        await asyncio.sleep(seconds or 300.0)
        loop = asyncio.get_running_loop()
        while not seconds and unit.asked and loop.time() - unit.asked[-1][0] < 300.0:
            await asyncio.sleep(60.0)
        WRITER.finish(10.0)
        left.append(file.read_bytes())

    history = {"since": "12h", "events": False}  # the oldest slot is not to grow too old
    found = Run(driver, unit, 0.0, during=during, common=common, history=history)
    file.write_bytes(left[0])
    return found


# -- events ------------------------------------------------------------------------------------


def told(run):
    """Origin, seconds before or after the start, text of each event in order."""
    return [
        (batch.origin, batch.time_ns // SECOND - WALL, value)
        for batch in run.batches
        for series, value in batch.values
        if series.metric.name == "inverter_event.text"
    ]


def watch(driver, unit, seconds, folder, *, during=None):
    async def main(run):
        unit.cut = run.plug.cut
        if during is not None:
            await during(run)

    common = {"state_dir": folder, "restore": GapOrder.NEWEST}
    return Run(driver, unit, seconds, during=main, common=common)


@pytest.mark.slow
def test_events_of_the_past_are_history_and_new_ones_are_live(driver, tmp_path):
    events = [(WALL - 8 * 86400, "1", "5"), (WALL - 7200, "114", "60"), (WALL - 60, "90", "5")]
    unit = Keeping(whole(), events=events)

    async def during(run):
        await asyncio.sleep(100.0)
        unit.events.append((WALL + 110, "100", "?"))

    found = watch(driver, unit, 1200.0, covered(tmp_path, []), during=during)
    assert told(found) == [
        (Origin.HISTORY, -7200, "event 114"),
        (Origin.LIVE, -60, "event 90"),
        (Origin.LIVE, 110, "event 100"),
    ]


def test_change_of_faults_brings_events_at_once(driver, tmp_path):
    unit = Keeping(whole())
    at = []

    async def during(run):
        await asyncio.sleep(100.0)
        unit.fault = 1 << 18
        unit.events.append((WALL + 100, "18", "?"))
        await asyncio.sleep(30.0)
        at.append(told(run))

    watch(driver, unit, 0.0, covered(tmp_path, []), during=during)
    assert at == [[(Origin.LIVE, 100, "event 18")]]


@pytest.mark.slow
def test_event_that_ends_comes_once_more_and_no_other_does(driver, tmp_path):
    unit = Keeping(whole(), events=[(WALL - 7200, "114", "60"), (WALL - 60, "90", "?")])

    async def during(run):
        await asyncio.sleep(100.0)
        unit.events[-1] = (WALL - 60, "90", "120")

    found = watch(driver, unit, 2000.0, covered(tmp_path, []), during=during)
    assert [text for _, _, text in told(found)] == ["event 114", "event 90", "event 90"]
    again = watch(driver, unit, 2000.0, tmp_path)
    assert told(again) == []


def test_events_are_not_read_where_the_user_does_not_want_them(driver, tmp_path):
    unit = Keeping(whole(), events=[(WALL - 60, "90", "?")])
    found = run(driver, unit, 300.0, covered(tmp_path, []))
    assert told(found) == []
    assert unit.asked == []


def test_table_that_is_not_answered_costs_the_gaps_little(driver, tmp_path):
    missing = SLOTS[:12]
    unit = Keeping(whole(), lacks=["events"])
    found = Restored(watch(driver, unit, 900.0, covered(tmp_path, missing)))
    assert set(found.values) == expected(unit.memory, missing)


# -- who takes it, and who else is there -------------------------------------------------------


class Agent(Run):
    """Takes batches over later, or never; ``fate`` says what becomes of the next ones."""

    def __init__(self, *arguments, fate, **more):
        self.fate, self.held = fate, []
        super().__init__(*arguments, **more)

    def take(self, batch):
        super().take(batch)
        if batch.receipt is None or batch.origin is not Origin.HISTORY:
            return
        batch.receipt.hold()
        loop = asyncio.get_running_loop()
        if self.fate == "later":
            loop.call_later(45.0, batch.receipt.settle, True)  # noqa: FBT003
        elif self.fate == "lost":
            self.fate = "later"
            loop.call_later(45.0, batch.receipt.settle, False)  # noqa: FBT003
        else:
            self.held.append(batch.receipt)


def taken(driver, unit, seconds, folder, fate):
    common = {"state_dir": folder, "restore": GapOrder.OLDEST}
    history = {"since": "6h", "events": False}
    return Agent(driver, unit, seconds, fate=fate, common=common, history=history)


def test_what_an_agent_takes_later_comes_once(driver, tmp_path):
    unit = Keeping(whole())
    found = Restored(taken(driver, unit, 900.0, covered(tmp_path, SLOTS[:20]), "later"))
    assert found.times == SLOTS[:20]


def test_what_an_agent_has_lost_is_read_again(driver, tmp_path):
    unit = Keeping(whole())
    found = Restored(taken(driver, unit, 900.0, covered(tmp_path, SLOTS[:20]), "lost"))
    assert found.times == 2 * SLOTS[:20]


@pytest.mark.slow
def test_who_takes_nothing_gets_no_more_and_has_it_the_next_time(driver, tmp_path):
    missing = [*SLOTS[:10], *SLOTS[40:50]]
    folder = covered(tmp_path, missing)
    found = Restored(taken(driver, Keeping(whole()), 1800.0, folder, "never"))
    assert found.times == SLOTS[:10], "nothing piles up"
    again = Restored(taken(driver, Keeping(whole()), 1800.0, folder, "later"))
    assert again.times == missing


class Crowded(Keeping):
    """Somebody else asks it all the time: every second an answer passes that is not for us."""

    passed = 0.0

    def connect(self):
        self.say("now 50", 1001.0)
        return super().connect()

    def pull(self, now):
        ready = super().pull(now)
        if any(line == b"now 50\n" for line in ready):
            self.say("now 50", now + 1.0)
            self.passed = now
        return ready


@pytest.mark.slow
def test_while_others_are_on_the_line_it_is_asked_less_often_and_in_the_pauses(driver, tmp_path):
    unit = Crowded(whole(), page=5)
    passed = []
    read = unit.read

    def noted(line, now):
        if line.startswith("log"):
            passed.append(now - unit.passed)
        read(line, now)

    unit.read = noted
    found = Restored(run(driver, unit, 1800.0, covered(tmp_path, SLOTS)))
    assert set(found.values) == expected(unit.memory, SLOTS)
    times = [at for at, _ in unit.asked]
    assert min(b - a for a, b in itertools.pairwise(times)) > 10.0 * (SELDOM - 0.5)
    assert min(passed) >= QUIET_S


@pytest.mark.slow
def test_clock_that_is_set_meanwhile_costs_no_value(driver, tmp_path):
    """What was begun is begun anew; what was covered live may come as history, too."""
    unit = Keeping(whole([*SLOTS, *(floor(WALL) + n * SLOT_S for n in range(300))]), page=5)

    async def during(run):
        await asyncio.sleep(300.0)
        run.collector._options.clock.step(7200.0)

    common = {"state_dir": covered(tmp_path, SLOTS), "restore": GapOrder.NEWEST}
    history = {"since": "12h", "events": False}
    made = Run(driver, unit, 7200.0, during=during, common=common, history=history)
    found = Restored(made)
    assert set(SLOTS) <= set(found.times)
    every = {
        (s, at, v) for name in USUAL for at, v in unit.memory[name].items() for s in [SERIES[name]]
    }
    assert set(found.values) <= every


def test_another_unit_begins_anew(driver, tmp_path):
    unit = Keeping(whole(), page=5)

    async def during(run):
        await asyncio.sleep(60.0)
        run.device.polling.changes += 1

    common = {"state_dir": covered(tmp_path, SLOTS[:20]), "restore": GapOrder.NEWEST}
    found = Restored(
        Run(driver, unit, 900.0, during=during, common=common, history={"events": False})
    )
    assert sorted(found.times) == SLOTS[:20]
    asked = [line for _, line in unit.asked]
    assert len(asked) > len(set(asked)), "the first page was read twice"


# -- what would lose values --------------------------------------------------------------------


def watched(driver, unit, seconds, folder, during):
    """A run in which something happens, and what was restored."""
    common = {"state_dir": folder, "restore": GapOrder.NEWEST}
    history = {"since": "24h", "events": False}
    found = Run(driver, unit, seconds, during=during, common=common, history=history)
    return found, Restored(found)


@pytest.mark.slow
def test_memory_that_is_silent_for_an_hour_is_asked_again_hours_later(driver, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    missing = SLOTS[:12]
    unit = Keeping(whole(), lacks=PARTS)
    silent = []

    async def during(_run):
        await asyncio.sleep(3600.0)
        silent.append(len(unit.asked))
        unit.lacks = ()

    _, found = watched(driver, unit, 6 * 3600.0, covered(tmp_path, missing), during)
    assert silent == [len(USUAL) * ATTEMPTS], "it is left alone after that"
    assert set(found.values) == expected(unit.memory, missing)
    assert "nothing of the memory is answered; it is asked again in 6 hours" in caplog.text


@pytest.mark.slow
def test_line_that_is_anothers_until_the_next_round_is_no_silence_of_the_unit(driver, tmp_path):
    missing = SLOTS[:12]
    unit = Keeping(whole())
    asked = []

    async def during(run):
        asked.append(len(unit.asked))
        for _ in range(4 * ATTEMPTS):
            before = len(unit.heard)
            while "fault" not in [line for _, line in unit.heard[before:]]:
                await asyncio.sleep(0.01)
            async with run.device.port.turn():  # begins when the round has ended
                await asyncio.sleep(9.3)
        asked.append(len(unit.asked))

    run, found = watched(driver, unit, 605.0, covered(tmp_path, missing), during)
    assert run.own("requests_total")[-1] == len(unit.heard)
    assert asked[0] == asked[1], "no answer could have come in time"
    assert set(found.values) == expected(unit.memory, missing)


def test_what_a_clock_that_is_ahead_takes_for_the_past_is_none_once_it_is_set(driver, tmp_path):
    unit = Keeping(whole())

    async def during(run):
        clock = run.collector._options.clock
        clock.step(7200.0)
        await asyncio.sleep(600.0)
        asked = len(unit.asked)
        clock.step(-7200.0)
        await asyncio.sleep(30.0)
        return asked

    run, _ = watched(driver, unit, 0.0, covered(tmp_path, []), during)
    WRITER.finish(10.0)
    content = json.loads((tmp_path / "toy+coverage.json").read_text())
    assert run.result, "there seemed to be a gap"
    assert content["covered"][-1][1] <= floor(WALL + 631.0) + SLOT_S


@pytest.mark.slow
def test_answer_about_faults_that_is_lost_brings_no_look_at_the_events(driver, tmp_path):
    unit = Keeping(whole())
    read, rounds = unit.read, itertools.count()

    def lossy(line, now):
        if line != "fault" or next(rounds) // 4 % 2:
            read(line, now)

    unit.read = lossy
    watch(driver, unit, EVERY_S - 10.0, covered(tmp_path, []))
    assert [line.split()[1] for _, line in unit.asked] == ["events"]
