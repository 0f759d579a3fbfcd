"""Buses: a master with its units, whoever only listens, and what lines do to frames."""

from __future__ import annotations

import asyncio
import os
import pty
import struct
import threading
import tty
from random import Random

import pytest

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.drivers import driver
from rct_collector.drivers.base import Garbled, Record, Reply, SessionOptions, Unfit
from rct_collector.drivers.solaredge import functions, master
from rct_collector.drivers.solaredge.bus import SILENCE_S, ListeningSession, MasterSession
from rct_collector.drivers.solaredge.frame import Frame, assemble
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.request import SERVER, acknowledge
from rct_collector.loop import new_event_loop
from tests.drivers.solaredge.slaves import Bus, Slave, power
from tests.toys.running import WALL, Run

FIRST, SECOND = 0x7F101234, 0xBE105678
UNITS = f"units={FIRST:08X},{SECOND:08X}"
INVERTER = 0x7F00AAAA


@pytest.fixture
def solaredge():
    return driver("solaredge")


def run(solaredge, bus, seconds=60.0, options=f"mode=master&{UNITS}", **more):
    return Run(solaredge, bus, seconds, address=f"tcp://192.0.2.1:4001?{options}", **more)


def powers(run):
    """Unit, second and watts of each record that was published."""
    found = []
    for batch in run.batches:
        for series, value in batch.values:
            if series.name == "inverter_power.output_watts":
                found.append((batch.unit, batch.time_ns // 10**9 - WALL, value))
    return found


def post(source, sequence, payload=b"", destination=SERVER):
    return Frame(sequence, source, destination, functions.POST, payload)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "only listens to what units say to another master of the bus (mode=passive)"),
        (f"mode=master&units={FIRST:08X}", "lets 7F101234 speak in turn (mode=master)"),
    ],
)
def test_what_we_are_on_the_bus_is_the_first_that_is_told(solaredge, caplog, options, words):
    caplog.set_level("INFO", "rct_collector")
    run(solaredge, Bus(), 5.0, options=options)
    assert caplog.messages[0].startswith("toy: tcp://192.0.2.1:4001")
    assert caplog.messages[0].endswith(words)


# -- master ------------------------------------------------------------------------------------


@pytest.mark.parametrize("echo", [False, True])
def test_units_are_collected_from_in_turn(solaredge, echo):
    first = Slave(FIRST, *(power(FIRST, WALL - n, 100 + n) for n in range(3)))
    second = Slave(SECOND, power(SECOND, WALL, 7))
    bus = Bus(first, second, echo=echo)
    done = run(solaredge, bus, 20)

    assert sorted(powers(done)) == [
        *((f"{FIRST:08X}", -n, 100.0 + n) for n in (2, 1, 0)),
        (f"{SECOND:08X}", 0, 7.0),
    ]
    assert (len(first.acknowledged), len(second.acknowledged)) == (3, 1)
    assert first.grants in (3, 4)
    assert second.grants in (3, 4)
    assert {frame.function for _, frame in bus.heard} == {functions.GRANT, functions.ACK}


def test_a_unit_that_asks_is_told_the_time(solaredge):
    unit = Slave(FIRST)
    unit.asks = True
    run(solaredge, Bus(unit), 10)
    (told,) = unit.told
    seconds, _ = struct.unpack("<Ii", told)
    assert abs(seconds - WALL) < 15


def test_a_unit_that_missed_an_acknowledgement_is_acknowledged_again_and_published_once(solaredge):
    unit = Slave(FIRST, power(FIRST, WALL, 5))
    unit.deaf = 1
    done = run(solaredge, Bus(unit), 60, f"mode=master&units={FIRST:08X}&timeout=2")
    assert powers(done) == [(f"{FIRST:08X}", 0, 5.0)]
    assert len(unit.acknowledged) == 1


def test_a_unit_is_not_acknowledged_before_its_records_are_taken_over(solaredge, monkeypatch):
    def take(self, batch):
        if batch.receipt is not None and len(self.batches) < 30:
            batch.receipt.lose()
        self.batches.append(batch)

    monkeypatch.setattr(Run, "take", take)
    unit = Slave(FIRST, power(FIRST, WALL, 5))
    bus = Bus(unit)
    run(solaredge, bus, 5, f"mode=master&units={FIRST:08X}&timeout=1")
    assert bus.said(functions.ACK) == []
    assert len(unit.posts) == 1


