"""Whole examinations of simulated units, in virtual time."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.config import Intervals
from rct_collector.device.options import Options
from rct_collector.doctor import steps
from rct_collector.doctor.checkup import Checkup
from rct_collector.doctor.findings import Severity
from rct_collector.doctor.inventory import Inventory
from rct_collector.drivers import driver
from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.options import RctRequests
from rct_collector.drivers.rct.simulator import Bridge, RctUnit
from rct_collector.drivers.rct.simulator.profiles.requests import UnsupportedObjects
from rct_collector.errors import TransportError
from rct_collector.lines.lock import DeviceLock
from tests.addresses import tcp
from tests.doctor.cases import (
    Cuts,
    Cutting,
    Echoes,
    Jitters,
    Loses,
    LosesHasty,
    Says,
    Twice,
    Visit,
    answer_of,
    device,
)
from tests.scripted import BY_NAME
from tests.slow import slow_but
from tests.virtual import START, Plug, VirtualClock, options, run

#: The examiner waits for answers at the end; it takes no longer than that.
_AFTERWARDS = 6.0


def fastest(visit):
    return visit.figures.paces[-1]


# -- a line that is well -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def healthy():
    return Visit()


def test_a_healthy_line_needs_nothing(healthy):
    assert healthy.found == set()
    assert healthy.diagnosis.severity is Severity.NOTE
    assert healthy.requests == RctRequests()
    assert healthy.intervals == Intervals()
    assert healthy.figures.complete
    assert healthy.figures.answers == healthy.figures.requests


def test_every_pace_is_judged_by_dozens_of_answers(healthy):
    assert [pace.requests >= 25 for pace in healthy.figures.paces] == [True] * 4
    assert all(0.02 < wait < 0.2 for pace in healthy.figures.paces for wait in pace.latencies)


def test_what_is_attached_is_told(healthy):
    unit, moment = healthy.bridge.unit, START
    names = {"model": "android_description", "serial": "inverter_sn", "firmware": "svnversion"}
    assert healthy.figures.identity == {
        field: unit.read(BY_NAME[name].oid, moment).split(b"\0")[0].decode()
        for field, name in names.items()
    }
    assert dict(healthy.figures.equipment) == {
        "strings": "A and B",
        "battery": "one tower with 5 modules",
        "Power Switch": "yes",
        "S0 meter": "yes",
        "current sensors": "yes",
        "plant": "stands alone",
    }
    assert abs(healthy.figures.drift) < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("two-towers", {"battery": "two towers with 5 and 3 modules"}),
        ("inverter-only", {"battery": "none", "strings": "A", "Power Switch": "no"}),
        ("plant", {"plant": "master, 2 slaves"}),
        ("no-backup", {"S0 meter": "no", "current sensors": "no"}),
        ("everything", {"battery": "two towers with 7 and 7 modules"}),
    ],
)
def test_other_equipment_is_told(scenario, words):
    visit = Visit(scenario)
    assert words.items() <= dict(visit.figures.equipment).items()
    assert visit.figures.unanswered == ()


@pytest.mark.slow
@pytest.mark.parametrize("faults", [(), (Loses(0.3),)], ids=["healthy", "lossy"])
@pytest.mark.parametrize("seconds", [20.0, 60.0, 240.0])
def test_never_more_than_five_requests_a_second_from_the_first_moment_on(seconds, faults):
    visit = Visit(faults=faults, seconds=seconds)
    for count, now in enumerate(visit.sent, start=1):
        assert count <= 5.0 * (now - visit.begun) + 1e-6
    gaps = [b - a for a, b in zip(visit.sent, visit.sent[1:], strict=False)]
    assert min(gaps) >= 0.06 - 1e-6
    assert visit.bridge.observed.most_outstanding <= 4
    assert visit.took <= seconds + _AFTERWARDS


def test_whoever_has_lowered_the_average_is_asked_no_more_than_that():
    visit = Visit(config=device(requests=RctRequests(per_second=2.0)))
    assert len(visit.sent) <= 2.0 * visit.took
    assert visit.requests.per_second == 2.0


@pytest.mark.slow
@pytest.mark.measured
def test_it_only_reads_and_few_objects():
    visit = Visit("everything")
    observed = visit.bridge.observed
    assert (observed.writes, observed.others, observed.noise) == (0, 0, 0)
    assert len(observed.requests) <= 56


# -- loss --------------------------------------------------------------------------------------


def test_a_loss_that_comes_of_haste_leads_to_a_slower_pace():
    visit = Visit(faults=[LosesHasty(0.4, 0.15)])
    assert visit.found == {"haste"}
    assert (visit.requests.gap, visit.requests.window) == (0.2, 1)
    assert "200ms" in visit.finding("haste").advice
    assert fastest(visit).loss > 0.15


def test_a_loss_that_comes_of_the_utmost_haste_leads_to_the_pace_before():
    visit = Visit(faults=[LosesHasty(0.5, 0.08)])
    assert visit.found == {"haste"}
    assert (visit.requests.gap, visit.requests.window) == (0.1, 2)


@pytest.mark.parametrize("seed", slow_but(0, range(6)))
def test_a_loss_at_any_pace_does_not_lead_to_a_slower_one(seed):
    visit = Visit(faults=[Loses(0.25, seed)])
    assert "loss" in visit.found
    assert not {"haste", "haste-some"} & visit.found
    assert (visit.requests.gap, visit.requests.window) == (0.06, 4)
    assert dict(visit.figures.equipment)["battery"] == "one tower with 5 modules"


@pytest.mark.parametrize("seed", slow_but(0, range(6)))
def test_a_little_loss_is_no_problem(seed):
    visit = Visit(faults=[Loses(0.02, seed)])
    assert visit.diagnosis.severity <= Severity.WARNING
    assert (visit.requests.gap, visit.requests.window) == (0.06, 4)


def test_what_is_lost_once_is_not_taken_for_unknown():
    visit = Visit(faults=[Loses(0.35, 3)], seconds=120.0)
    assert visit.figures.unanswered == ()


@pytest.mark.slow
def test_answers_cut_short_are_told():
    visit = Visit(faults=[Cuts(0.08)])
    assert "damage" in visit.found
    assert "cut short" in visit.finding("damage").measured


# -- time --------------------------------------------------------------------------------------


def test_a_slow_unit_gets_time():
    visit = Visit(latency=(0.8, 1.2))
    assert {"slow", "load"} <= visit.found
    assert visit.diagnosis.severity is Severity.WARNING
    assert visit.requests.timeout >= 2.4
    assert visit.intervals.fast > 10
    assert fastest(visit).loss == 0


def test_a_unit_slower_than_the_deadline_is_not_taken_for_a_bad_line():
    visit = Visit(latency=(1.8, 2.8))
    assert "late" in visit.found
    assert "loss" not in visit.found
    assert visit.requests.timeout >= 5
    assert visit.figures.unanswered == ()


@pytest.mark.slow
def test_a_spread_of_the_answer_times_looks_like_wifi():
    visit = Visit(faults=[Jitters(0.12, 0.4)])
    assert visit.found == {"spread"}
    assert "Wi-Fi" in visit.finding("spread").meaning


def test_a_clock_in_another_time_zone_is_told():
    visit = Visit(zone=ZoneInfo("Europe/Berlin"))
    assert visit.found == {"timezone"}
    assert "120 min ahead" in visit.finding("timezone").measured


@pytest.mark.parametrize("hours", [1, 2])
def test_a_clock_in_the_hour_that_autumn_repeats_is_right(hours):
    zone = ZoneInfo("Europe/Berlin")
    shown = int(datetime(2026, 10, 25, 2, 30, tzinfo=UTC).timestamp())
    inventory = Inventory(device(timezone=zone), driver("rct"))
    query = driver("rct").query("flash_rtc.time_stamp")
    inventory.hear(query, shown, shown - hours * 3600 + 0.25, 0.5)
    assert inventory.drift == 0.0


def test_a_clock_that_is_wrong_is_told():
    visit = Visit(start=START - 500.0)
    assert visit.found == {"clock"}
    assert "behind" in visit.finding("clock").measured


# -- others on the line ------------------------------------------------------------------------

_HELLO = b"\x2b\x3c\xe1"
_KEEP_ALIVE = b"AT+\r"


def app():
    """An app that looks at the battery's current twice a second, and greets."""
    return Says(_HELLO, answer_of("battery.current", b"\0\0\0\0"), every=0.5)


