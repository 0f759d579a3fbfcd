"""What the fault profiles do, byte by byte: each alone, then together."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.drivers.base import Answer, Garbled
from rct_collector.drivers.chance import Windows
from rct_collector.drivers.rct import frame, request, wire
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.simulator import Access, Bridge, Cut, RctUnit, Segment, Witness
from rct_collector.drivers.rct.simulator.clock import DAY
from rct_collector.drivers.rct.simulator.profiles import PROFILES, App, Portal, faults
from rct_collector.drivers.rct.simulator.profiles.answers import (
    BadChecksum,
    BadPayload,
    Dropped,
    Duplicated,
    Intruded,
    Late,
    Stuck,
    Torn,
    Truncated,
)
from rct_collector.drivers.rct.simulator.profiles.chance import either
from rct_collector.drivers.rct.simulator.profiles.changes import (
    ClockJump,
    FirmwareUpdate,
    OtherUnit,
    SecondTower,
)
from rct_collector.drivers.rct.simulator.profiles.outages import (
    HalfOpen,
    Mute,
    Night,
    Refusing,
    ResetMidFrame,
)
from rct_collector.drivers.rct.simulator.profiles.requests import (
    Concatenated,
    Forgetful,
    UnsupportedObjects,
)
from rct_collector.drivers.rct.simulator.profiles.spells import Flapping, Flood
from rct_collector.drivers.rct.simulator.profiles.traffic import (
    NET_PACKAGE,
    NET_SLAVE_DATA,
    UNKNOWN,
    Burst,
    Dribble,
    Echo,
    Hello,
    KeepAlive,
    PlantTraffic,
    Remains,
    Unasked,
)
from rct_collector.drivers.rct.simulator.profiles.values import (
    Frozen,
    Restarted,
    Spiked,
    totals,
)
from rct_collector.drivers.rct.table import BY_OID, OBJECTS
from tests.slow import slow_among

BY_NAME = {item.name: item for item in OBJECTS}
READ = [item for item in OBJECTS if not item.logger]
SOC, SERIAL, CELLS = (BY_NAME[name] for name in ("battery.soc", "inverter_sn", "battery.cells[0]"))
NOON = 1782043200


class Talk:
    """One client of a bridge with faults, and all that the client hears."""

    def __init__(self, *profiles, seed=0, **more):
        self.witness = Witness()
        self.bridge = Bridge(
            RctUnit(start=NOON, zone=UTC),
            seed=seed,
            faults=profiles,
            witness=self.witness,
            **{"now0": 0.0, **more},
        )
        self.bridge.start(0.0)
        self.client = self.bridge.connect()
        self.heard: list[tuple[float, bytes]] = []
        self.cuts: list[tuple[float, Cut]] = []

    def ask(self, item, now):
        """Send one request, after all that comes before it."""
        self.until(now)
        data = request.query_logger(item, NOON) if item.logger else request.read(item)
        self.bridge.receive(self.client, data, now)

    def until(self, now):
        """Listen until a time."""
        while (due := self.bridge.next_due()) is not None and due <= now:
            self.heard += [(due, data) for data in self.bridge.pull(due)]
            cut = self.bridge.take_cut()
            if cut is not None:
                self.cuts.append((due, cut))

    def end(self):
        """Let something follow the last answer, so that the record has it even if damaged."""
        self.bridge._tracker.left(Segment(0.0, bytes(16)))

    @property
    def data(self):
        return b"".join(data for _, data in self.heard)

    def frames(self):
        """What a frame reader makes of it."""
        return frame.FrameReader().feed(self.data)

    def events(self):
        """What the collector's session makes of it, piece by piece."""
        session = RctSession()
        return [event for _, data in self.heard for event in session.receive(data)]


def asked(*profiles, items=(SOC,), count=200, every=1.0, **more):
    """A talk in which objects are asked for in turn, each alone."""
    talk = Talk(*profiles, **more)
    for number in range(count):
        talk.ask(items[number % len(items)], number * every)
    talk.until(count * every + 10.0)
    return talk


def kinds(events):
    """Kind of each event: "answer", or why there is none."""
    return Counter(event.kind if isinstance(event, Garbled) else "answer" for event in events)


def good(talk):
    """What the record says was sent well."""
    return [(sent.reply.oid, sent.reply.payload) for sent in talk.witness.good]


