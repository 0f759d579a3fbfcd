"""Any number of units that dial in to one device: each its own call, bounded, none in another's."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest

from rct_collector.drivers.base import Fault, Garbled, Record, Reply
from rct_collector.lines import gathering
from rct_collector.lines.callers import MOST_TOLD, MOST_UNPROVEN_BYTES, PROOF_S
from rct_collector.lines.gathering import MOST_BEHIND, MOST_IDLE_S, GatheringLine
from rct_collector.transport import parse_address
from tests.dialling import Doors
from tests.lines.words import Attached, Lock, Words
from tests.virtual import run
from tests.work import calls

STATION = parse_address("listen://0.0.0.0:7777", {"listen": {}})


class Many(Attached):
    """A device that notes what it is told of all units together."""

    def __init__(self, line):
        self.name, self.told, self.errors, self.fails = "roof", [], [], False
        self.port = line.attach("", self, many=True)


class Bench:
    def __init__(self, lock=None):
        self.doors = Doors()
        self.line = GatheringLine("roof", STATION, self.doors, Words, wall_ns=lambda: 7, lock=lock)
        self.device = Many(self.line)

    def call(self, text=""):
        """Somebody calls, and says something."""
        call = self.doors.call()
        if text:
            call.say(text.encode())
        return call

    @property
    def rejected(self):
        return self.line.calls.rejected


@pytest.fixture
def with_bench(caplog):
    """Run a test's coroutine function with a line that is open; what was logged."""
    caplog.set_level(logging.INFO)

    def runs(test, **more):
        async def main(_loop):
            bench = Bench(**more)
            async with bench.device.open(0.01):
                await test(bench)
            assert bench.doors.held == 0
            assert bench.line._by_unit == bench.line._unknown == {}

        run(main)
        return [r.getMessage() for r in caplog.records]

    return runs


def test_all_who_call_are_heard_by_one_device(with_bench):
    async def test(bench):
        one, two = bench.call("1=10\n"), bench.call("2=2")
        one.say(b"1=11\n")
        two.say(b"0\n")
        assert bench.device.heard() == [10, 11, 20]
        assert (one.is_open, two.is_open) == (True, True)
        assert bench.line.calls == (2, 0)
        assert bench.device.told.count("opened") == 1

    assert with_bench(test) == []


def test_each_is_replied_to_over_its_own_call(with_bench):
    async def test(bench):
        one, two = bench.call("1=10\n?\n"), bench.call("2=20\n")
        two.say(b"?\n?\n")
        assert (one.sent, two.sent) == ([b"ack\n"], [b"ack\n"] * 2)
        assert bench.device.port.sent_bytes == 3 * len(b"ack\n")

    with_bench(test)


def test_bytes_are_counted_whoever_sends_them(with_bench):
    async def test(bench):
        for unit in range(5):
            bench.call(f"{unit}=1\n").say(b"noise\n")
        assert bench.device.port.received_bytes == 5 * 10
        assert bench.device.heard().count(Fault.NOISE) == 5

    with_bench(test)


def test_a_unit_that_calls_anew_takes_the_place_of_its_former_call_alone(with_bench):
    async def test(bench):
        one, two = bench.call("1=1\n"), bench.call("2=2\n")
        again = bench.call("1=3\n")
        assert (one.is_open, two.is_open, again.is_open) == (False, True, True)
        assert bench.device.heard() == [1, 2, 3]
        assert bench.device.port.opened == 3
        assert bench.rejected == 0

    assert with_bench(test) == []


def test_who_tells_of_a_unit_that_calls_itself_does_not_take_its_place(with_bench):
    async def test(bench):
        one, two = bench.call("1=1\n1?\n"), bench.call("2=2\n2?\n")
        two.say(b"1=3\n2?\n")
        assert (one.is_open, two.is_open) == (True, True)
        assert [item for item in bench.device.heard() if type(item) is int] == [1, 2, 3]

    with_bench(test)


def test_a_caller_with_several_units_stays_while_any_is_its_own(with_bench):
    async def test(bench):
        bus = bench.call("1=1\n2=2\n")
        first = bench.call("1=3\n")
        assert bus.is_open
        second = bench.call("2=4\n")
        assert not bus.is_open
        assert (first.is_open, second.is_open) == (True, True)

    with_bench(test)