@pytest.mark.slow
def test_an_app_on_the_line_is_told():
    visit = Visit(faults=[app()])
    assert visit.found == {"shared-much"}
    assert 100 <= visit.figures.per_minute("answer") <= 125
    assert "the vendor's app said hello" in visit.finding("shared-much").measured
    assert visit.diagnosis.severity is Severity.WARNING


@pytest.mark.slow
def test_the_app_has_its_turn_first():
    """A volley begins when the line is quiet, and has half of the window."""
    visit = Visit(faults=[app()])
    assert visit.bridge.observed.most_outstanding <= 2


@pytest.mark.slow
def test_somebody_who_rarely_speaks_is_only_noted():
    visit = Visit(faults=[Says(answer_of("battery.current", b"\0\0\0\0"), every=10.0)])
    assert visit.found == {"shared"}
    assert visit.diagnosis.severity is Severity.NOTE


@pytest.mark.slow
def test_signs_of_the_service_of_a_plant_and_echoes_are_told():
    net = frame.assemble(frame.WRITE, 0x3AA565FC, bytes(36))
    slave = frame.assemble(frame.RESPONSE | frame.PLANT, 0xC0A7074F, bytes(8), 7)
    visit = Visit(faults=[Says(_KEEP_ALIVE, every=20.0), Says(net, slave), Echoes()])
    assert visit.found == {"portal", "plant", "echo"}
    assert visit.diagnosis.severity is Severity.NOTE


