"""One unit, and two agents and the page that show it at once, over one connection."""

from __future__ import annotations

import json
import re
import subprocess
import threading

import pytest

from tests.inverter import running_inverter
from tests.plugins.agent import SHIM
from tests.website import roof, running_site, wait

pytestmark = pytest.mark.slow

PV = "inverter_power.pv_watts"
LINE = re.compile(r"inverter_power,\S*source=(\w+)\S* \S*?\bpv_watts=([-\d.e+]+)\S* (\d+)")


class Shim:
    """What Telegraf starts, in a process of its own."""

    def __init__(self, config):
        self.found = {}
        command = [SHIM, "--config", config]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            if match := LINE.match(line):
                self.found[int(match[3])] = float(match[2])

    def end(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._thread.join(30)
        self._process.stdout.close()


def test_both_agents_and_the_page_show_the_same(tmp_path):
    quick = {"latency": (0.0, 0.0), "rate": 1e9}
    with running_inverter(**quick) as inverter:
        device = roof(inverter.address, include=["inverter_power.*"])
        config = tmp_path / "config.yaml"  # YAML has JSON in it
        config.write_text(json.dumps({"state_dir": str(tmp_path), "devices": [device]}))
        shim = Shim(config)
        try:
            wait(lambda: shim.found)
            second, page = {}, {}
            with running_site({**device, "name": "second"}) as site:
                site.emit = lambda batch: note(
                    second, batch.time_ns, {series.name: value for series, value in batch.values}
                )
                with site.overview.listening(lambda text: hear(page, json.loads(text))):
                    wait(lambda: len(shim.found.keys() & second.keys() & page.keys()) >= 3)
                assert set(site.overview.devices) == {"roof"}  # as its owner calls it
            connections = len(inverter.inverter.bridge.clients)
        finally:
            shim.end()

    same = shim.found.keys() & second.keys() & page.keys()
    assert [shim.found[t] for t in same] == [second[t] for t in same] == [page[t] for t in same]
    assert connections == 1


def note(found, time_ns, values):
    if PV in values:
        found[time_ns] = values[PV]


def hear(found, said):
    if said["method"] == "update":
        note(found, said["params"]["time_ns"], said["params"]["values"])