def test_units_that_a_caller_invents_cost_no_memory(with_bench):
    async def test(bench):
        call = bench.call()
        for n in range(10 * MOST_BEHIND):
            call.say(f"{n}=1\n{n}?\n".encode())
        assert len(bench.line._by_unit) == MOST_BEHIND
        assert len(call.sent) == MOST_BEHIND, "the rest is not answered"
        heard = bench.device.heard()
        assert heard.count(1) == MOST_BEHIND, "nor told to the device"
        assert heard.count(Fault.FOREIGN) == 2 * 9 * MOST_BEHIND, "but counted"
        other = bench.call(f"{5 * MOST_BEHIND}=7\n")
        assert bench.device.heard()[-1] == 7
        assert other.is_open

    with_bench(test)


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ("r1 a1", "r1 a1"),
        ("r1 r2 a1 r1 a1", "r1 - r1 a1"),  # what 1 says of 2, too
        ("r2 a2 r1 a1", "- - r1 a1"),
        ("a2 r1 a1", "- r1 a1"),
        ("r2 r2 a1", "- -"),
        ("r2", "-"),
    ],
)
def test_what_is_left_out_is_not_acknowledged(events, left):
    made = {
        "r1": Record("1", 0, 0, ()),
        "r2": Record("2", 0, 0, ()),
        "a1": Reply(b"1", "1"),
        "a2": Reply(b"2", "2"),
    }
    found = gathering._without([made[word] for word in events.split()], {"2"}, "somebody")
    words = {event: word for word, event in made.items()}
    assert " ".join(words.get(event, "-") for event in found) == left
    assert all(event.reason for event in found if type(event) is Garbled)


def test_it_is_open_while_anybody_is_there(with_bench):
    async def test(bench):
        device = bench.device
        assert device.port.last_error == "nobody has called yet"
        one, two = bench.call("1=1\n"), bench.call("2=2\n")
        assert (device.port.is_open, device.port.last_error) == (True, "")
        one.hang_up()
        assert (device.port.is_open, device.port.last_error) == (True, "")
        two.hang_up("the device reset the connection")
        assert not device.port.is_open
        assert device.port.last_error == "the device reset the connection"
        assert device.told.count("lost") == 1
        bench.call("1=3\n")
        assert device.port.is_open
        assert device.told.count("opened") == 2
        bench.line.close()
        assert device.port.last_error == "", "nobody was lost: it was we who closed"

    assert with_bench(test) == [], "units come and go"


def test_who_only_calls_opens_nothing(with_bench):
    async def test(bench):
        bench.call()
        bench.call("GET / HTTP/1.0\n")
        assert not bench.device.port.is_open

    with_bench(test)


def test_nobody_is_a_stranger_while_the_line_is_about_to_be_closed(with_bench):
    async def test(bench):
        one = bench.call("1=10\n")
        bench.line.ports.leave(bench.device.port)
        one.say(b"2=20\n")
        assert bench.device.heard() == [10]
        assert not bench.line.ports.strangers

    assert with_bench(test) == []


# -- strangers, and limits -----------------------------------------------------------------------


def test_who_sends_nonsense_is_hung_up_on_and_counted(with_bench):
    async def test(bench):
        for _ in range(5):
            call = bench.call()
            while call.is_open:
                call.say(b"x" * 512 + b"\n")
        assert bench.rejected == 5
        assert bench.doors.held == 0

    told = with_bench(test)
    assert len(told) == MOST_TOLD
    assert told[0].endswith(
        f"is hung up on: {(MOST_UNPROVEN_BYTES // 513 + 1) * 513} bytes that mean nothing"
    )


def test_who_belongs_elsewhere_is_hung_up_on_and_disturbs_nobody(with_bench):
    async def test(bench):
        known, other = bench.call("1=1\n"), bench.call("UPS\n")
        assert (known.is_open, other.is_open, bench.rejected) == (True, False, 1)
        assert bench.device.port.is_open

    with_bench(test)


