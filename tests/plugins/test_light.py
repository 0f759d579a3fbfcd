"""What runs for years inside an agent holds nothing that only the commands need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Modules that an agent's daemon does not hold: simulators, tools, commands, and what they bring.
HEAVY = re.compile(
    r"rct_collector\.(?:simulator|cli|docs|doctor|capture|format|markdown|drivers\.tools"
    r"|drivers\.\w+\.(?:simulator|tools))(?:\.|$)"
    r"|(?:click|rich)(?:\.|$)"
)

#: One round of all devices, as Telegraf gets it.
SHIM = """
import sys
import rct_collector_telegraf
status = rct_collector_telegraf.main(["--config", sys.argv[1]])
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""

#: The same as collectd gets it.
COLLECTD = """
import sys, time
from tests.plugins.collectd import stub
daemon = sys.modules["collectd"] = stub.Collectd()
stub.load()
daemon.configure(stub.Config("Config", sys.argv[1]))
daemon.init()
until = time.monotonic() + 60
while not daemon.values and time.monotonic() < until:
    daemon.read()
    time.sleep(0.05)
daemon.shutdown()
print("inverter_power" if daemon.values else "nothing")
print(*sys.modules, file=sys.stderr)
"""


def test_what_is_heavy_is_known_by_its_name():
    heavy = ("drivers.rct.tools", "drivers.rct.simulator.unit", "simulator.hub", "drivers.tools")
    light = ("drivers.rct.session", "drivers.base", "drivers", "device.device")

    assert all(HEAVY.match(f"rct_collector.{name}") for name in heavy)
    assert not any(HEAVY.match(f"rct_collector.{name}") for name in light)


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize("code", [SHIM, COLLECTD], ids=["telegraf", "collectd"])
def test_a_daemon_that_has_collected_holds_no_tools(code, inverter, write_config):
    path = write_config(inverter.address, options="log_level: error\n")
    folders = (ROOT, ROOT / "plugins/telegraf", ROOT / "plugins/collectd")
    found = subprocess.run(
        [sys.executable, "-c", code, path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
    )
    modules = found.stderr.split()

    assert found.returncode == 0, found.stderr
    assert "inverter_power" in found.stdout
    assert "rct_collector.drivers.rct.session" in modules
    assert [name for name in modules if HEAVY.match(name)] == []
