"""The other ways in, end to end: files of all kinds, and a portal behind us."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace

import pytest

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.frame import Frame, assemble
from rct_collector.drivers.solaredge.request import SERVER, acknowledge
from rct_collector.errors import ConfigError
from rct_collector.exits import Exit
from tests import virtual
from tests.capture.test_conversations import opening, pcap, segment
from tests.cli.conftest import run  # noqa: F401 - a fixture
from tests.dialling import Doors
from tests.drivers.solaredge.slaves import power
from tests.toys.running import WALL

UNITS = (0x7F101234, 0xBE105678)
PORTAL = ("192.0.2.10", 22222)


def posts(unit, count=3):
    return [
        Frame(n, unit, SERVER, functions.POST, power(unit, WALL + n, 100 * n)) for n in range(count)
    ]


def recorded():
    """Both directions, one frame behind the other; each post comes twice."""
    parts = []
    for unit in UNITS:
        for post in posts(unit):
            parts += [assemble(post), assemble(post), acknowledge(post)]
    return b"".join(parts)


def captured():
    """Two units at once, cut within frames, with repetitions and out of order."""
    packets = []
    for n, unit in enumerate(UNITS):
        ends = {"source": (f"192.0.2.{n}", 49152), "target": PORTAL}
        back = {"source": PORTAL, "target": ends["source"]}
        wire = b"".join(map(assemble, posts(unit)))
        packets.append(opening(source=ends["source"], target=PORTAL))
        for start in (100, 0, 50, 50):
            packets.append(segment(wire[start : start + 50], 1 + start, **ends))
        for start in range(150, len(wire), 40):
            packets.append(segment(wire[start : start + 40], 1 + start, **ends))
        acks = b"".join(map(acknowledge, posts(unit)))
        packets += [segment(acks[:30], 1, **back), segment(acks[30:], 31, **back)]
    return pcap(packets[::2] + packets[1::2]), pcap(packets)


FILES = {"day.rec": recorded(), "day.dat": recorded(), "day.pcap": captured()[1]}


@pytest.fixture
def path(request, tmp_path):
    name = getattr(request, "param", "day.rec")
    path = tmp_path / name
    path.write_bytes(FILES[name])
    return path


def rows(result):
    found = []
    for line in result.stdout.splitlines():
        head, fields, time = line.split(" ")
        if head.startswith("inverter_power,"):
            unit = head.partition("unit=")[2].partition(",")[0]
            found.append((unit, int(time) // 10**9 - WALL, fields))
    return found


EXPECTED = [(f"{unit:08X}", n, f"output_watts={100.0 * n}") for unit in UNITS for n in range(3)]


@pytest.mark.parametrize("path", FILES, indirect=True)
def test_each_record_of_a_file_is_printed_once_with_its_own_time(run, path):  # noqa: F811
    result = run("read", "--format", "influx", str(path))
    assert result.exit_code == Exit.OK, result.stderr
    assert sorted(rows(result)) == sorted(EXPECTED)


def test_a_record_that_is_torn_at_the_end_takes_nothing_with_it(run, path):  # noqa: F811
    torn = assemble(Frame(9, UNITS[0], SERVER, functions.POST, bytes(4000)))[:40]
    path.write_bytes(torn + FILES["day.rec"])
    result = run("read", "--format", "influx", str(path))
    assert sorted(rows(result)) == sorted(EXPECTED)


def test_a_record_that_is_repeated_again_and_again_is_printed_once(run, path):  # noqa: F811
    path.write_bytes(assemble(posts(UNITS[0])[1]) * 50)
    assert rows(run("read", "--format", "influx", str(path))) == EXPECTED[1:2]


@pytest.mark.parametrize("path", FILES, indirect=True)
def test_files_are_explained_as_json(run, path):  # noqa: F811
    result = run("decode", "--driver", "solaredge", "--format", "json", str(path))
    assert result.exit_code == Exit.OK, result.stderr
    frames = json.loads(result.stdout)
    assert sum(frame["valid"] for frame in frames) >= 12
    assert all(frame["valid"] for frame in frames)


def test_of_a_folder_the_newest_file_is_explained(run, path):  # noqa: F811
    (path.parent / "older.rec").write_bytes(b"")
    os.utime(path.parent / "older.rec", (1, 1))
    result = run("decode", "--driver", "solaredge", "--format", "json", str(path.parent))
    assert len(json.loads(result.stdout)) == 18


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "day.rec is empty"),
        (b"a text", "nothing in its 6 bytes begins like a frame (12 34 56 79)"),
        (
            pcap([segment(b"GET /", source=("192.0.2.1", 5), target=("192.0.2.2", 8080))]),
            "none of those goes to port 80, 22221, 22222 or begins like a frame",
        ),
    ],
)
def test_a_file_of_something_else_is_told(run, path, content, words):  # noqa: F811
    path.write_bytes(content)
    result = run("read", "--format", "influx", str(path))
    assert result.exit_code == Exit.UNREACHABLE
    assert words in result.stderr


# -- forwarding --------------------------------------------------------------------------------


def configured(**more):
    device = {"name": "roof", "driver": "solaredge", "address": "listen://127.0.0.1:22222", **more}
    return Config.parse({"devices": [device]})


def test_the_portal_answers_and_we_read():
    doors, batches, portal = Doors(), [], []

    class Portal:
        def __init__(self, receive):
            self.receive, self.got = receive, b""

        def send(self, data):
            self.got += data

        def close(self):
            pass

    async def call(address, receive, _lost, _timeout):
        assert address.place == "portal.example:22222"
        portal.append(Portal(receive))
        return portal[0]

    async def main(loop):
        options = replace(virtual.options(loop, call), listen=doors)
        collector = Collector(configured(forward="tcp://portal.example"), batches.append, options)
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(1)
        unit = doors.call()
        (post, *_) = posts(UNITS[0])
        unit.say(assemble(post))
        await asyncio.sleep(1)
        assert portal[0].got == assemble(post)
        assert unit.sent == []
        portal[0].receive(acknowledge(post))
        assert unit.sent == [acknowledge(post)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtual.run(main)
    values = [(b.unit, s.name) for b in batches for s, _ in b.values if not s.metric.own]
    assert values.count((f"{UNITS[0]:08X}", "inverter_power.output_watts")) == 1


@pytest.mark.parametrize("forward", [7, "portal", "udp://portal.example", "tcp://a:70000"])
def test_what_is_no_portal_is_told(forward):
    with pytest.raises(
        ConfigError, match=r"devices\[0\].forward: found .* expected an address such"
    ):
        configured(forward=forward)
