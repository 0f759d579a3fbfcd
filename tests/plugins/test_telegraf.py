"""The shim under a real Telegraf."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

from rct_collector.catalog import catalog
from tests.inverter import running_inverter
from tests.plugins.agent import SHIM, Agent, expected_series, series_name
from tests.processes import free_port, wait_for

pytestmark = pytest.mark.telegraf


def rows(path):
    """The metrics of an outputs.file with JSON lines."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def names(metrics):
    return {f"{m['name']}.{field}" for m in metrics for field in m["fields"]}


@pytest.fixture
def json_output(tmp_path):
    path = tmp_path / "metrics.json"
    text = (
        f'[[outputs.file]]\n  files = ["{path}"]\n  data_format = "json"\n'
        '  json_timestamp_units = "1ns"\n'
    )
    return path, text


def test_test_mode_prints_metrics_without_waiting(telegraf, tmp_path, write_config, inverter):
    agent = Agent(telegraf, tmp_path, write_config(inverter.address), "")
    lines, complaints = agent.try_out()
    assert any(line.startswith("inverter_power,") for line in lines)
    assert not [line for line in complaints if "execd" in line and " E! " in line]


def test_the_whole_metric_set_of_the_inverter_arrives(
    telegraf, tmp_path, write_config, json_output
):
    """Every default series of the simulated unit's equipment, with the right type and tags."""
    path, output = json_output
    with running_inverter() as inverter:
        config = write_config(inverter.address, extra="    requests: {per_second: 16}\n")
        agent = Agent(telegraf, tmp_path, config, output)
        scenario = inverter.inverter.unit.scenario
        expected = expected_series(scenario, config)
        with agent.running():
            wait_for(lambda: expected <= arrived(path), 120)
        assert expected - arrived(path) == set()
        assert agent.messages() == []
    for metric in rows(path):
        assert len(str(metric["timestamp"])) == 19


def arrived(path):
    """The series that Telegraf has written."""
    return {
        series_name(metric["name"], metric["tags"], field)
        for metric in rows(path)
        for field in metric["fields"]
    }


def test_values_are_those_that_the_unit_sent(telegraf, tmp_path, write_config, json_output):
    """A unit whose every answer is known: what Telegraf writes is what was sent."""
    path, output = json_output
    with running_inverter("inverter-only", seed=3) as inverter:
        sent = {}
        unit = inverter.inverter.unit
        read = unit.read

        def spy(oid, unix):
            answer = read(oid, unix)
            sent.setdefault(oid, []).append(answer)
            return answer

        unit.read = spy
        agent = Agent(telegraf, tmp_path, write_config(inverter.address), output)
        with agent.running():
            wait_for(lambda: sum(m["name"] == "inverter_power" for m in rows(path)) >= 2)
    grid = set(sent[0x91617C58])  # g_sync.p_ac_grid_sum_lp
    found = [m["fields"]["grid_watts"] for m in rows(path) if "grid_watts" in m["fields"]]
    assert found
    assert {struct.pack(">f", value) for value in found} <= grid


@pytest.mark.parametrize("signal_name", ["STDIN", "SIGHUP", "SIGUSR1"])
def test_ticks_of_telegraf_do_no_harm(telegraf, tmp_path, write_config, json_output, signal_name):
    path, output = json_output
    with running_inverter() as inverter:
        agent = Agent(telegraf, tmp_path, write_config(inverter.address), output, signal_name)
        with agent.running():
            assert wait_for(lambda: sum("up" in m["fields"] for m in rows(path)) >= 2), (
                agent.log.read_text()
            )
            assert agent.messages() == []


def test_no_orphan_is_left_when_telegraf_is_killed(telegraf, tmp_path, write_config, json_output):
    path, output = json_output
    with running_inverter() as inverter:
        agent = Agent(telegraf, tmp_path, write_config(inverter.address), output)
        with agent.running() as process:
            wait_for(lambda: rows(path))
            (shim,) = children(process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed = time.monotonic()
            assert wait_for(lambda: gone(shim), 10)
            assert time.monotonic() - killed < 2.5


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(p) for p in (task / "children").read_text().split()]
    return found


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(") ", 1)[1].startswith("Z")


def test_a_restarted_shim_connects_once(telegraf, tmp_path, write_config, json_output):
    """Telegraf starts it again after a crash; the unit never sees two of them."""
    path, output = json_output
    with running_inverter() as inverter:
        agent = Agent(telegraf, tmp_path, write_config(inverter.address), output)
        with agent.running() as process:
            wait_for(lambda: rows(path))
            (shim,) = children(process.pid)
            os.kill(shim, signal.SIGKILL)
            before = len(rows(path))
            assert wait_for(lambda: len(rows(path)) > before + 5)
            assert inverter.inverter.hub().clients == 1


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
def test_the_last_lines_are_never_lost(telegraf, tmp_path, write_config):
    """Fifty times: a round at the very end, just before the process goes."""
    port = free_port()
    agent = Agent(telegraf, tmp_path, write_config(f"tcp://127.0.0.1:{port}"), "")
    for _ in range(50):
        lines, _ = agent.try_out()
        found = [parse_line(line) for line in lines]
        assert any(p["measurement"] == "inverter_collector" for p in found)
        assert sum(p["measurement"] == "inverter_collector_errors" for p in found) == len(
            list(catalog().matching("inverter_collector_errors.frames_total"))
        )


def test_the_sample_configuration_works(telegraf, tmp_path, write_config, inverter):
    sample = Path(__file__).parents[2] / "plugins/telegraf/sample.conf"
    path = tmp_path / "sample.conf"
    path.write_text("[agent]\n  skip_processors_after_aggregators = true\n" + sample.read_text())
    config = str(write_config(inverter.address))
    search = f"{SHIM.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [telegraf, "--config", str(path), "--test", "--input-filter", "execd"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PATH": search, "RCT_COLLECTOR_CONFIG": config},
    )
    assert "> inverter_power," in done.stdout
