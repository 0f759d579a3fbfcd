"""One line and all who are behind it: who is told what, and whose trouble is whose."""

from __future__ import annotations

import asyncio
import logging

import pytest

from rct_collector.drivers.base import Ask, Fault
from rct_collector.errors import BusyError, TransportError
from rct_collector.lines.conversation import SILENCE_S, WATCHDOG_S
from rct_collector.lines.port import MOST_COUNTED, MOST_STRANGERS
from rct_collector.lines.shared import SharedLine
from tests.addresses import tcp
from tests.lines.words import POWER, Attached, Lock, Words
from tests.virtual import run


class Lines:
    """An opener; what it opens is in the hands of the test."""

    def __init__(self):
        self.sent, self.opened, self.closed, self.refuse = [], 0, 0, ""
        self.receive = self.lost = None
        self.is_paused = False

    async def __call__(self, address, receive, lost, timeout):
        await asyncio.sleep(0.01)
        if self.refuse:
            raise TransportError(self.refuse)
        self.opened += 1
        self.receive, self.lost = receive, lost
        return self

    def send(self, data):
        self.sent.append(data)

    def pause(self):
        self.is_paused = True

    def resume(self):
        self.is_paused = False

    def close(self):
        self.closed += 1


class Bench:
    def __init__(self, *units, lock=None):
        self.lines, self.session = Lines(), Words()
        self.line = SharedLine(
            "roof", self.lines, tcp("unit.test:1"), self.session, wall_ns=lambda: 7, lock=lock
        )
        self.devices = [Attached(self.line, unit) for unit in units]

    def say(self, text):
        self.lines.receive(text.encode())

    async def __aenter__(self):
        self._stack = [device.open() for device in self.devices]
        for item in self._stack:
            await item.__aenter__()
        return self

    async def __aexit__(self, *rest):
        for item in self._stack:
            await item.__aexit__(None, None, None)


def with_bench(*units):
    """A test gets a line with devices for these units, open."""

    def decorate(test):
        def wrapped(caplog):
            caplog.set_level(logging.INFO)

            async def main(_loop):
                async with Bench(*units) as bench:
                    bench.caplog = caplog
                    await test(bench)

            run(main)

        wrapped.__name__ = test.__name__
        return wrapped

    return decorate


# -- who is told what --------------------------------------------------------------------------


@with_bench("1", "2")
async def test_each_unit_s_answers_find_its_device(bench):
    one, two = bench.devices
    bench.say("1=10\n2=20\n2=21\n1!\n")
    assert one.heard() == [10, POWER]
    assert two.heard() == [20, 21]
    assert bench.session.times == [7]


@with_bench("")
async def test_alone_it_hears_of_every_byte(bench):
    (device,) = bench.devices
    bench.say("=1")
    bench.say("5\nnoise\n")
    assert device.told == ["opened", [], [15, Fault.NOISE]]
    assert device.port.received_bytes == 10


@with_bench("1", "2")
async def test_noise_is_of_the_unit_that_is_being_asked_or_of_all(bench):
    one, two = bench.devices
    bench.say("9\n")  # though it seems to name a unit
    assert (one.heard(), two.heard()) == ([Fault.NOISE], [Fault.NOISE])
    assert two.port.take_turn()
    bench.say("noise\nhalf")
    assert (one.heard(), two.heard()) == ([Fault.NOISE], [Fault.NOISE] * 2)
    assert one.port.received_bytes == 2


@with_bench("1")
async def test_what_asks_for_a_reply_gets_it_at_once(bench):
    bench.say("?\n1=1\n")
    assert bench.lines.sent == [b"ack\n"]


@with_bench("1", "2")
async def test_units_that_nobody_has_are_counted_and_told_of_once(bench):
    for n in range(3, 3 + 2 * MOST_COUNTED):
        bench.say(f"{n}=1\n{n}=2\n")
    bench.say("3=1\n")
    assert [device.heard() for device in bench.devices] == [[], []]
    assert len(bench.line.ports.strangers) == MOST_COUNTED
    assert bench.line.ports.strangers["3"] == 3
    told = [r.getMessage() for r in bench.caplog.records if r.levelno >= logging.WARNING]
    assert len(told) == MOST_STRANGERS
    assert told[0] == (
        "device 1, device 2: the unit '3' is on the line, too, and no device of the configuration"
        " is it"
    )