def parsed(frames):
    """What a frame reader took for answers."""
    return [
        (item.oid, item.payload)
        for item in frames
        if isinstance(item, frame.Frame) and item.command in (frame.RESPONSE, frame.LONG_RESPONSE)
    ]


# -- spells -----------------------------------------------------------------------------------


class Slower(Flood):
    """At its usual rate it brings more bytes than a test can look at."""

    RATE, PIECE_S = 350e3, 0.01


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize("spell", [1, 2, 3])
def test_a_flood_comes_at_its_rate_and_hides_no_answer(spell):
    flood = Slower(every=100.0, lasting=(4.0, 4.0))
    talk = Talk(flood)
    talk.until(100.0 * (spell - 1))
    before = talk.bridge.observed.bytes_out
    for second in range(100):
        talk.ask(SOC, 100.0 * (spell - 1) + second)
    talk.until(100.0 * spell)
    size = talk.bridge.observed.bytes_out - before
    assert size == pytest.approx(4.0 * Slower.RATE, rel=0.02)
    assert good(talk) == parsed(talk.frames())
    assert len(talk.witness.good) == 100
    ways = kinds(talk.events())
    assert set(ways) <= {"answer", "noise", "echo", "crc", "length", "command"}


def test_faults_flap_and_each_answer_ends_the_connection():
    item = BY_NAME["fault[0].flt"]
    flapping = Flapping(every=200.0, lasting=(50.0, 50.0))
    talk = asked(flapping, items=(item, SOC), count=200)
    words = [sent.reply.payload for sent in talk.witness.good if sent.reply.oid == item.oid]
    begin, end = flapping.windows.window(0)
    flips = sum(a != b for a, b in pairwise(words))
    assert flips == pytest.approx((end - begin) / 2, abs=3)
    assert {cut for _, cut in talk.cuts} == {Cut.RESET}
    assert len(talk.cuts) == pytest.approx(end - begin, abs=2)
    assert all(begin <= at <= end + 1 for at, _ in talk.cuts)
    assert flapping.lasts(begin)
    assert not flapping.lasts(end)


# -- answers ----------------------------------------------------------------------------------


def test_without_faults_every_answer_is_recorded_as_it_was_sent():
    talk = asked(items=READ[:40], count=40)
    assert good(talk) == parsed(talk.frames())
    assert len(talk.witness.good) == 40
    assert talk.witness.damaged == []
    for number, sent in enumerate(talk.witness.good):
        assert sent.reply.client == talk.client
        assert sent.reply.asked == number
        assert number + 0.02 < sent.at < number + 0.2
        assert talk.witness.of(sent.reply.oid) == [sent]
    assert talk.bridge.observed.good == 40


@pytest.mark.slow
def test_dropped_answers_do_not_come():
    talk = asked(Dropped(0.3, seed=1), count=1000)
    assert talk.bridge.observed.dropped == pytest.approx(300, abs=60)
    assert kinds(talk.events()) == {"answer": 1000 - talk.bridge.observed.dropped}
    assert asked(Dropped(1.0)).data == b""


@pytest.mark.parametrize("item", [SOC, CELLS])
def test_truncated_answers_have_a_valid_checksum(item):
    talk = asked(Truncated(), items=(item,), count=100)
    found = parsed(talk.frames())
    talk.end()
    assert len(found) == len(talk.witness.damaged) == 100
    whole = talk.bridge.unit.read(item.oid, NOON)
    assert {len(payload) < len(whole) for _, payload in found} == {True}
    assert len({len(payload) for _, payload in found}) > len(whole) // 3
    assert talk.witness.good == []
    assert set(kinds(talk.events())) == {"length"}


def test_a_text_that_lost_padding_alone_says_all_that_it_should():
    talk = asked(Truncated(), items=(SERIAL,), count=100)
    cut = [payload for _, payload in parsed(talk.frames())]
    talk.end()
    whole = talk.bridge.unit.read(SERIAL.oid, NOON)
    assert all(whole.startswith(payload) and payload != whole for payload in cut)
    good = [sent.reply.payload for sent in talk.witness.good]
    assert good == [payload for payload in cut if b"\0" in payload]
    assert 20 < len(good) < 100
    assert len(talk.witness.damaged) == 100 - len(good)


