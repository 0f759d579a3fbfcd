"""Inverters that call a real shim over real connections, and a shim that is killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter

import pytest
from line_protocol_parser import parse_line

from rct_collector.drivers.solaredge.simulator import SCENARIOS, SolarEdgeWitness
from rct_collector.simulator import SimulatedInverter
from tests.faulty_solaredge import means
from tests.plugins.agent import SHIM
from tests.processes import free_port

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
