"""Recordings in place of a line: each record once, with its own time, whatever the file."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rct_collector.config import Config
from rct_collector.device.device import Device
from tests import virtual
from tests.capture.test_conversations import opening, pcap, segment
from tests.toys import plant
from tests.toys.running import WALL, Run, Unit
from tests.virtual import Recorder

UNIT, SERVER = ("192.0.2.1", 49152), ("192.0.2.10", 22222)
MAGIC = b"1;"
LINES = [f"{n};A{n % 2};inverter;{WALL + n};{100 * n}\n" for n in range(1, 6)]
PLAIN = "".join(LINES).encode()


@pytest.fixture
def driver(register):
    ways = {**plant.DRIVER.ways, "file": {"ports": "22222", "magic": MAGIC.hex()}}
    return register(replace(plant.DRIVER, ways=ways))


def values(run):
    """Unit, second and watts of each line of line protocol."""
    found = []
    for line in run.lines:
        head, field, time = line.split(" ")
        unit = head.partition("unit=")[2].partition(",")[0]
        watts = float(field.partition("=")[2])
        found.append((unit, (int(time) - WALL * 10**9) / 10**9, watts))
    return found


EXPECTED = [(f"A{n % 2}", n, 100.0 * n) for n in range(1, 6)]


def play(driver, path, seconds=5.0, **more):
    options = more.pop("options", "")
    return Run(driver, Unit(), seconds, address=f"file://{path}{options}", **more)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "day.rec"


def test_each_record_comes_once_with_its_own_time(driver, path):
    path.write_bytes(PLAIN)
    assert sorted(values(play(driver, path)), key=lambda row: row[1]) == EXPECTED


def test_directions_and_connections_of_a_capture_do_not_mix(driver, path):
    parts = [opening(source=UNIT, target=SERVER)]
    other = ("192.0.2.2", 49152)
    for n, line in enumerate(LINES[:2]):
        data = line.encode()
        source = (UNIT, other)[n]
        parts.append(segment(data[:9], 1, source=source, target=SERVER))
    parts.append(segment(b"A1 ACK 1\n", 1, source=SERVER, target=UNIT))
    for n, line in enumerate(LINES[:2]):
        data = line.encode()
        source = (UNIT, other)[n]
        parts.append(segment(data[9:], 10, source=source, target=SERVER))
    path.write_bytes(pcap(parts))
    assert sorted(values(play(driver, path)), key=lambda row: row[1]) == EXPECTED[:2]


def test_what_a_gap_has_torn_is_left_out(driver, path):
    first, second, third = (line.encode() for line in LINES[:3])
    parts = [
        opening(source=UNIT, target=SERVER),
        segment(first + second[:5], 1, source=UNIT, target=SERVER),
        segment(third, 1 + len(first + second), source=UNIT, target=SERVER),
    ]
    path.write_bytes(pcap(parts))
    assert [row[1] for row in values(play(driver, path))] == [1, 3]


def test_a_file_that_is_followed_goes_on(driver, path):
    path.write_bytes(PLAIN[:50])

    async def during(_run):
        path.write_bytes(PLAIN)
        await asyncio.sleep(3)

    run = play(driver, path, options="?follow=yes", during=during)
    assert sorted(values(run), key=lambda row: row[1]) == EXPECTED


def test_the_end_is_not_begun_anew(driver, path):
    path.write_bytes(PLAIN)
    run = play(driver, path, 600.0)
    assert len(values(run)) == 5
    assert run.device.port.opened == 1
    assert run.own("up")[0] == 1


def test_what_an_agent_has_no_room_for_is_handed_over_again(driver, path, monkeypatch):
    path.write_bytes(PLAIN)
    refused = []

    def take(self, batch):
        if batch.receipt is not None and len(refused) < 3:
            refused.append(batch)
            batch.receipt.lose()
        else:
            self.batches.append(batch)

    monkeypatch.setattr(Run, "take", take)
    run = play(driver, path, 60.0)
    assert len(refused) == 3
    assert sorted(values(run), key=lambda row: row[1]) == EXPECTED


def test_nothing_is_read_before_what_was_read_is_taken_over(driver, path, monkeypatch):
    """So memory does not grow with the file, however slow the agent."""
    path.write_bytes(PLAIN * 2000)
    held = []

    def take(_self, batch):
        if batch.receipt is not None:
            batch.receipt.hold()
            held.append(batch.receipt)

    monkeypatch.setattr(Run, "take", take)

    async def during(run):
        await asyncio.sleep(60)
        run.before = len(held)

    run = play(driver, path, during=during)
    assert run.before == 5
    assert run.device.units.of("A1").receiving.records == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "day.rec is empty"),
        (b"PK\3\4", "is a zip archive; unpack it first"),
        (b"nothing of any use", "nothing in its 18 bytes begins like a frame"),
    ],
)
def test_what_cannot_be_read_is_told(driver, path, content, words, caplog):
    if content is not None:
        path.write_bytes(content)
    play(driver, path)
    assert words in caplog.text

    async def once(loop):
        entry = {"name": "toy", "driver": driver.name, "address": f"file://{path}"}
        (config,) = Config.parse({"devices": [entry]}).devices
        device = Device(config, Recorder(), virtual.options(loop, None))
        begun = loop.time()
        assert not await device.read_once(60.0)
        assert words in device.port.last_error
        return loop.time() - begun

    assert virtual.run(once) < 1, "whoever reads it once waits for nothing more"


def test_a_file_that_shrinks_is_told(driver, path, caplog):
    path.write_bytes(PLAIN)

    async def during(_run):
        path.write_bytes(PLAIN[:10])
        await asyncio.sleep(3)

    play(driver, path, options="?follow=yes", during=during)
    assert "to 10 bytes while it was followed" in caplog.text