@pytest.mark.parametrize("fault", [BadChecksum, BadPayload])
@pytest.mark.parametrize("item", [SOC, CELLS, BY_NAME["g_sync.p_ac_sum_lp"]])
def test_bytes_that_do_not_agree_with_the_checksum(fault, item):
    clean, talk = (asked(*faults, items=(item,), count=50) for faults in ((), (fault(),)))
    assert len(clean.data) == len(talk.data)
    changed = [n for n, (a, b) in enumerate(zip(clean.data, talk.data, strict=True)) if a != b]
    assert len(changed) == 50
    assert parsed(talk.frames()) == []
    assert set(kinds(talk.events())) <= {"crc", "noise"}
    assert kinds(talk.events())["crc"] == 50
    assert talk.witness.good == []


def test_a_wrong_checksum_is_behind_the_right_payload():
    """The first byte and all of the payload are as they should be, only the last byte is not."""
    clean, talk = (asked(*faults, count=1) for faults in ((), (BadChecksum(),)))
    assert talk.data[:-1] == clean.data[:-1]
    assert talk.data[-1:] != clean.data[-1:]


def test_torn_frames_end_midway_and_the_next_begins():
    talk = asked(Torn(0.5, seed=2), count=200)
    counted = kinds(talk.events())
    assert counted["answer"] == len(talk.witness.good)
    assert counted["answer"] == pytest.approx(100, abs=30)
    assert counted["length"] > 50
    talk.end()
    assert len(talk.witness.damaged) + len(talk.witness.good) == 200
    assert good(talk) == parsed(talk.frames())
    for sent in talk.witness.damaged:
        assert (b"\0" + sent.reply.frame).startswith(sent.data)


def test_a_request_within_an_answer():
    talk = asked(Intruded(), count=100)
    commands = Counter(item.command for item in talk.frames() if isinstance(item, frame.Frame))
    assert commands[frame.READ] > 90  # whole requests; a few stand behind an escape
    assert commands[frame.RESPONSE] == 0
    assert kinds(talk.events())["answer"] == 0


def test_answers_that_come_twice():
    talk = asked(Duplicated(), count=50)
    assert len(talk.witness.good) == 100
    assert good(talk) == parsed(talk.frames())
    assert good(talk)[::2] == good(talk)[1::2]


def test_late_answers_come_with_the_next_after_the_deadline():
    late = Late(0.3, seed=3)
    talk = asked(late, items=READ[:50], count=50)
    delays = {sent.reply.oid: sent.at - sent.reply.asked for sent in talk.witness.good}
    hit = [oid for oid, delay in delays.items() if delay > 0.3]
    assert 5 < len(hit) < 25
    assert all(2.5 <= delays[oid] < 10 for oid in hit)
    assert talk.witness.damaged == []
    assert good(talk) == parsed(talk.frames())
    # Each comes right before an answer that is in time, and leaves the line at its speed.
    order = [sent.reply.oid for sent in talk.witness.good]
    assert all(order[-1] != oid for oid in hit)
    for (one, first), (other, _) in pairwise(talk.heard):
        assert other - one > 0
        assert first


def test_a_buffer_keeps_only_so_much():
    talk = asked(Late(1.0), Dropped(0.0), items=READ, count=300)
    assert talk.data == b""  # nothing is ever in time, so nothing pushes it out
    talk = Talk(Late(0.9, seed=1, after=200.0))
    for number, item in enumerate(READ[:300]):
        talk.ask(item, float(number))
    talk.until(310.0)
    assert len(talk.witness.good) < 150
    assert good(talk) == parsed(talk.frames())


def test_what_was_stuck_comes_before_the_next_answer():
    talk = asked(Stuck(0.3, seed=4), items=READ[:60], count=60)
    assert good(talk) == parsed(talk.frames())
    starts = [data for _, data in talk.heard if not data.startswith(b"\0\x2b")]
    assert len(starts) > 5  # pieces that begin midway
    assert kinds(talk.events())["answer"] >= 55


def test_what_was_stuck_is_lost_where_something_else_comes_between():
    talk = asked(Stuck(0.3, seed=4), PlantTraffic(0.5), items=READ[:60], count=60)
    assert 5 < len(talk.witness.damaged) < 30
    assert good(talk) == [entry for entry in parsed(talk.frames())]


