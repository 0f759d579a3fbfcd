"""The page of a real collector that collects from a simulated unit, all in one thread."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from contextlib import contextmanager

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.control.doors import doors
from rct_collector.lines.lock import lock_name
from rct_collector.web.guard import Guard
from rct_collector.web.overview import Overview
from rct_collector.web.server import PageServer, serve
from rct_collector.web.tokens import Right, Tokens
from tests.inverter import running_inverter

READ, SET = "r" * 43, "s" * 43
PUBLIC = "https://solar.example"

#: Asked without any pause, of a unit that answers at once.
_QUICK = {
    "requests": {"per_second": 50, "gap": "1ms", "timeout": "500ms"},
    "intervals": {"fast": "1s", "medium": "2s", "slow": "5s"},
}


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


class Site:
    """What runs.

    Attributes:
        port: Of the page.
        address: Of the page.
        overview: What all browsers look at.
        config: Of the collector.
        emit: Takes what the collector has to say, as an agent does.
    """

    def __init__(self, devices, folder) -> None:
        self.config = Config.parse({"state_dir": str(folder), "devices": list(devices)})
        names = {lock_name(device.address.key, 0) for device in self.config.devices}
        # Other tests have doors, too.
        self.overview = Overview(lambda: [door for door in doors() if door.name in names])
        self.emit = lambda batch: None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def run(self, job):
        """Have something done within the loop."""
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(30)

    def start(self):
        self._thread.start()
        self.run(self._start())

    async def _start(self):
        self._looking = asyncio.create_task(self.overview.run())
        self.collect()
        tokens = Tokens({Right.READ: READ, Right.SET: SET})
        server = PageServer(self.overview, tokens, Guard(0))
        self._runner = await serve(server, "127.0.0.1", 0)
        _, self.port = self._runner.addresses[0]
        self.address = f"http://127.0.0.1:{self.port}"
        server.guard = Guard(self.port, [PUBLIC])  # now that it is known where it listens

    def collect(self):
        """Have a collector collect."""
        self.collector = Collector(self.config, lambda batch: self.emit(batch))
        self.collecting = asyncio.create_task(self.collector.run())

    def stop(self):
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _stop(self):
        await self._runner.cleanup()
        # Those of the server, too: it lets go of connections that are lost, not of who serves them.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def unit(self, source="roof"):
        """What the overview knows of a unit."""
        device = self.overview.devices.get(source)
        return device and device.units.get("")


def roof(address, **more):
    """A device of the configuration."""
    return {"name": "roof", "driver": "rct", "address": address, **_QUICK, **more}


def axpert(address, **more):
    """One of another family, whose output priority may be set."""
    options = {"driver": "voltronic", "address": address, "writes": ["output_priority"]}
    requests = {"per_second": 10, "gap": "10ms", "timeout": "1s"}
    intervals = {"fast": "5s", "medium": "10s", "slow": "15s"}
    return {"name": "axpert", **options, "requests": requests, "intervals": intervals, **more}


@contextmanager
def running_site(*devices):
    """A page for some devices."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(devices, folder)
        site.start()
        try:
            yield site
        finally:
            site.stop()


@contextmanager
def sunny_site(**more):
    """A page for one simulated unit at which the sun shines."""
    quick = {"latency": (0.0, 0.0), "rate": 1e9}
    with (
        running_inverter(**quick) as inverter,
        running_site(roof(inverter.address, **more)) as site,
    ):
        yield site
