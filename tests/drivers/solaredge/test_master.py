"""Who may speak on a bus, told by a clock that the tests turn."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.frame import Frame, FrameReader
from rct_collector.drivers.solaredge.master import LISTEN_S, LONGEST_PAUSE_S, Master
from rct_collector.drivers.solaredge.request import SERVER, TOOL

FIRST, SECOND = 0x7F101234, 0xBE105678


class Bus:
    """A master, and a clock."""

    def __init__(self, *units, **more):
        self.master = Master(units or (FIRST, SECOND), **more)
        self.now = 1000.0
        self.grants = []

    def run(self, seconds=0.0):
        """Let time pass; gives the grants of it: seconds from the begin, unit."""
        end = self.now + seconds
        before = len(self.grants)
        for _ in range(10_000):
            due = self.master.next_due()
            if due > end:
                break
            self.now = max(self.now, due)
            if data := self.master.pull(self.now):
                (grant,) = FrameReader().feed(data)
                assert (grant.function, grant.source) == (functions.GRANT, SERVER)
                self.grants.append((self.now, grant))
        else:
            raise AssertionError("it does not wait")
        self.now = end
        return [(at - 1000, grant.destination) for at, grant in self.grants[before:]]

    def say(self, source, function, sequence=None):
        number = self.grants[-1][1].sequence if sequence is None else sequence
        return self.master.heard(Frame(number, source, SERVER, function))

    def release(self, source):
        return self.say(source, functions.RELEASE)


def test_it_listens_before_it_speaks():
    bus = Bus()
    assert bus.run(LISTEN_S - 0.1) == []
    assert bus.run(0.1) == [(LISTEN_S, FIRST)]


def test_units_speak_in_turn_and_a_round_is_followed_by_a_pause():
    bus = Bus()
    bus.run(4)
    bus.release(FIRST)
    assert bus.run(1) == [(4, SECOND)]
    bus.release(SECOND)
    assert bus.run(4.9) == []
    assert bus.run(0.2) == [(10, FIRST)]
    numbers = [grant.sequence for _, grant in bus.grants]
    assert len(set(numbers)) == 3


@pytest.mark.parametrize(
    ("source", "function", "number"),
    [
        (SECOND, functions.RELEASE, None),  # of another unit
        (FIRST, functions.RELEASE, 7),  # of another grant
        (FIRST, functions.POST, None),
        (TOOL, functions.RELEASE, None),
    ],
)
def test_nothing_but_the_release_of_the_grant_ends_a_turn(source, function, number):
    bus = Bus()
    bus.run(3)
    bus.say(source, function, number)
    assert bus.run(9) == []
    bus.release(FIRST)
    assert bus.run(0) == [(12, SECOND)]


def test_an_old_release_that_turns_up_behind_the_right_one_costs_nothing():
    bus = Bus()
    bus.run(3)
    bus.release(FIRST)
    bus.say(FIRST, functions.RELEASE, 7)  # in the same piece
    assert bus.run(0) == [(3, SECOND)]


def test_a_silent_unit_costs_its_turn_only():
    bus = Bus(timeout_s=2)
    assert bus.run(5) == [(3, FIRST), (5, SECOND)]
    bus.release(SECOND)
    assert bus.run(5) == [(10, FIRST)]


def test_a_unit_that_speaks_is_waited_for_but_not_for_ever():
    bus = Bus(timeout_s=2)
    bus.run(3)
    for _ in range(11):
        bus.say(FIRST, functions.POST)
        assert bus.run(1) == []
    bus.say(FIRST, functions.POST)
    assert bus.run(1) == [(15, SECOND)]


def test_units_that_sleep_are_let_speak_less_often_until_they_are_heard():
    bus = Bus(FIRST, timeout_s=1, interval_s=5)
    times = [at for at, _ in bus.run(3600)]
    pauses = [round(b - a) for a, b in zip(times, times[1:], strict=False)]
    assert pauses[:6] == [6, 6, 11, 21, 41, 81]
    assert max(pauses) <= LONGEST_PAUSE_S + 6
    bus.say(FIRST, functions.POST)
    bus.run(LONGEST_PAUSE_S + 10)
    bus.release(FIRST)
    before = len(bus.grants)
    bus.run(12)
    assert len(bus.grants) - before == 2


def test_a_sleeping_unit_does_not_hold_up_others():
    bus = Bus(timeout_s=10, interval_s=5)
    for _ in range(100):
        bus.run(0.5)
        if bus.master.granted == SECOND:
            bus.release(SECOND)
    start = len(bus.grants)
    for _ in range(1200):
        bus.run(0.5)
        if bus.master.granted == SECOND:
            bus.release(SECOND)
    turns = [grant.destination for _, grant in bus.grants[start:]]
    assert turns.count(SECOND) > 90
    assert turns.count(FIRST) < 8


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Frame(7, 0x7F00AAAA, FIRST, functions.GRANT), "7F00AAAA lets 7F101234 speak"),
        (Frame(7, 0x7F00AAAA, FIRST, functions.READ_STATUS), "7F00AAAA lets 7F101234 speak"),
        (Frame(1, SERVER, FIRST, functions.GRANT), "FFFFFFFE lets 7F101234 speak"),
    ],
)
def test_another_master_is_told(frame, words):
    bus = Bus()
    bus.run(3)
    reason = bus.master.heard(frame)
    assert reason.startswith("the bus has a master already")
    assert words in reason
    assert "mode=passive" in reason


def test_our_own_words_may_come_back():
    bus = Bus()
    bus.run(3)
    assert bus.master.heard(bus.grants[-1][1]) == ""


def test_a_line_that_is_opened_anew_is_listened_to_again():
    bus = Bus()
    bus.run(3)
    bus.master.reset()
    assert bus.master.granted is None
    assert bus.run(3) == [(6, FIRST)]


acts = st.lists(
    st.one_of(
        st.floats(0, 30),
        st.tuples(st.sampled_from((FIRST, SECOND, TOOL)), st.sampled_from((0x500, 0x39A, 0x501))),
    ),
    max_size=40,
)


#: Seconds that a frame is on the line, at least, before it is heard.
FRAME_S = 0.001


@settings(deadline=None)
@given(acts)
@example([0.0, 13.0, (SECOND, functions.RELEASE), 5.0, (FIRST, functions.RELEASE)])
def test_there_is_one_speaker_at_a_time_and_each_comes_to_speak(deeds):
    bus = Bus()
    for deed in deeds:
        if isinstance(deed, float):
            bus.run(deed)
        elif bus.grants:
            bus.run(FRAME_S)
            bus.say(*deed)
    bus.run(4000)
    times = [at for at, _ in bus.grants]
    assert times == sorted(set(times))
    late = {grant.destination for at, grant in bus.grants if at > bus.now - 1500}
    assert late == {FIRST, SECOND}