@pytest.mark.slow
def test_of_several_only_one_happens_and_their_rates_add_up():
    many = either(Dropped(0.2), Torn(0.2), BadChecksum(0.2), seed=5)
    talk = asked(*many, count=1000)
    lost, torn = talk.bridge.observed.dropped, kinds(talk.events())
    assert len(talk.witness.good) == pytest.approx(400, abs=60)
    assert lost == pytest.approx(200, abs=50)
    assert torn["crc"] == pytest.approx(200, abs=50)
    with pytest.raises(ValueError, match=r"add up to 1\.2"):
        either(Dropped(0.6), Torn(0.6))


# -- requests ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_parts_of_concatenated_requests_are_lost_but_never_the_first():
    talk = Talk(Concatenated(0.5, seed=1))
    for batch in range(50):
        talk.until(float(batch))
        wanted = READ[batch * 4 : batch * 4 + 4]
        talk.bridge.receive(talk.client, b"".join(map(request.read, wanted)), float(batch))
    talk.until(100.0)
    found = {item.oid for item in talk.frames()}
    assert all(item.oid in found for item in READ[:200:4])
    assert 1 - len(found) / 200 == pytest.approx(0.375, abs=0.1)
    apart = asked(Concatenated(1.0), every=0.06)
    assert len(apart.witness.good) == 200


def test_a_request_is_forgotten_only_while_others_wait():
    assert len(asked(Forgetful(1.0), count=50).witness.good) == 50
    close = asked(Forgetful(1.0), count=50, every=0.015, items=READ[:50])
    assert 10 < len(close.witness.good) < 40
    assert close.bridge.observed.dropped + len(close.witness.good) == 50


def test_unsupported_objects_are_not_answered():
    talk = asked(UnsupportedObjects("battery.cells[*]"), items=(CELLS, SOC), count=20)
    assert {oid for oid, _ in good(talk)} == {SOC.oid}
    old = asked(UnsupportedObjects(), items=(BY_NAME["net.n_slaves"], SOC), count=20)
    assert {oid for oid, _ in good(old)} == {SOC.oid}


# -- what nobody asked for --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said", "kind"),
    [(KeepAlive(10.0), b"AT+\r", "noise"), (Hello(10.0), b"\x2b\x3c\xe1", "noise")],
)
def test_greetings_come_by_themselves(fault, said, kind):
    talk = Talk(fault)
    talk.until(100.0)
    assert talk.data == said * 10
    assert set(kinds(talk.events())) == {kind}
    assert {round(b - a, 6) for (a, _), (b, _) in pairwise(talk.heard)} == {10.0}


@pytest.mark.parametrize("said", [KeepAlive(0.7), Hello(0.7), PlantTraffic(0.3), Unasked(0.2)])
def test_what_comes_in_between_spoils_no_answer(said):
    talk = asked(said, items=READ, count=300, every=0.1)
    assert {item.oid for item in READ[:300]} <= {oid for oid, _ in good(talk)}
    assert good(talk) == parsed(talk.frames())
    assert talk.witness.damaged == []


def test_a_plant_talks_every_second():
    talk = Talk(PlantTraffic())
    talk.until(100.0)
    found = talk.frames()
    packages = [item for item in found if item.oid == NET_PACKAGE]
    assert len(packages) == 100
    assert {(item.command, len(item.payload)) for item in packages} == {(frame.WRITE, 36)}
    slaves = [item for item in found if item.address is not None]
    assert {item.command for item in slaves} == {frame.RESPONSE | frame.PLANT}
    assert b"SIMSLAVE01" in next(i.payload for i in found if i.oid == NET_SLAVE_DATA)
    assert set(kinds(talk.events())) == {"write", "plant", "foreign"}


def test_answers_for_objects_that_nobody_asked_for():
    talk = Talk(Unasked(1.0))
    talk.until(400.0)
    oids = [item.oid for item in talk.frames()]
    assert set(UNKNOWN) < set(oids)
    assert len(set(oids) & set(BY_OID)) > 50
    assert good(talk) == parsed(talk.frames())
    assert {sent.reply.client for sent in talk.witness.good} == {0}
    assert set(kinds(talk.events())) == {"answer", "foreign"}


