"""What ``history`` writes, loaded into real databases with their own tools: all of it is there."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

from tests.processes import free_port, require
from tests.servers.influxdb import InfluxDB
from tests.servers.prometheus import Prometheus

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PROMTOOL = Path("/usr/bin/promtool")


@pytest.fixture
def written(run, tmp_path):
    """Write half a day of a simulated unit: all signals, and the events."""

    def write(form):
        path = tmp_path / f"half-a-day.{form}"
        result = run("history", "--simulate", "--from", "-12h", "--events", "-f", form, "-o", path)
        assert result.exit_code == 0, result.stderr
        return path

    return write


def test_influxdb_takes_the_lines_once_however_often_they_are_sent(written, tmp_path):
    lines = written("influx").read_bytes()
    sent = [parse_line(line) for line in lines.decode().splitlines()]
    with InfluxDB(tmp_path / "influxdb") as influxdb:
        influxdb.create("solar")
        for _ in range(2):
            request = urllib.request.Request(f"{influxdb.url}/write?db=solar", data=lines)
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 204
        for measurement in {line["measurement"] for line in sent}:
            rows = influxdb.query("solar", " ".join(["SELECT * FROM", measurement]))
            stored = {
                (row["time"], row.get("code"), field): value
                for row in rows
                for field, value in row.items()
                if value is not None and field not in _TAGS
            }
            assert stored == {
                (line["time"], line["tags"].get("code"), field): value
                for line in sent
                if line["measurement"] == measurement
                for field, value in line["fields"].items()
            }
        counts = "SELECT count(load_watts) FROM inverter_history WHERE"
        span = f"time >= {sent[0]['time']} AND time <= {_last(sent)} GROUP BY time(5m)"
        gaps = influxdb.query("solar", f"{counts} {span}")
        assert {row["count"] for row in gaps} == {1}


_TAGS = ("time", "measurement", "source", "vendor", "resolution", "code")


def _last(lines):
    return max(line["time"] for line in lines if line["measurement"] == "inverter_history")


_SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+) (?P<time>\S+)")


def test_promtool_makes_blocks_of_it_which_prometheus_serves(written, tmp_path):
    require(PROMTOOL)
    path = written("openmetrics")
    found = [_SAMPLE.fullmatch(line) for line in path.read_text().splitlines() if line[0] != "#"]
    expected = {}
    for sample in found:
        key = sample["name"], sample["labels"]
        expected.setdefault(key, []).append((float(sample["time"]), float(sample["value"])))

    server = Prometheus(tmp_path / "prometheus", free_port())
    data = server.folder / "data"
    subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", path, data],
        check=True,
        capture_output=True,
    )
    with server as prometheus:
        shown = {}
        for labels, samples in prometheus.history('{__name__=~"inverter_.*"}', "30h"):
            name = labels.pop("__name__")
            text = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
            shown[name, text] = samples
    assert shown == expected
    assert len({name for name, _ in shown if name.startswith("inverter_history_")}) == 22
