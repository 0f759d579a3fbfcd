"""``discovery``: the document by which Home Assistant learns of a unit."""

from __future__ import annotations

import json
import socket

import pytest

from tests import home_assistant
from tests.inverter import running_inverter

pytestmark = pytest.mark.slow

ONLY = ("--only", "inverter_grid.*", "--only", "inverter_collector.up", "--only", "inverter.serial")


def topics_of(document):
    return {c["state_topic"] for c in document["components"].values()}


def test_one_unit_is_its_document_alone(run, monkeypatch):
    monkeypatch.setattr(socket, "getfqdn", lambda: "solar1.example")
    result = run("discovery", "--simulate", *ONLY)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    home_assistant.check(document)
    assert "collectd/solar1.example/inverter-simulated/voltage-grid_l1" in topics_of(document)
    component = document["components"]["grid_l1_voltage_volts"]
    assert home_assistant.state(component, b"1782036003.525:231.4\0") == 231.4
    assert component["expire_after"] >= 6, "three intervals"


def test_several_units_need_their_topics(run, tmp_path, inverters):
    result = run("discovery", "--config", inverters, *ONLY)
    assert result.exit_code == 2
    assert "roof, shed" in result.stderr
    result = run("discovery", "--config", inverters, "--topics", "--host", "solar1", *ONLY)
    assert result.exit_code == 0
    found = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    assert list(found) == [
        "homeassistant/device/voltronic-roof/config", "homeassistant/device/voltronic-shed/config",
    ]  # fmt: skip
    for topic, document in found.items():
        home_assistant.check_topic(topic)
        home_assistant.check(json.loads(document))


QUICK = {"driver": "voltronic", "rate": 1e9, "latency": (0.0, 0.0)}


@pytest.fixture
def inverters(tmp_path):
    with running_inverter(None, **QUICK) as roof, running_inverter(None, **QUICK) as shed:
        path = tmp_path / "config.yaml"
        entries = "".join(
            f"  - {{name: {name}, driver: voltronic, address: '{unit.address}',"
            " requests: {gap: 5ms, per_second: 50}}\n"
            for name, unit in (("roof", roof), ("shed", shed))
        )
        path.write_text(f"state_dir: {tmp_path}/state\ndevices:\n{entries}")
        yield path


def test_for_telegraf_the_topics_are_those_of_its_output(run):
    result = run("discovery", "--simulate", "--driver", "voltronic", "--agent", "telegraf")
    document = json.loads(result.stdout)
    home_assistant.check(document)
    assert "solar/simulated/inverter_grid/l1/voltage_volts" in topics_of(document)


def test_what_is_not_there_is_told_of_in_words(run):
    result = run("discovery", "--address", "tcp://127.0.0.1:1", "--timeout", "1s")
    assert result.exit_code != 0
    assert result.stdout == ""
    assert "127.0.0.1" in result.stderr


def test_what_may_be_set_is_in_it(run, tmp_path):
    with running_inverter(None, **QUICK) as unit:
        path = tmp_path / "config.yaml"
        path.write_text(
            f"state_dir: {tmp_path}/state\ndevices:\n  - name: axpert\n    driver: voltronic\n"
            f"    address: {unit.address}\n    writes: [output_priority, buzzer]\n"
            "    requests: {gap: 5ms, per_second: 50}\n"
        )
        result = run("discovery", "--config", path, "--only", "inverter_power.load_watts")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    home_assistant.check(document)
    found = {key: c for key, c in document["components"].items() if key.startswith("set_")}
    assert {key: c["platform"] for key, c in found.items()} == {
        "set_output_priority": "select", "set_buzzer": "switch",
    }  # fmt: skip
    assert found["set_buzzer"]["command_topic"] == "inverter/axpert/set/buzzer"