def test_an_echo_stands_before_the_answer():
    talk = asked(Echo(), items=(SOC, BY_NAME["logger.minutes_soc_log_ts"]), count=10)
    commands = [item.command for item in talk.frames()]
    assert commands == [frame.READ, frame.RESPONSE, frame.WRITE, frame.LONG_RESPONSE] * 5
    assert talk.heard[0][1].startswith(request.read(SOC))
    assert kinds(talk.events()) == {"echo": 5, "write": 5, "answer": 10}
    assert len(talk.witness.good) == 10


def test_remains_of_a_torn_frame_hide_no_answer():
    talk = asked(Remains(), count=300)
    assert all(data.startswith(b"\x2d\x2b") for _, data in talk.heard)
    assert len({len(data) for _, data in talk.heard}) >= 7
    assert kinds(talk.events())["answer"] == 300
    assert good(talk) == parsed(talk.frames())


def test_answers_come_in_bursts():
    talk = asked(Burst(0.5), items=READ, count=100, every=0.05)
    assert {round(due % 0.5, 6) % 0.5 for due, _ in talk.heard} == {0.0}
    assert len(talk.heard) < 30
    assert max(len(data) for _, data in talk.heard) > 100
    assert good(talk) == parsed(talk.frames())
    assert len(talk.witness.good) == 100


@pytest.mark.slow
def test_answers_dribble_byte_by_byte():
    talk = asked(Dribble(), items=(SOC, CELLS), count=10)
    assert {len(data) for _, data in talk.heard} == {1}
    assert kinds(talk.events()) == {"answer": 10}
    assert good(talk) == parsed(talk.frames())
    crowd = asked(Dribble(0.5, seed=1), PlantTraffic(0.1), items=READ, count=100, every=0.05)
    assert crowd.witness.damaged == []  # what follows waits for the last byte
    assert good(crowd) == parsed(crowd.frames())


@pytest.mark.slow
def test_a_dribble_keeps_the_reset_behind_its_last_byte():
    talk = asked(ResetMidFrame(1e-3), Dribble(), count=3)
    assert len(talk.cuts) == len(talk.witness.damaged) == 2
    assert [due for due, _ in talk.cuts] == [sent.at for sent in talk.witness.damaged]
    assert {len(sent.data) for sent in talk.witness.damaged} <= {7, 8}
    assert {len(data) for _, data in talk.heard} == {1}


# -- values -----------------------------------------------------------------------------------


def readings(talk, item):
    """(unit's time, value) of every good answer for an object."""
    return [
        (NOON + sent.reply.asked, wire.decode(item.type, sent.reply.payload))
        for sent in talk.witness.of(item.oid)
    ]


TOTAL = BY_NAME["energy.e_load_total"]


def test_totals_are_found_in_the_table():
    names = {BY_OID[oid].name for oid in totals()}
    assert {"energy.e_load_total", "energy.e_grid_feed_total", "battery.used_energy"} < names
    assert "battery.soc" not in names
    assert "battery.cells_stat[0]" not in names


def test_totals_begin_anew():
    talk = asked(Restarted(3600.0, seed=1), items=(TOTAL,), count=180, every=60.0)
    values = [value for _, value in readings(talk, TOTAL)]
    falls = [n for n, (a, b) in enumerate(pairwise(values)) if b < a]
    assert len(falls) == 3
    assert all(values[n + 1] < 100 for n in falls)
    assert values[0] > 1e5
    assert kinds(talk.events()) == {"answer": 180}


def test_totals_freeze_for_a_while():
    talk = asked(Frozen(7200.0, 1800.0), items=(TOTAL,), count=240, every=60.0)
    values = [value for _, value in readings(talk, TOTAL)]
    stands = sum(a == b for a, b in pairwise(values))
    assert stands == pytest.approx(60, abs=4)
    assert values == sorted(values)


def test_totals_spike_once_and_are_right_again():
    talk = asked(Spiked(0.05, seed=1), items=(TOTAL,), count=400)
    values = [value for _, value in readings(talk, TOTAL)]
    spikes = [value for value in values if value > 1.2 * values[0]]
    assert 8 < len(spikes) < 40
    assert max(spikes) / min(spikes) > 1e3
    calm = [value for value in values if value not in spikes]
    assert calm == sorted(calm)
    assert asked(Spiked(1.0), items=(SOC,), count=5).data == asked(items=(SOC,), count=5).data


