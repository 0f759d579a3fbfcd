"""A bridge at work between a real broker and a door of the tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from tests.processes import unmeasured, wait_for

#: paho-mqtt 2, beside the one that is installed; see the Makefile.
PAHO_2 = Path(sys.prefix) / "paho2"

#: A device that no other process of the tests has.
SOURCE = f"roof-{os.getpid()}"

SETTINGS = [
    {"name": "output_priority", "kind": "choice", "choices": ["utility", "solar", "sbu"]},
    {"name": "max_charge_amperes", "kind": "number", "low": 10, "high": 120, "step": 10},
]


class StubbornDoor:
    """Answers at the name of a lock, as the door of a device does, in a thread of its own.

    Attributes:
        sent: The params of each ``set``.
    """

    def __init__(self, source=SOURCE):
        self._source = source
        self.sent = []
        self._answers = True

    @contextmanager
    def silent(self):
        """While the block runs, nothing that is set is answered."""
        self._answers = False
        try:
            yield
        finally:
            self._answers = True

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self._server = started.result(30)
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _start(self):
        name = f"\0rct-collector/tcp:{self._source}.test:8899"
        return await asyncio.start_unix_server(self._serve, name)

    async def _stop(self):
        self._server.close()
        own = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not own]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader, writer):
        try:
            while line := await reader.readline():
                asked = json.loads(line)
                for said in self._answer(asked["method"], asked.get("params"), asked["id"]):
                    writer.write(json.dumps({"jsonrpc": "2.0", **said}).encode() + b"\n")
        finally:
            writer.close()

    def _answer(self, method, params, number):
        if method == "status":
            collector = {"pid": os.getpid(), "since": 0.0}
            devices = [{"source": self._source}]
            yield {"id": number, "result": {"collector": collector, "devices": devices}}
        elif method == "settings":
            yield {"id": number, "result": {"settings": SETTINGS}}
        elif method == "set":
            self.sent.append(params)
            if self._answers:
                ticket = f"t{len(self.sent)}"
                yield {"id": number, "result": {"state": "accepted", "ticket": ticket}}
                said = {"source": self._source, "ticket": ticket, "name": params["name"]}
                yield {"method": "setting", "params": {**said, "state": "applied"}}


def call(key, value="sbu", age=0.0, **more):
    """A command in JSON, as it is published."""
    params = {"name": "output_priority", "value": value, "time": time.time() - age, **more}
    return json.dumps({"jsonrpc": "2.0", "id": key, "method": "set", "params": params})


class Bridge:
    """The command as a process."""

    def __init__(self, folder, *options, paho=None, **variables):
        self.folder = folder
        self._options = options
        self._variables = {"PYTHONPATH": str(paho)} if paho else {}
        self._variables |= variables
        self.log = folder / "bridge.log"

    @contextmanager
    def running(self):
        """The process, while the block runs."""
        command = [sys.executable, "-m", "rct_collector", "bridge", "--state-dir"]
        with self.log.open("a") as log:
            process = subprocess.Popen(
                list(map(str, [*command, self.folder / "state", *self._options])),
                env=unmeasured(**self._variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)

    def says(self, text):
        """Wait until something is in its log."""
        assert wait_for(lambda: text in self.log.read_text()), self.log.read_text()