@with_bench("1", "2")
async def test_requests_name_their_unit_and_are_counted_with_it(bench):
    one, two = bench.devices
    two.port.ask(Ask(POWER, two.port.unit), asyncio.get_running_loop().time())
    one.port.send(b"probe")
    assert bench.lines.sent == [b"2?\n", b"probe"]
    assert (one.port.sent_bytes, two.port.sent_bytes) == (5, 3)
    two.port.abandon(Ask(POWER, "2"))
    assert bench.session.abandoned == ["2"]


# -- whose trouble it is -----------------------------------------------------------------------


@with_bench("1", "2")
async def test_a_bug_of_one_device_is_its_own(bench):
    one, two = bench.devices
    one.fails = True
    bench.say("1=1\n2=2\n")
    assert two.heard() == [2]
    bench.lines.lost("reset")
    await asyncio.sleep(5)
    assert two.told == ["opened", [2], "lost", "opened"]
    assert len(one.errors) == 3
    assert bench.line.link.is_open
    assert not bench.caplog.text.count("bug"), "its device tells of it"


@with_bench("1", "2")
async def test_all_hear_of_a_loss_and_it_is_said_once(bench):
    bench.say("1=1\n")
    assert bench.devices[1].port.last_error == ""
    bench.lines.refuse = "refused"
    bench.lines.lost("the device reset the connection")
    assert not any(device.port.is_open for device in bench.devices)
    await asyncio.sleep(60)
    assert [device.told[-1] for device in bench.devices] == ["lost", "lost"]
    assert bench.devices[1].port.last_error == "refused"
    bench.lines.refuse = ""
    await asyncio.sleep(60)
    bench.say("2=2\n")
    assert bench.devices[0].port.last_error == ""
    assert [r.getMessage() for r in bench.caplog.records] == [
        "device 1, device 2: the device reset the connection; trying again until it works",
        "device 1, device 2: unit.test:1 answers again",
    ]


@with_bench("1", "2", "3", "4", "5")
async def test_not_all_of_many_are_named(bench):
    bench.lines.lost("the device reset the connection")
    await asyncio.sleep(0.1)
    assert (
        bench.caplog.records[0]
        .getMessage()
        .startswith("device 1, device 2, device 3 and 2 more: the device reset")
    )


@with_bench("1", "2")
async def test_a_silent_unit_does_not_take_the_line_from_one_that_answers(bench):
    one, _ = bench.devices
    loop = asyncio.get_running_loop()
    for _ in range(10):
        one.port.ask(Ask(POWER, "1"), loop.time())
        await asyncio.sleep(WATCHDOG_S / 2)
        assert not one.port.drop_if_deaf(loop.time())
        bench.say("2=2\n")
    one.port.ask(Ask(POWER, "1"), loop.time())
    await asyncio.sleep(WATCHDOG_S + 1)
    assert one.port.drop_if_deaf(loop.time())
    assert [device.told[-1] for device in bench.devices] == ["lost", "lost"]


@with_bench("1")
async def test_half_an_answer_does_not_survive_silence_nor_the_line(bench):
    (device,) = bench.devices
    bench.say("1=")
    await asyncio.sleep(SILENCE_S + 0.1)
    bench.say("1=3\n1=")
    bench.lines.lost("reset")
    await asyncio.sleep(3)
    bench.say("1=4\n")
    assert device.heard() == [3, 4]


@with_bench("1", "2")
async def test_a_turn_ends_with_the_line(bench):
    one, two = bench.devices
    assert one.port.take_turn()
    assert not two.port.take_turn()
    bench.lines.lost("reset")
    await asyncio.sleep(3)
    assert two.port.take_turn()


