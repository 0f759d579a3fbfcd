"""What the plugin costs collectd: its callbacks, its memory, and how fast it hands values over."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.floors import ROOT
from tests.bench.report import report
from tests.bench.shim import end, memory_mb
from tests.plugins.collectd.conftest import collectd, packages  # noqa: F401 - fixtures
from tests.plugins.collectd.daemon import PLUGIN, device, module
from tests.processes import wait_for

pytestmark = [pytest.mark.bench, pytest.mark.collectd]

#: The Python that collectd embeds.
PYTHON = "/usr/bin/python3"

MEASURE_S = 60

#: Values per second that a hundred devices would bring, ten times over.
LEAST_RATE = 10_000


def test_callbacks_memory_and_dispatch(collectd, packages, tmp_path):  # noqa: F811 - fixtures
    """One device at its usual pace, in a collectd that does nothing else, installed like a package.

    Compiling in the daemon would leave behind some 2 MB, which no installed plugin does.
    """
    subprocess.run([PYTHON, "-m", "compileall", "-q", ROOT / "rct_collector", PLUGIN], check=True)
    probe = tmp_path / "probe"
    probe.mkdir()
    shutil.copy(Path(__file__).with_name("probe.py"), probe)
    farm = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.farm", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        port = int(farm.stdout.readline())
        lines = module(tmp_path, device("roof", f"tcp://127.0.0.1:{port}", ""))
        daemon = collectd(lines, paths=(packages, ROOT, PLUGIN, probe))
        daemon.config.write_text(
            daemon.config.read_text().replace(
                '  Import "rct_collector_collectd"\n',
                '  Import "rct_collector_collectd"\n  Import "probe"\n',
            )
        )
        daemon.start()
        assert wait_for(lambda: daemon.rows("inverter-roof/power-grid")), daemon.log()
        time.sleep(MEASURE_S)
        memory = memory_mb(daemon.process.pid)
        assert daemon.errors() == []
        (probe / "go").touch()
        assert wait_for((probe / "speed.json").exists), daemon.log()
        daemon.stop()
    finally:
        end(farm)
    ours, bare = json.loads((probe / "speed.json").read_text())
    reads = json.loads((probe / "reads.json").read_text())
    busy = [read for read in reads if read[2]]
    passed, worked, _ = (1e3 * sum(column) / len(busy) for column in zip(*busy, strict=True))
    longest, _, most = max(busy)
    report(
        f"read callback of the collectd plugin, mean of the {len(busy)} among {len(reads)} that"
        f" had values (longest: {1e3 * longest:.1f} ms for {most} values)",
        f"{passed:.2f} ms",
        f"its own work: {worked:.2f} ms",
        goal="< 1 ms",
        reached=passed < 1,
    )
    report(
        "values per second from the collectd plugin",
        f"{ours:.0f}",
        f"{bare:.0f} (bare dispatch)",
        f"{ours / bare:.1f}",
        f"≥ {LEAST_RATE}",
        reached=ours >= LEAST_RATE,
    )
    report(
        "memory of collectd with the plugin and one device (RSS)",
        f"{memory:.1f} MB",
        goal="≤ 30 MB",
        reached=memory <= 30,
    )
    # The rest is waiting for collectd's five write threads, which each value wakes and which then
    # want the same lock and the same two cores.
    assert worked < 1