@pytest.mark.slow
def test_an_answer_that_comes_twice_is_not_somebody_elses():
    visit = Visit(faults=[Twice()])
    assert visit.figures.others.get("answer", 0) == 0


@pytest.mark.slow
def test_loss_with_others_on_the_line_is_put_down_to_them():
    visit = Visit(faults=[app(), Loses(0.25)])
    assert "loss-shared" in visit.found


# -- old firmware ------------------------------------------------------------------------------


@pytest.mark.slow
def test_old_firmware_is_known_and_what_it_does_not_answer_is_told():
    visit = Visit("old-firmware")
    assert visit.found == {"objects"}
    assert "power_mng.n_batteries" in visit.finding("objects").measured
    assert "older than 2.3" in visit.finding("firmware").title
    assert visit.diagnosis.severity is Severity.NOTE
    assert fastest(visit).loss == 0, "what is not known is not lost"


@pytest.mark.slow
def test_silence_about_a_part_is_not_taken_for_its_absence():
    visit = Visit(faults=[UnsupportedObjects("rb485.available")])
    assert dict(visit.figures.equipment)["Power Switch"] == "not known"
    assert "undecided" in visit.found
    assert "whether there is a Power Switch" in visit.finding("undecided").measured


# -- no contact --------------------------------------------------------------------------------


def test_a_silent_unit_is_told_soon():
    visit = Visit(faults=[Loses(1.0)])
    assert visit.found == {"silent"}
    assert visit.took < 20
    assert visit.figures.requests <= 6
    assert visit.requests == RctRequests()


def test_a_unit_that_answers_others_only_is_told():
    visit = Visit(faults=[Loses(1.0), app()])
    assert visit.found - {"shared-much", "shared"} == {"deaf"}


def test_a_stranger_at_the_address_is_told():
    visit = Visit(faults=[Loses(1.0), Says(b"HTTP/1.1 400 Bad Request\r\n")])
    assert visit.found == {"stranger"}


class Refuses(Plug):
    """Cannot be opened."""

    def __init__(self, kind):
        super().__init__(None)
        self.kind = kind

    async def __call__(self, address, receive, lost, timeout):
        raise TransportError("as the system says", self.kind)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("name", "name"),
        ("refused", "refused"),
        ("timeout", "timeout"),
        ("unreachable", "unreachable"),
        ("other", "open"),
    ],
)
def test_each_way_to_fail_has_its_verdict(kind, key):
    visit = Visit(plug=Refuses(kind))
    assert visit.found == {key}
    finding = visit.finding(key)
    assert finding.severity is Severity.PROBLEM
    assert finding.measured == "as the system says"
    assert "{" not in finding.meaning + finding.advice


def test_a_line_that_is_closed_at_the_first_requests_is_told():
    visit = Visit(faults=[Cutting(1, 2, 3, 4)])
    assert visit.found == {"closed"}
    assert visit.figures.hangups == 3