@with_bench("1", "2")
async def test_a_block_has_the_line_to_itself_until_that_is_lost(bench):
    one, two = bench.devices
    async with one.port.turn():
        assert not one.port.take_turn(), "not even its own rounds go on"
        assert not two.port.take_turn()
    await asyncio.sleep(0)
    assert one.told[-1] == "turn"
    one.port.take_turn()
    bench.lines.refuse = "refused"
    waiting = asyncio.create_task(two.port.turn().__aenter__())
    await asyncio.sleep(0)
    bench.lines.lost("reset")
    with pytest.raises(TransportError, match="re"):
        await waiting


# -- coming and going --------------------------------------------------------------------------


def test_the_line_is_open_while_anybody_takes_part():
    async def main(_loop):
        bench = Bench("1", "2")
        one, two = bench.devices
        async with one.open():
            bench.say("1=1\n2=2\n")
            async with two.open():
                assert two.told == ["opened"], "it is open already"
                bench.say("1=1\n2=2\n")
            bench.say("2=2\n")
            assert bench.lines.closed == 0
        assert bench.lines.closed == 1
        assert two.heard() == [2]
        async with two.open():
            assert two.port.is_open
        return bench.lines.opened, bench.lines.closed

    assert run(main) == (2, 2)


def test_who_comes_while_the_last_one_leaves_has_a_line():
    async def main(_loop):
        bench = Bench("1", "2", "3")
        one, *others = bench.devices
        going = one.open()
        await going.__aenter__()

        async def stay(device):
            async with device.open():
                await asyncio.sleep(5)
                return device.port.is_open

        leaving = asyncio.create_task(going.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert not bench.line.ports
        found = await asyncio.gather(*map(stay, others))
        await leaving
        return found, bench.lines.opened, bench.lines.closed

    assert run(main) == ([True, True], 2, 2)


def test_two_devices_cannot_be_one_unit():
    async def main(_loop):
        bench = Bench("1", "1")
        one, two = bench.devices
        async with one.open():
            with pytest.raises(ValueError, match="device 1 and device 1 are the same unit '1'"):
                async with two.open():
                    pass
            bench.say("1=1\n")
        assert one.heard() == [1]

    run(main)


def test_a_line_that_does_not_open_is_waited_for_with_patience():
    async def main(loop):
        bench = Bench("1")
        bench.lines.refuse = "refused"
        begun = loop.time()
        async with bench.devices[0].open(3.0):
            assert loop.time() - begun < 1
            assert bench.devices[0].told == []
            assert bench.devices[0].port.last_error == "refused"

    run(main)


def test_the_lock_is_the_line_s():
    async def main(_loop):
        bench = Bench("1", "2", lock=(lock := Lock()))
        async with bench:
            assert lock.done == ["acquire", "confirm"]
            bench.line.tend()
        assert lock.done[2:] == ["tend", "release"]
        assert bench.line.refusal is None

    run(main)


def test_all_give_way_to_who_has_the_lock_as_well():
    async def main(_loop):
        bench = Bench("1", "2", lock=(lock := Lock()))
        async with bench:
            lock.busy = True
            bench.line.tend()
            assert [device.told[-1] for device in bench.devices] == ["lost", "lost"]
            await asyncio.sleep(30)
            assert bench.lines.opened == 1
        with pytest.raises(BusyError):
            bench.line.claim()

    run(main)


@pytest.mark.parametrize(("said", "given_back"), [("1=5\n", False), ("UPS\n", True), ("", True)])
def test_where_a_line_led_is_kept_from_others_only_when_it_was_of_use(said, given_back):
    """The address is; but the next attempt may lead elsewhere, and another one there meanwhile."""
    lock = Lock()

    async def main(_loop):
        async with Bench("1", lock=lock) as bench:
            if said:
                bench.say(said)
            bench.lines.lost("gone") if said != "UPS\n" else None
            return list(lock.done)

    assert run(main) == ["acquire", "confirm"] + ["confirm"] * given_back
