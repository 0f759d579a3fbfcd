"""``replay`` of inverters that call: what was recorded of them, as text and as callers."""

from __future__ import annotations

import asyncio
import json
import signal
import socket

import pytest

from rct_collector.cli.trace import read_trace
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.drivers.base import SessionOptions
from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.request import SERVER, acknowledge
from rct_collector.drivers.solaredge.simulator import SolarEdgeWitness
from rct_collector.drivers.solaredge.tools.dissect import DISSECTOR
from rct_collector.drivers.solaredge.tools.recorded import AGAIN_S, replay
from rct_collector.simulator import Hub, SimulatedInverter
from rct_collector.simulator.captured import write_calls
from tests import virtual
from tests.calling import Exchange
from tests.capture.test_conversations import opening, pcap, segment
from tests.drivers.solaredge.slaves import power
from tests.faulty_solaredge import means
from tests.needs import library
from tests.toys.running import WALL
from tests.virtual import START, Recorder, VirtualClock

UNIT, PORTAL, CALLER = 0x7F101234, ("192.0.2.10", 22222), ("192.0.2.1", 49152)


def post(number):
    return Frame(number, UNIT, SERVER, functions.POST, power(UNIT, WALL + number, 100 * number))


def reply(number):
    found = FrameReader().feed(acknowledge(post(number)))
    return found[0]


#: Two posts, the first of them twice, with what a master says, and what nobody waits for.
TALK = [
    Frame(9, SERVER, UNIT, functions.GRANT),
    post(0),
    post(0),
    reply(0),
    Frame(3, UNIT, SERVER, 0x03C2, bytes(59)),
    post(1),
    reply(1),
    Frame(9, UNIT, SERVER, functions.RELEASE),
]


@pytest.fixture
def rec(tmp_path):
    """A file of frames alone."""
    path = tmp_path / "calls.rec"
    path.write_bytes(b"".join(map(assemble, TALK)))
    return path


@pytest.fixture
def calls(tmp_path):
    """A capture of a call."""
    path = tmp_path / "calls.pcap"
    said, heard = b"".join(map(assemble, map(post, range(2)))), acknowledge(post(0))
    packets = [
        opening(source=CALLER, target=PORTAL),
        segment(said[:40], 1, source=CALLER, target=PORTAL),
        segment(said[40:], 41, source=CALLER, target=PORTAL),
        segment(heard, 1, source=PORTAL, target=CALLER),
    ]
    path.write_bytes(pcap(packets))
    return path


# -- as text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("replay", "--print"), ("decode",)])
def test_an_inverter_that_called_is_the_device_of_its_call(run, calls, command):
    result = run(*command, "--driver", "solaredge", calls)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("1. device 192.0.2.1:49152 calls 192.0.2.10:22222, ")
    assert [line.split()[1] for line in lines[3:]] == ["from", "from", "to"]
    found = json.loads(run(*command, "--driver", "solaredge", calls, "-f", "json").stdout)
    assert {(item["device"], item["server"]) for item in found} == {
        ("192.0.2.1:49152", "192.0.2.10:22222")
    }
    assert [item["direction"] for item in found] == ["from device", "from device", "to device"]