def test_an_acknowledgement_that_comes_too_late_disturbs_no_other_turn(solaredge, monkeypatch):
    held = []

    def take(self, batch):
        self.batches.append(batch)
        if batch.receipt is not None and not held:
            batch.receipt.hold()
            held.append(batch)
            asyncio.get_running_loop().call_later(4.5, batch.receipt.settle, True)

    monkeypatch.setattr(Run, "take", take)
    first, second = Slave(FIRST, power(FIRST, WALL, 5)), Slave(SECOND)
    second.silent = True
    bus = Bus(first, second)
    done = run(solaredge, bus, 40, f"mode=master&{UNITS}&timeout=3&interval=1")
    turn = None
    for _, frame in bus.heard:
        if frame.function == functions.GRANT:
            turn = frame.destination
        else:
            assert (frame.function, frame.destination) == (functions.ACK, turn)
    assert powers(done) == [(f"{FIRST:08X}", 0, 5.0)]
    assert len(first.acknowledged) == 1  # when it has said it again


def test_a_silent_unit_costs_its_turn_only(solaredge):
    sleeper = Slave(FIRST)
    sleeper.silent = True
    other = Slave(SECOND, *(power(SECOND, WALL + n, n) for n in range(5)))
    done = run(solaredge, Bus(sleeper, other), 30, f"mode=master&{UNITS}&timeout=3&interval=2")
    assert len(powers(done)) == 5
    assert len(other.acknowledged) == 5


def test_a_torn_frame_swallows_nothing_that_follows(solaredge):
    unit = Slave(FIRST, power(FIRST, WALL, 5))
    bus = Bus(unit)
    torn = assemble(post(SECOND, 1, bytes(4000)))[:30]

    bus.say(torn, 1001.0)

    done = run(solaredge, bus, 5, f"mode=master&units={FIRST:08X}")
    assert powers(done) == [(f"{FIRST:08X}", 0, 5.0)]


@pytest.mark.slow
def test_noise_and_stray_bytes_cost_no_record(solaredge):
    random = Random(5)
    units = [Slave(unit, *(power(unit, WALL + n, n) for n in range(9))) for unit in (FIRST, SECOND)]
    bus = Bus(*units)
    bus.noise = b"\0\x12\x34"

    for n in range(200):
        bus.say(random.randbytes(random.randrange(40)), 1001.0 + n / 3)

    done = run(solaredge, bus, 400, f"mode=master&{UNITS}&timeout=2&interval=1")
    assert len(powers(done)) == 18
    assert all(len(unit.acknowledged) == 9 for unit in units)


def test_another_master_is_told_and_the_bus_left_alone(solaredge, caplog):
    bus = Bus(Slave(FIRST))

    for n in range(60):
        bus.say(assemble(Frame(n, INVERTER, FIRST, functions.GRANT)), 1001.0 + n)

    run(solaredge, bus, 60)
    assert "the bus has a master already: 7F00AAAA lets 7F101234 speak" in caplog.text
    assert bus.said(functions.GRANT) == []


def test_what_is_posted_to_another_master_is_not_acknowledged():
    session = MasterSession(SolarEdgeOptions(), [FIRST])
    events = session.receive(
        assemble(post(SECOND, 1, power(SECOND, WALL, 1), INVERTER)), WALL * 10**9
    )
    assert [type(event) for event in events] == [Record]


def test_a_frame_that_a_torn_one_hid_is_told_after_a_silence_and_not_acknowledged():
    session = MasterSession(SolarEdgeOptions(), [FIRST])
    hidden = assemble(post(FIRST, 1, power(FIRST, WALL, 1)))
    torn = assemble(post(FIRST, 1, bytes(4000)))[:24]
    assert session.receive(torn + hidden, WALL * 10**9) == []
    assert session.pull(1000.0) == []
    assert session.next_due() == 1000.0 + SILENCE_S
    assert session.pull(1000.0 + SILENCE_S / 2) == []
    events = session.pull(1000.0 + SILENCE_S)
    assert [type(event) for event in events] == [Garbled, Record]


