"""What runs for years inside an agent holds nothing that only the commands need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rct_collector.drivers import BUILTIN, driver
from tests.inverter import running_inverter
from tests.processes import unmeasured

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT, ROOT / "plugins/telegraf", ROOT / "plugins/collectd")

#: Modules that an agent's daemon does not hold: simulators, tools, commands, and what they bring;
#: what few devices need.
HEAVY = re.compile(
    r"rct_collector\.(?:simulator|cli|docs|doctor|capture|format|markdown|drivers\.tools"
    r"|drivers\.\w+\.(?:simulator|tools)|lines\.(?:callers|gathering|listener)|config\.fleet|fleet|device\.(?:history|settings|units))(?:\.|$)"
    r"|(?:click|rich|aiohttp)(?:\.|$)"
)

#: What the shim, whose process is its own, does not hold of Python: what reads command lines,
#: archives, dates and names of packages, encrypts, or speaks what no inverter does; nor of others
#: what is for things that have failed, and what has read the configuration.
NEEDLESS = re.compile(
    r"(?:argparse|getopt|gettext|shutil|bz2|lzma|tempfile|_strptime|calendar|decimal|ctypes"
    r"|random|tenacity|yaml|importlib\.metadata|ssl|hashlib|_hashlib|hmac|secrets|email|http|xml|urllib\.request|unittest)(?:\.|$)"
)

#: Names of packages of families: their drivers, and libraries that only they need.
LIBRARIES = {"rct": "rct|rctclient", "solaredge": "solaredge|cryptography"}

#: One round of all devices, as Telegraf gets it.
SHIM = """
import rct_collector_telegraf
status = rct_collector_telegraf.main(["--config", sys.argv[1]])
"""

#: The same as collectd gets it.
COLLECTD = """
import time
from tests.plugins.collectd import stub
daemon = sys.modules["collectd"] = stub.Collectd()
stub.load()
daemon.configure(stub.Config("Config", sys.argv[1]))
daemon.init()
until = time.monotonic() + 60
while not daemon.values and time.monotonic() < until:
    daemon.read()
    time.sleep(0.05)
print("inverter_power" if daemon.values else "nothing", flush=True)
daemon.shutdown()
status = 0
"""

#: Tells what is loaded then.
TELL = """
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""


def test_what_is_heavy_is_known_by_its_name():
    heavy = ("drivers.rct.tools", "drivers.rct.simulator.unit", "simulator.hub", "drivers.tools")
    light = ("drivers.rct.session", "drivers.base", "drivers", "device.device")

    assert all(HEAVY.match(f"rct_collector.{name}") for name in heavy)
    assert not any(HEAVY.match(f"rct_collector.{name}") for name in light)


def foreign(name, modules):
    """Modules that belong to other families."""
    others = "|".join(LIBRARIES.get(other, other) for other in sorted(set(BUILTIN) - {name}))
    pattern = re.compile(rf"(?:rct_collector\.drivers\.)?(?:{others})(?:\.|$)")
    return [module for module in modules if pattern.match(module)]


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize(
    ("code", "name"),
    [(SHIM, "rct"), (SHIM, "voltronic"), (COLLECTD, "rct")],
    ids=["telegraf", "telegraf, voltronic", "collectd"],
)
def test_a_daemon_that_has_collected_holds_what_it_needs_and_no_more(code, name, write_config):
    with running_inverter(None, driver=name) as unit:
        path = write_config(unit.address, options="log_level: error\n")
        path.write_text(path.read_text().replace("driver: rct", f"driver: {name}"))
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys{code}{TELL}", path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=unmeasured(PYTHONPATH=os.pathsep.join(map(str, FOLDERS))),
        )
        with process:
            try:
                assert any("inverter_power" in line for line in process.stdout)
                _, told = process.communicate(timeout=120)
            finally:
                process.kill()
    assert process.returncode == 0, told
    modules = told.split()

    assert f"rct_collector.drivers.{name}.session" in modules
    assert [module for module in modules if HEAVY.match(module)] == []
    if code is SHIM:
        assert [module for module in modules if NEEDLESS.match(module)] == []
    assert foreign(name, modules) == []


#: A device of a family, in the shim, before anything is opened.
DEVICE = """
import sys
import rct_collector_telegraf
from rct_collector import Collector, Config, new_event_loop
device = {"name": "roof", "driver": sys.argv[1], "address": sys.argv[2]}
Collector(Config.parse({"devices": [device], "state_dir": "/nowhere"}), print)
print(*sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN)
def test_a_device_loads_nothing_of_other_families_and_nothing_that_few_need(name):
    way = "tcp://192.0.2.10:8899" if "tcp" in driver(name).ways else "listen://127.0.0.1:8899"
    found = subprocess.run(
        [sys.executable, "-c", DEVICE, name, way],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(PYTHONPATH=os.pathsep.join(map(str, FOLDERS))),
    )
    modules = found.stdout.split()

    assert f"rct_collector.drivers.{name}.session" in modules
    assert [module for module in modules if NEEDLESS.match(module)] == []
    assert foreign(name, modules) == []


#: Counts the bytes of Python objects, those of code left out, that one device of a family has
#: before it is asked anything: metrics, queries, and what is planned.
TABLES = """
import gc, sys, tracemalloc
from rct_collector.config import Config
from rct_collector.device.polling.plan import plan_for
from rct_collector.drivers import driver
tracemalloc.start()
name = sys.argv[1]
family = driver(name)
device = {"name": "roof", "driver": name, "address": "tcp://192.0.2.10:8899"}
(config,) = Config.parse({"devices": [device]}).devices
plan_for(family, config)
gc.collect()
files = tracemalloc.take_snapshot().statistics("filename")
held = sum(file.size for file in files if "/rct_collector/" in file.traceback[0].filename)
print(held / sum(1 for _ in family.found()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("rct", 950), ("voltronic", 1150)])
def test_what_is_alike_in_a_familys_tables_is_held_once(name, most, tmp_path):
    """Bytes for each place where a series is found; they are counted, whatever the machine.

    Modules are compiled for it: those that were compiled before hold a little more.
    """
    compiled = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", TABLES, name],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=unmeasured(**compiled),
    )
    assert float(found.stdout) <= most


#: Counts the bytes of Python objects that each of many devices of a family has, apart from what
#: all of them share, after what is learnt at the start; and those of all there is when they were
#: most, since a process keeps what it once had. Without sockets, in simulated time.
MANY = """
import gc, tracemalloc
from tests.bench import in_memory
devices = 20
family = in_memory.FAMILIES["rct"]
family.span = lambda _count: in_memory.Span(60, 1)
in_memory.once("rct", 1)
gc.collect()
tracemalloc.start()
held, most = [], []
def mark():
    most.append(tracemalloc.get_traced_memory()[1] / devices)
    gc.collect()
    files = tracemalloc.take_snapshot().statistics("filename")
    ours = (file.size for file in files if "/rct_collector/" in file.traceback[0].filename)
    held.append(sum(ours) / devices)
in_memory.once("rct", devices, mark)
print(held[-1], most[0])
"""


@pytest.mark.slow
def test_what_devices_have_in_common_is_not_held_by_each_of_them():
    """Bytes for each device that is asked for some 230 objects, and tells some 430 series."""
    found = subprocess.run(
        [sys.executable, "-c", MANY],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=unmeasured(),
    )
    held, most = map(float, found.stdout.split())
    assert held <= 48_500
    assert most <= 84_000
