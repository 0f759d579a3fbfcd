"""collectd and Telegraf have one inverter at the same time, over one connection."""

from __future__ import annotations

import os
import re
import signal
from collections import defaultdict

import pytest
from line_protocol_parser import parse_line

from rct_collector.catalog import catalog
from rct_collector.model import Kind
from tests.inverter import running_inverter
from tests.plugins.agent import Agent
from tests.plugins.collectd.daemon import QUICK, device, module
from tests.processes import wait_for

pytestmark = [pytest.mark.collectd, pytest.mark.telegraf, pytest.mark.slow]

YAML = (
    "    intervals: {fast: 2s, medium: 4s, slow: 4s}\n"
    "    requests: {per_second: 50, gap: 5ms}\n    history: {backfill: off}\n"
)
GRID = "power-grid"
DROPPED = "inverter_collector.samples_dropped_total"


def of_telegraf(path):
    """Series → time, with the digits of collectd's files, → value."""
    found = defaultdict(dict)
    for text in path.read_text().splitlines(keepends=True) if path.exists() else ():
        if not text.endswith("\n"):
            continue
        line = parse_line(text)
        tags = {k: v for k, v in line["tags"].items() if k not in ("source", "vendor")}
        for field, value in line["fields"].items():
            series = catalog().series(f"{line['measurement']}.{field}", **tags)
            if series.metric.kind is not Kind.TEXT:
                found[series][round(line["time"] / 1e9, 3)] = float(f"{value:.6f}")
    return found


def of_collectd(daemon):
    """The same, from the files of the csv plugin."""
    places = {"-".join(s.collectd): s for s in catalog() if s.collectd}
    return {places[name.partition("/")[2]]: dict(daemon.rows(name)) for name in daemon.names()}


def newest(output):
    return max(of_telegraf(output)[catalog().series("inverter_power.grid_watts")])


def test_both_agents_have_one_unit_at_the_same_time(telegraf, collectd, write_config, tmp_path):
    output = tmp_path / "telegraf.lp"
    files = f'[[outputs.file]]\n  files = ["{output}"]\n  data_format = "influx"\n'
    with running_inverter(rate=1e6) as inverter:
        agent = Agent(telegraf, tmp_path, write_config(inverter.address, extra=YAML), files)
        hub = inverter.inverter.hub()
        with agent.running():
            assert wait_for(lambda: len(of_telegraf(output)) > 200)
            quick = f'{QUICK}      <History>\n        Backfill "off"\n      </History>\n'
            daemon = collectd(module(tmp_path / "other", device("barn", inverter.address, quick)))
            daemon.start()
            assert wait_for(lambda: len(daemon.rows(f"inverter-barn/{GRID}")) > 3)
            assert hub.served == 1
            (owner,) = re.findall(r"barn: collected by process (\d+) ", daemon.log())
            last = newest(output)
            os.kill(int(owner), signal.SIGKILL)
            assert wait_for(lambda: hub.served > 1)
            # Telegraf starts its input again, which then has the values that collectd reads.
            assert wait_for(lambda: newest(output) > last + 5)
            assert hub.served == 2
        daemon.stop()
    assert daemon.errors() == []
    ours, theirs = of_telegraf(output), of_collectd(daemon)
    common = ours.keys() & theirs.keys()
    assert theirs.keys() <= ours.keys()
    assert len(common) > 200
    compared = 0
    for series in common - {catalog().series(DROPPED)}:
        begun, ended = min(theirs[series]), max(ours[series])
        mine = {t: v for t, v in ours[series].items() if t >= begun}
        known = {t: v for t, v in theirs[series].items() if t <= ended}
        both = mine.keys() & known.keys()
        assert {t: mine[t] for t in both} == {t: known[t] for t in both}, series.name
        # Nothing came to one alone but around the moment at which its owner was killed.
        alone = mine.keys() ^ known.keys()
        assert all(last - 5 < t < last + 6 for t in alone), (series.name, sorted(alone), last)
        compared += len(both)
    assert compared > 500
