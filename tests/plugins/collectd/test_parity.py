"""collectd and Telegraf get the same metrics with the same values."""

from __future__ import annotations

import threading
import time

import pytest
from line_protocol_parser import parse_line

from rct_collector.catalog import catalog
from rct_collector.model import Kind
from tests.inverter import running_inverter
from tests.plugins.collectd.daemon import device, module
from tests.processes import wait_for

pytestmark = [pytest.mark.collectd, pytest.mark.slow]

#: Each round takes in everything, so that whatever is computed finds its inputs in one of them.
ROUND_S = 10
YAML = (
    "    intervals: {fast: 10s, medium: 10s, slow: 10s, static: 10s}\n"
    "    cells: true\n    requests: {per_second: 50, gap: 5ms}\n"
)
BLOCKS = """
      Cells true
      <Intervals>
        Fast "10s"
        Medium "10s"
        Slow "10s"
        Static "10s"
      </Intervals>
      <Requests>
        PerSecond 50
        Gap "5ms"
      </Requests>
"""

#: Whose value tells of the host's time or of the collector, not of the inverter standing still.
MOVING = ("inverter_clock", "inverter_collector", "inverter_collector_errors")


def settled(known, quiet=2.5 * ROUND_S, limit=12.0 * ROUND_S):
    """Wait until a growing collection has not grown for a while."""
    end = time.monotonic() + limit
    size, since = -1, 0.0
    while time.monotonic() < end:
        if (now := len(known())) != size:
            size, since = now, time.monotonic()
        if size > 0 and time.monotonic() - since > quiet:
            return
        time.sleep(0.2)
    raise AssertionError(f"still growing after {limit} s: {size}")


def through_telegraf(shim, path):
    """Series → last value, from the lines of the shim."""
    one = shim(path)
    found = {}

    def read():
        for raw in one.process.stdout:
            line = parse_line(raw.decode())
            tags = {k: v for k, v in line["tags"].items() if k not in ("source", "vendor")}
            for field, value in line["fields"].items():
                found[catalog().series(f"{line['measurement']}.{field}", **tags)] = value

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    settled(lambda: found)
    one.process.stdin.close()
    assert one.process.wait(10) == 0
    reader.join(10)
    return found


def through_collectd(daemon):
    """Name → last value, from the files of the csv plugin."""
    daemon.start()
    settled(daemon.names)
    daemon.stop()
    assert daemon.errors() == []
    return {name: rows[-1][1] for name in daemon.names() if (rows := daemon.rows(name))}


def test_both_agents_get_the_same(collectd, shim, write_config, tmp_path):
    # The world of this unit stands still, so that both read the same moment of it.
    still = {"start": 1782036000.0, "speed": 0.0, "rate": 1e6}
    with running_inverter("everything", seed=1, **still) as inverter:
        telegraf = through_telegraf(shim, write_config(inverter.address, extra=YAML))
        assert wait_for(lambda: not inverter.inverter.hub().clients)
        blocks = module(tmp_path / "other", device("unit0", inverter.address, BLOCKS))
        found = through_collectd(collectd(blocks))
    texts = {series for series in telegraf if series.collectd is None}
    assert texts
    assert {series.metric.kind for series in texts} == {Kind.TEXT}
    expected = {
        f"inverter-unit0/{'-'.join(series.collectd)}": (series, value)
        for series, value in telegraf.items()
        if series.collectd
    }
    assert len(expected) > 600
    assert set(found) == set(expected)
    differing = {
        name: (value, found[name])
        for name, (series, value) in expected.items()
        if series.metric.measurement not in MOVING and found[name] != float(f"{value:.6f}")
    }
    assert differing == {}
