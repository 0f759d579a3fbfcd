"""What the page costs: memory of its process while many look on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from tests.bench.report import report
from tests.bench.test_shim import memory_mb
from tests.processes import free_port
from tests.website import sunny_site, wait

aiohttp = pytest.importorskip("aiohttp")
pytestmark = pytest.mark.bench

ROOT = Path(__file__).parents[2]
BROWSERS = 50
MEASURE_S = 75  # the curves of the last hours are told once in that time
#: With the aiohttp of Debian 12; what came later is 2 MB larger, whatever it is used for.
GOAL_MB = 35 if aiohttp.__version__.startswith("3.8.") else 37


def test_memory_with_fifty_browsers(tmp_path):
    port = free_port()
    # What a developer's environment loads into each process is none of the page's business.
    path = os.pathsep.join([sysconfig.get_path("purelib"), str(ROOT)])
    command = [sys.executable, "-S", "-m", "rct_collector", "web", "--port", str(port)]
    with sunny_site(cells=True) as site:
        wait(lambda: (unit := site.unit()) and len(unit.readings) > 700)
        process = subprocess.Popen(
            [*command, "--folder", tmp_path], env={**os.environ, "PYTHONPATH": path}
        )
        try:
            wait(lambda: (tmp_path / "address").exists())
            heard = asyncio.run(look(port, (tmp_path / "read.token").read_text().strip()))
            memory = memory_mb(process.pid)
        finally:
            process.terminate()
            process.wait(30)

    assert min(heard) > MEASURE_S / 2  # all of them are told of each round
    report(
        f"the page with {BROWSERS} browsers, aiohttp {aiohttp.__version__}: memory",
        f"{memory:.1f} MB",
        goal=f"at most {GOAL_MB} MB",
        reached=memory <= GOAL_MB,
    )


async def look(port, token):
    """Look on with many browsers; how many updates each was told of."""
    headers = {"Authorization": f"Bearer {token}"}
    end = time.monotonic() + MEASURE_S

    async def one(session):
        updates = 0
        url = f"http://127.0.0.1:{port}/api"
        async with session.ws_connect(url, headers=headers, max_msg_size=0) as line:
            while time.monotonic() < end:
                updates += (await line.receive_json())["method"] == "update"
        return updates

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        return await asyncio.gather(*(one(session) for _ in range(BROWSERS)))