# -- the unit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "name", "before", "after"),
    [
        (FirmwareUpdate(60.0, "2.3.9"), "svnversion", "2.3.5674", "2.3.9"),
        (OtherUnit(60.0, "OTHER"), "inverter_sn", None, "OTHER"),
        (SecondTower(60.0), "power_mng.n_batteries", 1, 2),
        (ClockJump(60.0, 7200.0), "flash_rtc.time_stamp", None, None),
    ],
)
def test_the_unit_changes_after_some_time(change, name, before, after):
    item = BY_NAME[name]
    talk = asked(change, items=(item, SERIAL), count=240)
    values = [value for _, value in readings(talk, item)]
    first, last = values[0], values[-1]
    assert before in (first, None)
    assert after in (last, None)
    if name == "flash_rtc.time_stamp":
        jumps = [b - a for a, b in pairwise(values) if b - a != 2]
        assert jumps == [7202]
    else:
        assert len(set(values)) == 2
        changed = next(unix for unix, value in readings(talk, item) if value == last)
        assert NOON + 59 <= changed <= NOON + 61
    serials = {value for _, value in readings(talk, SERIAL)}
    assert len(serials) == 1 + (name == "inverter_sn")


def test_changes_combine_and_what_they_do_not_touch_stays():
    both = (FirmwareUpdate(60.0), ClockJump(60.0, -3600.0), SecondTower(60.0))
    unit = RctUnit(start=NOON, zone=UTC, sun=9.0)
    for change in both:
        unit = change.on_unit(unit, NOON + 61.0)
    assert unit.world.identity.firmware == "2.3.9999"
    assert unit.world.clock.wall(NOON) == NOON - 3600
    assert unit.world.clock.unix(NOON - 3600) == NOON
    assert unit.world.clock.sun(NOON) % DAY == 9 * 3600
    assert unit.scenario.towers == (5, 5)
    assert unit.world.identity.serial == RctUnit(start=NOON).world.identity.serial


def test_the_clock_of_the_logger_jumps_too():
    unit = RctUnit(start=NOON, zone=UTC, fast=3600.0)
    item = BY_NAME["logger.minutes_soc_log_ts"]
    _, records = wire.decode(item.type, unit.history(item.oid, NOON + DAY, NOON))
    assert records[0][0] == NOON + 3600
    true = RctUnit(start=NOON, zone=UTC)
    _, right = wire.decode(item.type, true.history(item.oid, NOON + DAY, NOON))
    assert [value for _, value in records] == [value for _, value in right]


def test_the_log_has_gaps_and_gives_as_much_at_a_time_as_real_ones():
    (fault,) = faults(["gaps"])
    unit = fault.on_unit(RctUnit(start=NOON, zone=UTC), NOON)
    item = BY_NAME["logger.minutes_soc_log_ts"]

    def stamps(before):
        _, records = wire.decode(item.type, unit.history(item.oid, before, NOON))
        return [time for time, _ in records]

    assert len(stamps(NOON)) < 41
    assert len(stamps(NOON - DAY)) == 41
    assert not [time for time in stamps(NOON) if NOON - 5 * 3600 <= time <= NOON - 3 * 3600]
    assert stamps(NOON - 10 * DAY) == []
    assert stamps(NOON - 61 * DAY) == []


# -- connections ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_reset_comes_in_the_middle_of_an_answer():
    talk = asked(ResetMidFrame(100.0, seed=1), count=1000)
    assert len(talk.cuts) == pytest.approx(10, abs=1)
    assert {cut for _, cut in talk.cuts} == {Cut.RESET}
    assert len(talk.witness.damaged) == len(talk.cuts)
    at = dict(talk.heard)
    for due, _ in talk.cuts:
        assert 7 <= len(at[due]) <= 8
    assert good(talk) == parsed(talk.frames())


def test_half_open_connections_are_cut_without_any_byte():
    talk = Talk(HalfOpen(1000.0))
    talk.until(10_000.0)
    assert [cut for _, cut in talk.cuts] == [Cut.HALF_OPEN] * 10
    assert talk.heard == []
    assert talk.bridge.access(5000.0) is Access.OPEN


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "state", "cuts"),
    [
        (Mute(100.0, (10.0, 20.0)), Access.SILENT, 0),
        (Refusing(100.0, (10.0, 20.0)), Access.REFUSED, 10),
    ],
)
def test_a_unit_is_out_of_reach_for_a_while(fault, state, cuts):
    talk = asked(fault, count=1000)
    states = Counter(talk.bridge.access(float(now)) for now in range(1000))
    assert set(states) == {Access.OPEN, state}
    assert states[state] == pytest.approx(150, abs=25)
    assert len([due for due, _ in talk.cuts if due < 1000.0]) == cuts
    for sent in talk.witness.good:
        assert talk.bridge.access(sent.at) is Access.OPEN
        assert talk.bridge.access(sent.reply.asked) is Access.OPEN
    assert len(talk.witness.good) == pytest.approx(states[Access.OPEN], abs=10)