def test_who_says_nothing_is_hung_up_on(with_bench):
    async def test(bench):
        call, known = bench.call(), bench.call("1=1\n")
        await asyncio.sleep(PROOF_S + 1)
        assert (call.is_open, known.is_open, bench.rejected) == (False, True, 1)

    with_bench(test)


@pytest.mark.parametrize("says", [b"", b"noise\n"])
def test_who_says_nothing_for_long_is_hung_up_on_though_it_was_known(with_bench, says):
    async def test(bench):
        silent, well = bench.call("1=1\n"), bench.call("2=1\n")
        for _ in range(int(MOST_IDLE_S // 60) + 1):
            await asyncio.sleep(60)
            silent.say(says)
            well.say(b"2=1\n")
            bench.line.tend()
        assert (silent.is_open, well.is_open, bench.rejected) == (False, True, 0)

    with_bench(test)


@pytest.mark.slow
def test_a_plant_that_calls_at_once_is_taken(with_bench):
    """All are unknown before the first of them has said a word."""

    async def test(bench):
        calls = [bench.call() for _ in range(1000)]
        for number, call in enumerate(calls):
            call.say(f"{number}=1\n".encode())
        assert bench.doors.held == 1000
        assert len(bench.device.heard()) == 1000

    assert with_bench(test) == []


def test_strangers_make_room_for_who_calls_next(with_bench, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_CALLS", 4)

    async def test(bench):
        known = bench.call("1=1\n")
        for _ in range(100):
            bench.call()
            assert bench.doors.held <= 4
        other = bench.call("2=2\n")
        assert (known.is_open, other.is_open) == (True, True)
        assert bench.device.heard() == [1, 2]

    with_bench(test)


def test_when_all_are_known_one_more_is_refused_and_told_of(with_bench, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_CALLS", 4)

    async def test(bench):
        calls = [bench.call(f"{number}=1\n") for number in range(4)]
        more = [bench.call("9=1\n") for _ in range(10)]
        assert all(call.is_open for call in calls)
        assert not any(call.is_open for call in more)
        assert bench.rejected == 10
        assert bench.device.heard() == [1] * 4
        calls[0].hang_up()
        assert bench.call("9=1\n").is_open

    told = with_bench(test)
    assert len(told) == MOST_TOLD
    assert told[0] == (
        "roof: one more has called, and is hung up on: there are 4 already; let the rest call"
        " another address, of another device"
    )


def test_calls_leave_files_to_the_rest_of_the_process(with_bench, monkeypatch):
    monkeypatch.setattr(gathering, "descriptors", lambda: (20, gathering.RESERVE + 23))

    async def test(bench):
        for number in range(5):
            bench.call(f"{number}=1\n")
        assert bench.doors.held == 3

    assert "raise the limit of open files" in with_bench(test)[0]


def test_a_call_is_taken_with_the_same_work_however_many_have_called(with_bench):
    effort = []

    async def test(bench):
        for unit in range(300):
            effort.append(calls(bench.call))
            call = bench.doors.calls[-1]
            effort.append(calls(partial(call.say, f"{unit}=1\n".encode())))

    with_bench(test)
    # At its least, since what is collected meanwhile as garbage is work, too.
    for kind in (0, 1):
        assert min(effort[-40 + kind :: 2]) == min(effort[40 + kind : 80 : 2])


# -- coming and going ----------------------------------------------------------------------------


def test_a_first_round_waits_for_a_call_with_patience():
    async def main(loop):
        bench = Bench()
        begun = loop.time()
        loop.call_later(2.0, bench.call, "1=1\n")
        async with bench.device.open(30.0):
            assert loop.time() - begun == pytest.approx(2.0)
            assert bench.device.port.is_open

    run(main)


def test_who_gives_way_to_another_process_hangs_up_on_all(with_bench):
    lock = Lock()

    async def test(bench):
        calls = [bench.call("1=1\n"), bench.call("2=1\n"), bench.call()]
        lock.busy = True
        bench.line.tend()
        assert not any(call.is_open for call in calls)
        assert not bench.device.port.is_open
        assert "already collected" in bench.device.port.last_error
        lock.busy = False
        await asyncio.sleep(300)
        bench.call("1=2\n")
        assert bench.device.heard() == [1, 1, 2]

    with_bench(test, lock=lock)
