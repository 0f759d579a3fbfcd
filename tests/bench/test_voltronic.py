"""What a Voltronic unit costs, beside mpp-solar, in one run: decoding, USB reports, and memory."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from statistics import median
from types import SimpleNamespace

import pytest
from mppsolar.inout import hidrawio
from mppsolar.protocols.pi30max import pi30max

from rct_collector.drivers import driver
from rct_collector.drivers.base import Answer, Ask, SessionOptions
from rct_collector.drivers.voltronic.command import PROTOCOL
from rct_collector.drivers.voltronic.simulator import VoltronicUnit, framing
from rct_collector.transport.schemes import open_line, parse_address
from tests.bench.report import report
from tests.bench.shim import end, memory_mb
from tests.bench.test_parser import measure
from tests.bench.test_shim import Tally
from tests.inverter import running_inverter
from tests.plugins.agent import SHIM

pytestmark = pytest.mark.bench

VOLTRONIC = driver("voltronic")
(QPIGS,) = (query for query in VOLTRONIC.queries if query.name == "QPIGS")

UNIT = VoltronicUnit("sbu")


def answer(line):
    """The frame with which a unit answers what stands before a CR."""
    return framing.frame(UNIT.hear(line, UNIT.start).answer.text)


def known_session():
    """A session that knows which dialect the unit speaks."""
    session = VOLTRONIC.session(SessionOptions(VOLTRONIC.options, {}))
    question = session.request(Ask(PROTOCOL))
    for _ in range(9):
        if any(type(event) is Answer for event in session.receive(answer(question[:-1]), 0)):
            return session
        question = session.request(Ask(PROTOCOL))
    raise AssertionError("no dialect")


def test_one_answer():
    """The longest of what comes most, 110 bytes: bytes in, values by their names out."""
    session, theirs = known_session(), pi30max()
    ask = Ask(QPIGS)
    frame = answer(session.request(ask)[:-1])

    def decoded():
        session.request(ask)
        return session.receive(frame, 0)

    (event,) = decoded()
    values = theirs.decode(frame, "QPIGS")
    assert event.value["battery_voltage"] == values["Battery Voltage"][0]
    ours_us, theirs_us = measure(decoded, lambda: theirs.decode(frame, "QPIGS"), number=500)
    report(
        f"QPIGS of a Voltronic unit, {len(frame)} bytes, with its request",
        f"{ours_us:.0f} µs",
        f"{theirs_us:.0f} µs (mpp-solar)",
        f"{theirs_us / ours_us:.1f}",
        "≥ 5 ×",
        reached=theirs_us / ours_us >= 5,
    )


class Reports:
    """A unit at USB, at the speed of its inside link, in a thread: a socket of packets.

    It takes reports with their number, as the kernel wants them, and those of eight bytes.
    """

    def __init__(self, path):
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    def connected(self):
        """A descriptor of a client, as opening the node would give it."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(str(self.path))
        client.setblocking(False)
        return client.detach()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._talk(client)

    def _talk(self, client):
        heard = b""
        while data := client.recv(64):
            heard += data[-8:].rstrip(b"\0")
            while b"\r" in heard:
                line, _, heard = heard.partition(b"\r")
                # The request's way to the unit, and the time that units take to begin.
                due = time.monotonic() + (len(line) + 1) / RATE + LATENCY_S
                frame = answer(line)
                for at in range(0, len(frame), 8):
                    piece = frame[at : at + 8]
                    due += len(piece) / RATE
                    time.sleep(max(0.0, due - time.monotonic()))
                    client.send(piece.ljust(8, b"\0"))


#: Bytes per second at 2400 baud, and what units take until they answer.
RATE, LATENCY_S = 240.0, 0.02


@contextmanager
def at_usb(folder):
    """A unit at USB while the block runs."""
    unit = Reports(folder / "hidraw0")
    try:
        yield unit
    finally:
        unit.close()


async def ours(path):
    """Seconds from our question to its answer, three times."""
    events, arrived = [], asyncio.Event()
    session = known_session()

    def receive(data):
        events.extend(session.receive(data, time.time_ns()))
        if events:
            arrived.set()

    address = parse_address(f"hidraw://{path}", {"hidraw": {}})
    line = await open_line(address, receive, lambda reason: events.append(reason), 5.0)
    found = []
    for _ in range(3):
        events.clear()
        arrived.clear()
        begun = time.monotonic()
        line.send(session.request(Ask(QPIGS)))
        await asyncio.wait_for(arrived.wait(), 5.0)
        found.append(time.monotonic() - begun)
        assert [type(event) for event in events] == [Answer]
        await asyncio.sleep(0.1)
    line.close()
    return found


def theirs(unit, monkeypatch):
    """The same of mpp-solar's own layer, which opens the device, sleeps and reads."""
    system = SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if name[0] != "_"})
    system.open = lambda *_: unit.connected()
    monkeypatch.setattr(hidrawio, "os", system)
    port, protocol, found = hidrawio.HIDRawIO(str(unit.path)), pi30max(), []
    for _ in range(3):
        begun = time.monotonic()
        frame = port.send_and_receive(full_command=protocol.get_full_command("QPIGS"))
        found.append(time.monotonic() - begun)
        assert "Battery Voltage" in protocol.decode(frame, "QPIGS")
    return found


def test_reports_of_usb(tmp_path, monkeypatch):
    """A question in one report and its answer in fourteen; on the wire they take 0.5 s."""
    with at_usb(tmp_path) as unit:
        our_s = median(asyncio.run(ours(unit.path)))
        their_s = median(theirs(unit, monkeypatch))
    report(
        "QPIGS in USB reports at 2400 baud, question to answer",
        f"{our_s:.2f} s",
        f"{their_s:.2f} s (mpp-solar)",
        f"{their_s / our_s:.1f}",
        "≤ 0.65 s",
        reached=our_s <= 0.65,
    )


def test_memory(tmp_path):
    """The shim with one Voltronic device, once everything was asked for."""
    with running_inverter("sbu", driver="voltronic") as unit:
        config = tmp_path / "config.yaml"
        config.write_text(
            f"state_dir: {tmp_path}/state\n"
            f"devices:\n  - {{name: roof, driver: voltronic, address: '{unit.address}'}}\n"
        )
        shim = subprocess.Popen(
            [SHIM, "--config", config], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            tally = Tally(shim.stdout)
            time.sleep(60)
            memory = memory_mb(shim.pid)
        finally:
            end(shim)
    assert tally.samples > 100
    report(
        "memory of the shim with one Voltronic device (RSS)",
        f"{memory:.1f} MB",
        goal="≤ 26 MB",
        reached=memory <= 26,
    )