@pytest.mark.parametrize("speed", [1.0, 60.0])
@pytest.mark.parametrize(("sun", "first"), [(12.0, 10.0), (23.0, 23.0), (3.0, 19.0)])
def test_the_night_passes_at_the_speed_of_the_world(speed, sun, first):
    """Off at 22, on at 5.5; started at noon, in the late evening, or in the small hours."""
    unit = RctUnit(start=NOON, zone=UTC, sun=sun)
    bridge = Bridge(unit, speed=speed, faults=[Night()])
    bridge.start(50.0)
    hour = 3600.0 / speed
    states = [bridge.access(50.0 + n / 4 * hour) for n in range(1, 4 * 48)]
    dark = sum(state is Access.REFUSED for state in states) / 4
    assert dark == pytest.approx(15.0, abs=0.5)
    assert (states[0] is Access.REFUSED) is (sun != 12.0)
    times = []
    while len(times) < 2:
        due = bridge.next_due()
        bridge.pull(due)
        if bridge.take_cut() is Cut.HALF_OPEN:
            times.append((due - 50.0) / hour)
    assert times == pytest.approx([first, first + 24.0])


# -- other clients ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_app_asks_at_its_own_pace_and_everybody_hears_the_answers():
    app = App(every=1.0, batch=4)
    talk = Talk(app)
    talk.until(600.0)
    assert app.record.asked == app.record.answered == pytest.approx(2400, abs=8)
    assert 0.02 < app.record.seconds / app.record.answered < 0.2
    assert good(talk) == parsed(talk.frames())
    assert len(talk.witness.good) == app.record.asked
    assert talk.bridge.observed.noise == 1  # its hello
    assert {sent.reply.client for sent in talk.witness.good} == {1}
    assert talk.client == 2


@pytest.mark.slow
@pytest.mark.measured
def test_the_app_counts_what_is_not_answered_in_time():
    app = App()
    talk = Talk(app, Dropped(0.25, seed=1))
    talk.until(600.0)
    assert app.record.asked == pytest.approx(2400, abs=20)
    assert app.record.answered / app.record.asked == pytest.approx(0.75, abs=0.04)
    slow = App(timeout=0.01)
    Talk(slow).until(100.0)
    assert slow.record.answered == 0
    assert slow.record.asked > 300


@pytest.mark.slow
def test_requests_of_others_take_their_share_of_the_line():
    alone = asked(items=(CELLS,), count=200, every=0.1)
    crowded = asked(App(0.1), items=(CELLS,), count=200, every=0.1)

    def delay(talk):
        own = [sent for sent in talk.witness.good if sent.reply.client == talk.client]
        return sum(sent.at - sent.reply.asked for sent in own) / len(own)

    assert delay(crowded) > delay(alone) + 0.003


@pytest.mark.slow
def test_the_portal_queries_the_logger():
    portal = Portal()
    talk = Talk(portal)
    talk.until(900.0)
    found = talk.frames()
    long = [item for item in found if item.command == frame.LONG_RESPONSE]
    assert {BY_OID[item.oid].logger for item in long} == {True}
    assert len(long) == 24
    assert max(len(item.payload) for item in long) > 1000
    assert portal.record.answered == portal.record.asked > 300
    assert talk.bridge.observed.writes == 0
    assert set(kinds(talk.events())) == {"answer"}


@pytest.mark.slow
@pytest.mark.measured
def test_all_answers_to_others_are_answers_to_us_too():
    """The same ids, other ids, and long ones; the collector takes them as they come."""
    talk = Talk(App(), Portal())
    talk.until(300.0)
    events = talk.events()
    assert all(isinstance(event, Answer) for event in events)
    assert len(events) == len(talk.witness.good)


# -- time -------------------------------------------------------------------------------------


