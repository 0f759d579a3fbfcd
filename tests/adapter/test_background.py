"""Collectors in a thread: what they bring waits, and they end when they are told to."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading

import pytest

from rct_collector import Background, Batch, Collector, Config
from rct_collector.adapter import background as module
from rct_collector.catalog import catalog
from rct_collector.receipt import Receipt
from tests.inverter import running_inverter
from tests.processes import nobody, wait_for

GRID = catalog().series("inverter_power.grid_watts")


def config(folder, address, name="roof"):
    entry = {"name": name, "driver": "rct", "address": address}
    return Config.parse({"devices": [entry], "state_dir": str(folder)})


def batch(number, *, size=1):
    return Batch("roof", "rct", (), number, ((GRID, 1.0),) * size, 10.0)


@pytest.mark.slow
def test_it_collects_from_all_configurations(tmp_path):
    with running_inverter() as one, running_inverter(seed=2) as other:
        found = set()
        background = Background(
            [config(tmp_path, one.address), config(tmp_path, other.address, "barn")]
        )
        assert list(background.take()) == []
        background.start(5)
        try:
            assert wait_for(
                lambda: found.update(b.source for b in background.take()) or len(found) > 1
            )
        finally:
            assert background.stop(5)
    assert found == {"roof", "barn"}
    assert "rct_collector" not in {thread.name for thread in threading.enumerate()}


def test_there_is_no_thread_before_the_start(tmp_path):
    before = threading.active_count()
    Background([config(tmp_path, nobody())])
    assert threading.active_count() == before


def test_it_tells_when_it_does_not_end(tmp_path, monkeypatch):
    release = threading.Event()

    async def stuck(self):
        release.wait(30)

    monkeypatch.setattr(module.Collector, "run", stuck)
    background = Background([config(tmp_path, nobody())])
    background.start(5)
    assert not background.stop(0.01)
    release.set()
    assert background.stop(10)
    assert background.stop(10), "a second time does no harm"


def test_the_oldest_make_room_and_are_counted(tmp_path, monkeypatch):
    lost = []
    monkeypatch.setattr(module.Collector, "dropped", lambda _, *what: lost.append(what))

    async def run(self):
        for number in range(5):
            background._emit(batch(number, size=number))

    monkeypatch.setattr(module.Collector, "run", run)
    background = Background([config(tmp_path, nobody())], most_waiting=3)
    background.start(5)
    assert wait_for(lambda: len(lost) >= 2)
    assert background.stop(5)
    assert [found.time_ns for found in background.take()] == [2, 3, 4]
    assert lost == [("roof", 0), ("roof", 1)]


def test_what_the_agent_does_not_take_is_counted_by_the_thread_of_the_collectors(
    tmp_path, monkeypatch
):
    counted = []

    def dropped(_, *what):
        counted.append((what, threading.current_thread().name))

    monkeypatch.setattr(module.Collector, "dropped", dropped)
    background = Background([config(tmp_path, nobody())])
    background.dropped("roof", 7)
    assert counted == [], "nobody counts before the start"
    background.start(5)
    assert wait_for(lambda: background._collectors)
    background.dropped("roof", 3)
    assert wait_for(lambda: counted)
    assert background.stop(5)
    background.dropped("roof", 7)
    assert counted == [(("roof", 3), "rct_collector")]


def test_a_bug_ends_the_thread_with_a_line_in_the_log(tmp_path, monkeypatch, caplog):
    class Broken(Collector):
        def __init__(self, *_, **_more):
            raise ZeroDivisionError("a bug")

    monkeypatch.setattr(module, "Collector", Broken)
    background = Background([config(tmp_path, nobody())])
    with caplog.at_level(logging.ERROR):
        background.start(5)
        assert background.stop(5)
    (record,) = caplog.records
    assert "bug: the collection has ended" in record.message
    assert record.exc_info[0] is ZeroDivisionError


def test_a_bug_in_one_configuration_is_none_of_the_others_and_it_begins_anew(
    tmp_path, monkeypatch, caplog
):
    begun = []

    class Broken(Collector):
        def __init__(self, config, emit, **_more):
            begun.append(config.devices[0].name)
            if begun.count("roof") == 1 and begun[-1] == "roof":
                raise ZeroDivisionError("a bug")

        async def run(self):
            await asyncio.Event().wait()

        def hang_up(self):
            pass

    monkeypatch.setattr(module, "Collector", Broken)
    monkeypatch.setattr(module, "RESTART_S", 0.01)
    background = Background([config(tmp_path, nobody()), config(tmp_path, nobody(1), "barn")])
    with caplog.at_level(logging.ERROR):
        background.start(5)
        assert wait_for(lambda: len(begun) == 3)
        assert background.stop(5)
    assert sorted(begun) == ["barn", "roof", "roof"]
    assert len(caplog.records) == 1


def test_without_a_loop_to_be_had_it_is_tried_again(tmp_path, monkeypatch, caplog):
    """Such as without a file descriptor for it."""
    failing = iter([OSError(errno.EMFILE, "Too many open files")] * 2)

    def new_event_loop(devices):
        error = next(failing, None)
        if error is not None:
            raise error
        return real(devices)

    real = module.new_event_loop
    monkeypatch.setattr(module, "new_event_loop", new_event_loop)
    monkeypatch.setattr(module, "RESTART_S", 0.01)
    background = Background([config(tmp_path, nobody())])
    with caplog.at_level(logging.ERROR):
        background.start(5)
        assert wait_for(lambda: list(background.take()))
        assert background.stop(5)
    assert len(caplog.records) == 2


def test_it_hangs_up_before_anything_else_when_it_is_to_end(tmp_path, monkeypatch):
    """What comes over the lines must not hold up the end, however much it is."""
    order = []

    async def run(self):
        try:
            await asyncio.Event().wait()
        finally:
            order.append("end")

    monkeypatch.setattr(module.Collector, "hang_up", lambda _: order.append("hang up"))
    monkeypatch.setattr(module.Collector, "run", run)
    background = Background([config(tmp_path, nobody())])
    background.start(5)
    assert wait_for(lambda: background._collectors)
    assert background.stop(5)
    assert order == ["hang up", "end"]


@pytest.mark.parametrize("taken", [0, 2])
def test_take_hands_over_once(tmp_path, taken):
    background = Background([config(tmp_path, nobody())])
    for number in range(taken):
        background._emit(batch(number))
    assert len(list(background.take())) == taken
    assert list(background.take()) == []


def test_what_waits_is_taken_when_the_agent_has_come_and_lost_when_it_must_go(
    tmp_path, monkeypatch
):
    """Whoever is to be told is told in the thread of the collectors."""
    told = []
    receipts = [Receipt() for _ in range(4)]

    async def run(self):
        for number, receipt in enumerate(receipts):
            receipt.then(
                lambda taken, n=number: told.append((n, taken, threading.current_thread()))
            )
            background._emit(batch(number)._replace(receipt=receipt))
            receipt.settle(True)
        await asyncio.sleep(3600)

    monkeypatch.setattr(module.Collector, "run", run)
    background = Background([config(tmp_path, nobody())], most_waiting=3)
    background.start(5)
    assert wait_for(lambda: told)
    assert [entry[:2] for entry in told] == [(0, False)]
    assert [found.time_ns for found in background.take()] == [1, 2, 3]
    assert wait_for(lambda: len(told) == 4)
    assert background.stop(5)
    assert [entry[:2] for entry in told[1:]] == [(1, True), (2, True), (3, True)]
    assert {entry[2] for entry in told} == {background._thread}


@pytest.mark.slow
def test_its_configurations_are_read_again_where_one_of_its_collectors_is_told_to(tmp_path):
    """As the doors of the devices tell it, in the thread of the collectors."""
    with running_inverter() as one, running_inverter(seed=2) as other:
        new = [config(tmp_path, one.address), config(tmp_path, other.address, "barn")]
        background = Background([new[0], Config()], again=lambda: new)
        background.start(5)
        found = set()
        try:
            assert wait_for(lambda: len(background._collectors) == 2)
            reload = background._collectors[1].broker.reload
            told = asyncio.run_coroutine_threadsafe(reload(), background._loop).result(30)
            assert (told["added"], told["unchanged"]) == (("barn",), ("roof",))
            assert wait_for(
                lambda: found.update(b.source for b in background.take()) or len(found) > 1
            )
        finally:
            assert background.stop(5)
    assert found == {"roof", "barn"}


def test_what_cannot_be_read_again_is_not():
    background = Background([Config()])
    background.start(5)
    assert wait_for(lambda: background._collectors)
    assert background._collectors[0].broker.reload is None
    assert background.stop(5)