# -- passive -----------------------------------------------------------------------------------

OTHERS = [
    Frame(1, INVERTER, FIRST, functions.GRANT),
    post(FIRST, 7, power(FIRST, WALL, 5), INVERTER),
    Frame(7, INVERTER, FIRST, functions.ACK),
    Frame(1, FIRST, INVERTER, functions.RELEASE),
    Frame(2, INVERTER, SECOND, functions.READ_STATUS),
    Frame(2, SECOND, INVERTER, functions.STATUS, bytes(14)),
]


def test_who_is_passive_takes_all_posts_and_says_nothing(solaredge):
    bus = Bus()

    for n, frame in enumerate(OTHERS):
        bus.say(assemble(frame), 1002.0 + n / 10)
    bus.say(assemble(post(SECOND, 9, power(SECOND, WALL, 6))), 1004.0)

    done = run(solaredge, bus, 30, "mode=passive")
    assert sorted(powers(done)) == [(f"{FIRST:08X}", 0, 5.0), (f"{SECOND:08X}", 0, 6.0)]
    assert bus.heard == []


def test_turns_that_others_take_are_no_errors():
    session = ListeningSession(SolarEdgeOptions())
    events = session.receive(b"".join(map(assemble, OTHERS)), WALL * 10**9)
    assert [type(event) for event in events] == [Record]


def test_who_listens_answers_nothing_in_whatever_pieces_it_hears():
    wire = b"".join(assemble(frame) + assemble_ack(frame) for frame in OTHERS)
    session = ListeningSession(SolarEdgeOptions())
    events = [
        event
        for n in range(len(wire))
        for event in [*session.receive(wire[n : n + 1], 1), *session.pull(n / 1000)]
    ]
    assert not [event for event in events if type(event) in (Reply, Unfit)]
    assert len([event for event in events if type(event) is Record]) == 1


def assemble_ack(frame):
    return acknowledge(frame) if frame.function == functions.POST else b""


# -- which session -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "address", "kind"),
    [
        ("serial", {"mode": "passive"}, ListeningSession),
        ("serial", {"mode": "master", "units": "7F101234"}, MasterSession),
        ("tcp", {"mode": "master", "units": "7F101234", "timeout": "3"}, MasterSession),
        ("file", {}, ListeningSession),
    ],
)
def test_the_address_tells_what_we_are(solaredge, scheme, address, kind):
    session = solaredge.session(SessionOptions(SolarEdgeOptions(), address, scheme))
    assert type(session) is kind


# -- a real port -------------------------------------------------------------------------------


class Adapter(threading.Thread):
    """A serial port with units behind it, in real time."""

    def __init__(self, *slaves):
        super().__init__(daemon=True)
        self.bus = Bus(*slaves)
        self._ours, theirs = pty.openpty()
        tty.setraw(self._ours)
        tty.setraw(theirs)
        self.path = os.ttyname(theirs)
        self._theirs = theirs
        self.start()

    def run(self):
        while True:
            try:
                data = os.read(self._ours, 4096)
            except OSError:
                return
            self.bus.receive(1, data, 0.0)
            for piece in self.bus.pull(float("inf")):
                os.write(self._ours, piece)

    def close(self):
        os.close(self._theirs)
        os.close(self._ours)


@pytest.mark.slow
def test_a_real_serial_port(monkeypatch):
    monkeypatch.setattr(master, "LISTEN_S", 0.05)
    unit = Slave(FIRST, *(power(FIRST, WALL + n, n) for n in range(3)))
    adapter = Adapter(unit)
    address = f"serial://{adapter.path}?mode=master&units={FIRST:08X}&interval=1"
    device = {"name": "bus", "driver": "solaredge", "address": address}
    batches = []

    async def main():
        collector = Collector(Config.parse({"devices": [device]}), batches.append)
        running = asyncio.create_task(collector.run())
        async with asyncio.timeout(20):
            while len(unit.acknowledged) < 3:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    try:
        with asyncio.Runner(loop_factory=lambda: new_event_loop(0)) as runner:
            runner.run(main())
    finally:
        adapter.close()
    assert {batch.unit for batch in batches if batch.unit} == {f"{FIRST:08X}"}
    assert len(unit.acknowledged) == 3