@given(
    every=st.floats(1.0, 1e5),
    share=st.floats(0.0, 1.0),
    of=st.integers(0, 1 << 64),
    time=st.floats(0.0, 1e6),
)
def test_windows_come_once_in_each_period_and_have_edges(every, share, of, time):
    windows = Windows(every, (0.0, share * every), of=of, origin=0.0)
    for number in range(5):
        begin, end = windows.window(number)
        assert number * every * (1 - 1e-9) <= begin <= end <= (number + 1) * every * (1 + 1e-9)
    edge = windows.next_edge(time)
    assert edge > time
    inside = windows.at(time)
    middle = (time + edge) / 2
    assert windows.at(middle) == inside or middle in (time, edge)
    if inside:
        assert windows.latest(time) == inside[0]


# -- together ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_among(PROFILES, "flood"))
def test_a_profile_is_the_same_for_the_same_seed(name):
    def transcript(seed):
        return asked(*faults([name], seed), items=READ, count=120, every=0.2).heard

    assert transcript(1) == transcript(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["app", "portal", "plant", "harsh", "flaky-wifi"])
def test_a_profile_differs_with_the_seed(name):
    one, other = (
        asked(*faults([name], seed), items=READ, count=120, every=10.0) for seed in (1, 2)
    )
    assert (one.heard, one.cuts) != (other.heard, other.cuts)


@pytest.mark.slow
def test_harsh_spoils_a_quarter_of_all_answers():
    talk = asked(*faults(["harsh"], 1), items=READ, count=4000, every=0.5)
    in_time = {
        (sent.reply.oid, sent.reply.asked)
        for sent in talk.witness.good
        if sent.reply.client == talk.client and sent.at - sent.reply.asked < 2.0
    }
    assert 1 - len(in_time) / 4000 == pytest.approx(0.25, abs=0.025)
    ways = kinds(talk.events())
    assert {"answer", "crc", "length", "echo", "noise", "foreign"} <= set(ways)
    assert talk.bridge.observed.dropped == pytest.approx(240, abs=60)


@pytest.mark.slow
def test_what_happens_to_one_client_does_not_depend_on_the_others():
    """Chance is drawn for a request, not from a generator that all share."""
    alone = asked(Dropped(0.3, seed=1), count=300)
    crowd = asked(App(), Dropped(0.3, seed=1), count=300)
    own = [sent.reply.asked for sent in crowd.witness.good if sent.reply.client == crowd.client]
    assert own == [sent.reply.asked for sent in alone.witness.good]


def test_unknown_names_are_errors():
    with pytest.raises(KeyError, match="sabotage"):
        faults(["app", "sabotage"])


REQUESTS = st.lists(
    st.tuples(st.sampled_from(OBJECTS), st.sampled_from((0.0, 0.004, 0.06, 0.3, 3.0, 70.0))),
    max_size=60,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(
    # A flood has a test of its own: its bytes would take minutes here.
    names=st.lists(st.sampled_from(sorted(PROFILES.keys() - {"flood"})), max_size=4),
    seed=st.integers(0, 1000),
    wanted=REQUESTS,
    speed=st.sampled_from((1.0, 600.0)),
)
def test_any_chain_keeps_the_stream_parseable_and_the_record_true(names, seed, wanted, speed):
    """What a frame reader finds in the stream is what the record says was sent well.

    But for payloads that were cut: their checksum is valid, and the record has them as damaged.
    """
    talk = Talk(*faults(names, seed), seed=seed, speed=speed)
    now = 0.0
    for item, pause in wanted:
        now += pause
        talk.ask(item, now)
    talk.until(now + 5.0)
    talk.end()
    assert all(isinstance(event, Answer | Garbled) for event in talk.events())
    reader = frame.FrameReader()
    found = parsed(reader.feed(talk.data) + reader.feed(b"\0\x2b\0"))
    damaged = b"".join(sent.data + b"\0\x2b\0" for sent in talk.witness.damaged)
    stumps = set(parsed(frame.FrameReader().feed(damaged)))
    assert [entry for entry in found if entry not in stumps] == good(talk)
    assert not stumps & set(good(talk))
    for sent in talk.witness.good:
        assert sent.at >= sent.reply.asked
        assert frame.FrameReader().feed(sent.reply.frame)[0].payload == sent.reply.payload
