"""Commands for a device that an agent of this host has: they take from it what it reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rct_collector.exits import Exit
from tests import home_assistant
from tests.inverter import running_inverter

pytestmark = pytest.mark.slow  # an agent is started, and has to know all of its unit

SHIM = Path(sys.executable).parent / "rct-collector-telegraf"

CONFIG = """
state_dir: {folder}/state
devices:
  - name: roof
    driver: rct
    address: {address}
    intervals: {{fast: 2s, medium: 10s}}
    requests: {{per_second: 50, gap: 2ms}}
    history: {{backfill: off}}
    exclude: ["inverter_temperature*"]
"""


@pytest.fixture(scope="module")
def owned(tmp_path_factory):
    """An inverter that an agent collects from, and the agent's process."""
    folder = tmp_path_factory.mktemp("owner")
    with running_inverter(rate=1e6) as inverter:
        path = folder / "config.yaml"
        path.write_text(CONFIG.format(folder=folder, address=inverter.address))
        with subprocess.Popen(
            [SHIM, "--config", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as agent:
            for line in agent.stdout:
                if line.startswith(b"inverter,"):  # texts, which come when all of them are known
                    break
            yield inverter, agent
            agent.kill()


def test_read_prints_what_the_agent_has_read(run, owned):
    inverter, _ = owned
    result = run(
        "read",
        inverter.address,
        "--name",
        "barn",
        "--exclude",
        "inverter_temperature*",
        "-f",
        "json",
    )
    assert (result.exit_code, result.stderr) == (0, "")
    (device,) = json.loads(result.stdout)
    assert device["source"] == "barn"
    found = {value["measurement"] for value in device["values"]}
    assert {"inverter_power", "inverter_energy"} <= found
    assert inverter.inverter.hub().served == 1


def test_read_has_the_agent_ask_for_what_only_it_wants(run, owned):
    inverter, _ = owned
    result = run("read", inverter.address, "--only", "inverter_temperature*", "-f", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    (device,) = json.loads(result.stdout)
    assert {value["measurement"] for value in device["values"]} == {"inverter_temperature"}
    assert inverter.inverter.hub().served == 1


def test_watch_shows_what_the_agent_reads(run, owned):
    inverter, _ = owned
    result = run("watch", "--address", inverter.address, "--for", "4s")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("Power") >= 2
    assert inverter.inverter.hub().served == 1


def test_a_single_thing_is_asked_for_by_the_agent(run, owned):
    inverter, _ = owned
    result = run("read", inverter.address, "--object", "inverter_sn", "--object", "0x959930BF")
    assert (result.exit_code, result.stderr) == (0, "")
    serial, soc = result.stdout.splitlines()
    known = run("read", inverter.address, "--only", "inverter.serial", "-f", "json")
    assert f'"{serial}"' in known.stdout
    assert 0 < float(soc) < 1
    verbose = run("read", inverter.address, "--object", "battery.soc", "-v")
    assert "metric       inverter_battery{battery=0}.soc_percent = " in verbose.stdout
    assert inverter.inverter.hub().served == 1


def test_a_thing_that_the_unit_does_not_know_is_told(run, owned):
    inverter, _ = owned
    result = run("read", inverter.address, "--object", "battery.stack_cycles[6]", "-f", "json")
    (thing,) = json.loads(result.stdout)
    assert (result.exit_code == 0) == (thing["trouble"] is None)
    assert inverter.inverter.hub().served == 1


def test_the_memory_is_read_by_the_agent(run, owned):
    inverter, _ = owned
    result = run(
        "history", inverter.address, "--from", "-2h", "--signals", "pv_*", "-f", "csv", "-q"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    head, *rows = result.stdout.splitlines()
    assert "pv_" in head
    assert len(rows) >= 23, "one each five minutes"
    assert inverter.inverter.hub().served == 1


def test_discovery_tells_what_the_agent_has_with_the_ids_that_all_of_it_has(run, owned):
    """Ids hold the serial number, which the agent was told long ago."""
    inverter, _ = owned
    result = run("discovery", "--address", inverter.address, "--name", "roof", "--host", "solar1")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    home_assistant.check(document)
    serial = document["device"]["serial_number"]
    assert document["device"]["identifiers"] == [f"rct_{serial}"]
    assert {"grid_l1_voltage_volts", "collector_up"} <= set(document["components"])
    assert inverter.inverter.hub().served == 1


def test_record_needs_the_line_itself_and_says_so(run, owned, tmp_path):
    """What the agent hands on is no recording of the line."""
    inverter, _ = owned
    path = tmp_path / "roof.pcap"
    result = run("record", "--address", inverter.address, "--duration", "20s", path)
    assert result.exit_code == Exit.BUSY
    assert "already collected by process" in result.stderr
    assert "stop one of the two" in result.stderr
    assert not path.exists()