def test_a_line_that_breaks_is_opened_again_and_told():
    visit = Visit(faults=[Cutting(40, 90)])
    assert "hangups" in visit.found
    assert visit.figures.complete
    assert visit.figures.hangups == 2
    assert "reset" in visit.finding("hangups").measured
    assert fastest(visit).loss == 0, "what was under way then says nothing about the pace"


@pytest.mark.parametrize("every", [6, 9, 14])
def test_what_is_cut_off_with_the_line_is_not_taken_for_silence(every):
    visit = Visit(faults=[Cutting(*range(every, 200, every))], seconds=120.0)
    assert visit.figures.hangups > 4
    assert not {"objects", "objects-lost", "undecided"} & visit.found
    assert visit.figures.unanswered == ()


class RefusesLater(Plug):
    """Opens once."""

    async def __call__(self, *arguments):
        if self.wires:
            raise TransportError("no answer", "timeout")
        return await super().__call__(*arguments)


def test_a_line_that_does_not_come_back_is_given_up_at_the_end_of_the_time():
    visit = Visit(faults=[Cutting(60)], plug=RefusesLater(None))
    assert visit.took <= 60.0
    assert not visit.figures.complete
    assert visit.figures.hangups == 1
    assert visit.figures.hangup_reason == "no answer"


def test_a_device_that_is_held_is_left_alone():
    address = tcp(f"held-{os.getpid()}.test")  # runs of the tests on one host do not meet
    config = replace(device(), address=address)
    lock = DeviceLock(address)

    async def main(loop):
        plug = Plug(None)
        checkup = Checkup(config, 60.0, Options(clock=VirtualClock(loop), opener=plug))
        await checkup.run()
        assert plug.attempts == []
        return checkup.figures()

    lock.acquire()
    try:
        figures = run(main)
    finally:
        lock.release()
    assert figures.trouble.kind == "busy"
    assert f"process {os.getpid()}" in figures.trouble.text


def test_what_was_learnt_before_an_interruption_is_there():
    async def main(loop):
        plug = Plug(Bridge(RctUnit("sunny", start=START), now0=1000.0))
        checkup = Checkup(device(), 60.0, options(loop, plug))
        assert checkup.progress() == "connecting"
        task = asyncio.create_task(checkup.run())
        await asyncio.sleep(30)
        assert "s left" in checkup.progress()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return checkup.figures()

    figures = run(main)
    assert not figures.complete
    assert figures.identity["firmware"] == "2.3.5674"
    assert 29 < figures.seconds < 31


def test_the_paces_are_those_of_the_help():
    assert [(p.gap, p.window) for p in steps.PACES] == [
        (0.5, 1), (0.2, 1), (0.1, 2), (0.06, 4)
    ]  # fmt: skip


# -- any line ----------------------------------------------------------------------------------


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    scenario=st.sampled_from(["sunny", "two-towers", "old-firmware", "inverter-only"]),
    loss=st.sampled_from([0.0, 0.1, 0.4, 0.9]),
    cut=st.sampled_from([0.0, 0.2]),
    spread=st.sampled_from([0.0, 0.6, 4.0]),
    slowest=st.sampled_from([0.05, 0.7, 3.0, 7.0]),
    talk=st.sampled_from([None, 0.05, 0.7]),
    hangups=st.lists(st.integers(1, 200), max_size=4, unique=True),
    seconds=st.sampled_from([20.0, 60.0]),
    seed=st.integers(0, 1000),
)
def test_any_line_is_examined_in_time_and_decently(
    scenario, loss, cut, spread, slowest, talk, hangups, seconds, seed
):
    faults = [Loses(loss, seed), Cuts(cut, seed), Jitters(spread and 0.2, spread, seed)]
    faults += [Cutting(*hangups)]
    faults += [Says(_HELLO, answer_of("battery.current", bytes(4)), every=talk)] if talk else []
    visit = Visit(scenario, faults, seconds=seconds, latency=(0.02, slowest), seed=seed)

    assert visit.took <= seconds + _AFTERWARDS
    assert len(visit.sent) <= 5.0 * visit.took
    assert visit.bridge.observed.writes == 0
    assert visit.decisions <= 8 * len(visit.sent) + 4 * visit.segments + 100, "no busy loop"
    assert visit.diagnosis.findings or visit.diagnosis.severity is Severity.NOTE
