"""Inverters that call a real shim over real connections, and a shim that is killed."""

from __future__ import annotations

import asyncio
import signal
import socket
import stat
import subprocess
import time
from collections import Counter

import pytest
from line_protocol_parser import parse_line

from rct_collector.drivers.solaredge import functions, records, request
from rct_collector.drivers.solaredge.crypto import Tunnel, UnitKey
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join
from rct_collector.drivers.solaredge.simulator import SCENARIOS, SolarEdgeWitness
from rct_collector.simulator import SimulatedInverter
from tests.faulty_solaredge import means
from tests.needs import library
from tests.plugins.agent import SHIM
from tests.processes import free_port, listening, wait_for

pytestmark = pytest.mark.slow

INVERTERS, KILLS = 2, 3

#: Records that are acknowledged from one kill to the next.
BETWEEN = 40

CONFIG = """\
devices:
  - name: roof
    driver: solaredge
    address: listen://127.0.0.1:{port}
"""


class Shim:
    """The shim, with its lines in a file: what it has written by then is there, whatever comes."""

    def __init__(self, folder, config, number):
        self.path = folder / f"lines-{number}"
        with self.path.open("wb") as out:
            self.process = subprocess.Popen(  # noqa: S603 - our own
                [SHIM, "--config", config], stdin=subprocess.PIPE, stdout=out
            )

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(60)
        self.process.stdin.close()

    def samples(self):
        """(unit, measurement and tags, time, field) of each value about an inverter."""
        for line in self.path.read_bytes().decode().splitlines():
            parsed = parse_line(line)
            tags = parsed["tags"]
            if parsed["measurement"].startswith("inverter_collector") or "unit" not in tags:
                continue
            own = tuple(sorted(item for item in tags.items() if item[0] not in ABOUT))
            for field in parsed["fields"]:
                yield tags["unit"], f"{parsed['measurement']}.{field}", own, parsed["time"]


#: Tags that tell whose a sample is.
ABOUT = ("source", "vendor", "unit")


def expected(told):
    """The same of all that one record means."""
    for record in means(told):
        for series, _ in record.values:
            if series.metric.default:
                own = tuple(sorted(series.tags))
                yield record.unit, series.metric.name, own, record.time_ns


def test_a_killed_shim_loses_no_record(tmp_path):
    port, witness = free_port(), SolarEdgeWitness()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(port=port))
    often = SCENARIOS["roofs"].changed(INVERTERS, 6, 1.0)
    shims = []

    def acknowledged():
        return sum(told.acknowledged is not None for told in witness.told)

    async def reach(count):
        while acknowledged() < count:
            assert shims[-1].process.poll() is None
            await asyncio.sleep(0.02)

    async def main():
        units = [
            SimulatedInverter(often, driver="solaredge", sun=12.0, line=line, witness=witness)
            for line in range(INVERTERS)
        ]
        diallers = [unit.dial("127.0.0.1", port) for unit in units]
        for number in range(KILLS + 1):
            shims.append(Shim(tmp_path, config, number))
            await reach(acknowledged() + BETWEEN)
            shims[-1].end(signal.SIGKILL if number < KILLS else signal.SIGTERM)
        for dialler in diallers:
            dialler.close()
            await dialler.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 240))
    written = [Counter(shim.samples()) for shim in shims]
    everything = set().union(*written)
    sent = {sample for told in witness.told if told.whole for sample in expected(told)}
    due = [told for told in witness.told if told.acknowledged is not None]

    assert len(due) >= (KILLS + 1) * BETWEEN
    lost = [told for told in due if not set(expected(told)) <= everything]
    assert lost == []
    assert everything <= sent, "nothing that nobody said"
    assert all(max(counts.values()) == 1 for counts in written), "each once"
    assert {unit for unit, *_ in everything} == {told.unit for told in witness.told}


UNIT, KEY = 0x7F101234, bytes(range(16))


class EncryptingUnit:
    """An inverter that goes on with its session, whoever answers."""

    def __init__(self, port):
        self._port, self._tunnel, self._line, self._number = port, None, None, 0
        self._reader = FrameReader()

    def call(self):
        """Connect anew."""
        self.hang_up()
        assert wait_for(lambda: listening(self._port))
        self._line = socket.create_connection(("127.0.0.1", self._port), 60)

    def hang_up(self):
        """Disconnect, if it is connected."""
        if self._line is not None:
            self._line.close()

    def offer(self):
        """Begin the next session; gives the number of the offer."""
        self._number += 1
        offer = bytes(self._number + n for n in range(34))
        self._tunnel = Tunnel(UnitKey(KEY).session(offer))
        self._say(Frame(self._number, UNIT, request.SERVER, functions.SESSION_KEY, offer))
        return self._number

    def post(self):
        """Post a record within the session; gives the number of the post."""
        self._number += 1
        body = LAYOUTS[records.INVERTER].encode({"time": int(time.time()), "power": 1.0})
        payload = join([RawRecord(records.INVERTER, UNIT, body)])
        post = assemble(Frame(self._number, UNIT, request.SERVER, functions.POST, payload))
        _, sealed = self._tunnel.seal(post)
        self._say(Frame(self._number, UNIT, request.SERVER, functions.ENCRYPTED, sealed))
        return self._number

    def acknowledged(self):
        """The number of what is acknowledged next, within the session."""
        while True:
            for outer in self._reader.feed(self._line.recv(4096)):
                (inner,) = FrameReader().feed(self._tunnel.open(outer.payload))
                assert inner.function == functions.ACK
                return inner.sequence

    def _say(self, frame):
        self._line.sendall(assemble(frame))


def test_a_killed_shim_goes_on_with_the_session_of_a_unit_that_encrypts(tmp_path):
    library("cryptography")
    port, kept = free_port(), tmp_path / "state" / "roof.keys"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\n"
        + CONFIG.format(port=port)
        + f"    keys: {{{UNIT:08X}: {KEY.hex()}}}\n"
    )
    unit = EncryptingUnit(port)

    def start(number):
        shim = Shim(tmp_path, config, number)
        unit.call()
        return shim

    shim = start(0)
    for say in (unit.offer, unit.post):
        assert say() == unit.acknowledged()
    assert wait_for(kept.exists)
    shim.end(signal.SIGKILL)

    shim = start(1)
    assert unit.post() == unit.acknowledged(), "it is understood without a new offer"
    shim.end(signal.SIGKILL)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    kept.chmod(0o644)
    shim = start(2)
    unit.post()
    assert unit.offer() == unit.acknowledged(), "what others may have read is not used"
    assert unit.post() == unit.acknowledged()
    unit.hang_up()
    shim.end(signal.SIGTERM)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(shim.samples())
