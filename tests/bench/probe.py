"""Measures the collectd plugin from within collectd, whose Python loads this after the plugin.

Everything is written as JSON beside this file's copy: the time of each read callback at the end,
and, as soon as there is a file ``go``, how fast values are dispatched.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import collectd

import rct_collector_collectd as ours

FOLDER = Path(__file__).parent
#: Turns of both ways, of which the best counts, and values in each.
TURNS, VALUES = 10, 5000

plugin = ours._plugin
read, take, dispatch = plugin.read, plugin._take, plugin._dispatch
durations = []
batches = []
dispatched = 0


def timed_read():
    """The read callback: time that passed, time that it worked, and values handed over."""
    known, started, worked = dispatched, time.perf_counter(), time.thread_time()
    read()
    passed, worked = time.perf_counter() - started, time.thread_time() - worked
    durations.append((passed, worked, dispatched - known))


def noted_take(batch, target):
    """What is taken in, with a batch kept for later."""
    batches.append(batch)
    take(batch, target)


def counted_dispatch(*value):
    """What is handed over, counted."""
    global dispatched
    dispatched += 1
    dispatch(*value)


def measure():
    """Once there is a file ``go``."""
    if not (FOLDER / "go").exists() or (FOLDER / "speed.json").exists():
        return
    largest = max(batches, key=lambda batch: len(batch.values))
    (member,) = ours._devices.members.values()
    ways = Ours(largest, member.config), Bare(largest)
    rates = [[way.rate() for way in ways] for _ in range(TURNS)]
    (FOLDER / "part.json").write_text(
        json.dumps([max(column) for column in zip(*rates, strict=True)])
    )
    (FOLDER / "part.json").rename(FOLDER / "speed.json")


class Way:
    """One way to dispatch a batch again and again, each time as of a second later."""

    def __init__(self, batch):
        """Begin so early that no value is of the future."""
        self.batch = batch
        self.rounds = VALUES // len(batch.values)
        self.moment = batch.time_ns - TURNS * self.rounds * 10**9

    def rate(self):
        """Values per second in one turn."""
        started = time.perf_counter()
        for _ in range(self.rounds):
            self.moment += 10**9
            self.dispatch()
        return self.rounds * len(self.batch.values) / (time.perf_counter() - started)


class Ours(Way):
    """The plugin's way."""

    def __init__(self, batch, config):
        """Take another name, so that values in collectd's cache are none of ours."""
        super().__init__(batch)
        gauges = ours.rct_collector.Gauges(config)
        self.target = ours.Target("inverter", "bench", {}, gauges, None, {})

    def dispatch(self):
        """Dispatch one batch."""
        batch = self.batch._replace(time_ns=self.moment)
        for gauge in self.target.gauges.take(batch):
            dispatch(self.target, self.moment / 1e9, gauge)


class Bare(Way):
    """Nothing but the call."""

    def __init__(self, batch):
        """Make all values before."""
        super().__init__(batch)
        common = {"type": "gauge", "plugin": "bare", "plugin_instance": "bench"}
        self.values = [
            collectd.Values(type_instance=f"name{number}", **common)
            for number in range(len(batch.values))
        ]

    def dispatch(self):
        """Dispatch one batch."""
        when = self.moment / 1e9
        for value in self.values:
            value.dispatch(values=(1.5,), time=when, interval=10.0)


def shutdown():
    """Leave the figures behind."""
    (FOLDER / "reads.json").write_text(json.dumps(durations))


plugin.read = timed_read
plugin._take = noted_take
plugin._dispatch = counted_dispatch
collectd.register_read(measure, 0.5, name="probe")
collectd.register_shutdown(shutdown, name="probe")