def test_frames_alone_are_numbered(run, rec):
    lines = run("replay", "--driver", "solaredge", rec, "--print").stdout.splitlines()
    assert lines[0] == f"1. device {rec}, packet 1 … packet 8, 8 frames, 0 bad"
    assert [line.split()[:2] for line in lines[3:]] == [
        [str(n), way]
        for n, way in enumerate(["to", "from", "from", "to", "from", "from", "to", "from"], 1)
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no capture, and no file of frames of a SolarEdge unit"),
        (b"nothing of the kind" * 9, "is no capture, and no file of frames of a SolarEdge unit"),
        (assemble(post(0))[:-1], "no SolarEdge frame in it"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG picture"),
    ],
)
def test_what_is_something_else_is_told(run, tmp_path, content, words):
    path = tmp_path / "calls.rec"
    path.write_bytes(content)
    result = run("replay", "--driver", "solaredge", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


# -- as callers --------------------------------------------------------------------------------


def caller(path, speed=1.0):
    with path.open("rb") as file:
        return replay(read_trace(file, str(path), DISSECTOR).items, speed)


def test_only_what_waits_for_an_answer_is_said_one_after_the_other(rec):
    unit = caller(rec)
    assert (unit.calls, unit.objects) == (True, 3)
    client, now, heard = unit.connect(), 0.0, []
    while unit.next_due() is not None:
        now = max(now, unit.next_due())
        heard += unit.pull(now)
        assert unit.pull(now) == [], "not before it is answered"
        unit.receive(client, acknowledge(post(0)), now)
    assert heard == [assemble(post(0)), assemble(post(0)), assemble(post(1))]
    assert unit.told == 3


def test_what_is_not_answered_is_said_again_also_to_the_next_who_is_called(rec):
    unit = caller(rec)
    unit.connect()
    (first,) = unit.pull(0.0)
    assert unit.next_due() == AGAIN_S
    assert unit.pull(AGAIN_S) == [first]
    unit.disconnect(1)
    assert unit.next_due() is None
    unit.connect()
    assert unit.pull(AGAIN_S + 1.0) == [first]
    unit.receive(1, acknowledge(post(0)), AGAIN_S + 1.0)
    assert unit.told == 0, "of the call that is over"


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_nothing_is_said_sooner_than_it_was_recorded(tmp_path, speed):
    path = tmp_path / "calls.rec"
    path.write_bytes(b"".join(map(assemble, map(post, range(2)))))
    with path.open("rb") as file:
        first, second = read_trace(file, "x", DISSECTOR).items
    unit = replay([first, second._replace(time_ns=first.time_ns + 60_000_000_000)], speed)
    client = unit.connect()
    assert len(unit.pull(1000.0)) == 1
    unit.receive(client, acknowledge(post(0)), 1000.5)
    assert unit.next_due() == 1000.0 + 60.0 / speed


class Again:
    """A recorded caller as one of an :class:`.calling.Exchange`."""

    def __init__(self, unit):
        self._hub = None
        self.unit = unit

    def hub(self):
        self._hub = self._hub or Hub(self.unit)
        return self._hub


@pytest.mark.slow
@pytest.mark.parametrize("encrypt", [False, True])
def test_a_collector_is_told_all_that_another_one_was(tmp_path, encrypt):
    if encrypt:
        library("cryptography")
    path, witness = tmp_path / "calls.pcap", SolarEdgeWitness()
    units = [
        SimulatedInverter(
            driver="solaredge", start=START, sun=11.0, seed=3, line=line, witness=witness,
            optimizers=3, encrypt=encrypt,
        ).bridge
        for line in range(2)
    ]  # fmt: skip
    keys = {
        f"{unit.outbox.id:08X}": unit.outbox.unit.world.secret(n).hex()
        for n, unit in enumerate(units)
    }
    entry = {
        "name": "roof", "driver": "solaredge", "address": "listen://127.0.0.1", "keys": keys,
    }  # fmt: skip
    (config,) = Config.parse({"devices": [entry]}).devices
    family = driver("solaredge")
    known = SessionOptions(config.options, {}, "listen")
    write_calls(path, units, lambda: family.session(known), start=START, seconds=1200.0)
    with path.open("rb") as file:
        found = read_trace(file, str(path), DISSECTOR)
    lines = range(1, len(found.lines) + 1)
    callers = [replay([i for i in found.items if i.line == n], 100.0) for n in lines]

    async def main(loop):
        recorder, exchange = Recorder(), Exchange(list(map(Again, callers)))
        clock = VirtualClock(loop)
        clock.offset += 3600.0  # a recording is of the past
        device = Device(config, recorder, Options(clock=clock, listen=exchange, lock=False))
        task = asyncio.create_task(device.run())
        exchange.start()
        await asyncio.sleep(600.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await exchange.stop()
        return recorder.batches

    batches = virtual.run(main)
    published = {
        (batch.unit, series.name, batch.time_ns, value)
        for batch in batches
        for series, value in batch.values
        if not series.metric.own
    }
    due = {
        (record.unit, series.name, record.time_ns, value)
        for told in witness.told
        if told.acknowledged is not None
        for record in means(told)
        for series, value in record.values
        if series.metric.default
    }
    assert all(unit.told == unit.objects for unit in callers)
    assert len(due) > 100
    assert due <= published


@pytest.mark.slow
def test_as_a_process_it_calls_whom_it_is_told_to(start, rec):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(60)
        port = server.getsockname()[1]
        process = start("replay", "--driver", "solaredge", rec, "--to", f"tcp://127.0.0.1:{port}")
        line, _ = server.accept()
        with line:
            line.settimeout(60)
            for number in (0, 0, 1):
                wanted = assemble(post(number))
                heard = b""
                while len(heard) < len(wanted):
                    heard += line.recv(4096)
                assert heard == wanted
                line.sendall(acknowledge(post(number)))
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=60)
    assert f"replay of {rec} (3 frames) calls tcp://127.0.0.1:{port}; end with Ctrl-C" in stdout
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--transport", "pty"], "devices of this family call, and are not plugged in"),
        (["--to", "udp://x"], "--to: found 'udp://x'"),
        (["--port", "1234"], "--port means nothing here: these devices call, and --to says whom"),
        (["--host", "192.0.2.5"], "--host means nothing here: these devices call, and --to says"),
        (["--path", "port"], "--path means nothing here: these devices call, and --to says whom"),
    ],
)
def test_mistakes_are_told(run, rec, arguments, words):
    result = run("replay", "--driver", "solaredge", rec, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_recording_in_which_nobody_speaks_is_told(run, tmp_path):
    path = tmp_path / "calls.rec"
    path.write_bytes(acknowledge(post(0)))
    result = run("replay", "--driver", "solaredge", path)
    assert result.exit_code == 2
    assert "no device in it says anything that waits for an answer" in result.stderr
