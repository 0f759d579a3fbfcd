"""A further family brings its folder: the commands find its tools, or say that it has none."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from rct_collector.cli.budget import equipment
from rct_collector.cli.options import scenarios
from rct_collector.drivers import DEFAULT, driver
from rct_collector.drivers.base import Driver
from rct_collector.drivers.rct.tools.simulation import SIMULATOR
from rct_collector.drivers.tools import Dissector, Piece, Simulator, Tools
from tests.cli.captured import capture

#: What goes over the toy's line.
ASK, ANSWER = b"?power\n", b"power=17\n"


def pieces(data):
    for match in re.finditer(rb"[^\n]*\n", data):
        yield Piece(offset=match.start(), data=match[0], command="word", shown=repr(match[0]))


class Parrot:
    """Says after each request what was recorded."""

    request_count, objects, calls = 0, 1, False

    def __init__(self, items, speed):
        self.said = [item.data for item in items if item.answer]


class Cottages(Simulator):
    """Has scenarios of its own; the unit behind them is one that the driver can talk to."""

    title, text, examples = "Simulate a toy.", "Simulate a toy without batteries.", ("--seed 1",)
    scenarios = {"cottage": "A small one.", "castle": "A large one."}
    profiles = {"mice": "They bite cables."}

    def unit(self, scenario, **world):
        assert scenario in self.scenarios
        return SIMULATOR.unit("sunny", **world)


class ToyTools(Tools):
    def dissector(self):
        return Dissector(
            frame="toy word", unit="a toy", pieces=pieces, resembles=lambda data: b"power" in data
        )

    def simulator(self):
        return Cottages()

    def replay(self):
        return Parrot

    def installations(self):
        return {"cottage": {"always"}, "castle": {"always", "genA"}}


@pytest.fixture
def bare(register):
    """A family that has a driver, and nothing beside it."""
    return register(replace(driver(DEFAULT), name="bare", toolbox=Driver.toolbox))


@pytest.fixture
def toy(register):
    """A family with tools of its own."""
    return register(replace(driver(DEFAULT), name="toy"), ToyTools)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "toy.pcap"
    path.write_bytes(capture([(True, ASK), (False, ANSWER)]))
    return path


# -- a family without --------------------------------------------------------------------------

LACKING = {
    "decode": ("have no frames that can be explained", ["2b01", "--driver", "bare"]),
    "replay": ("have no frames that can be explained", ["RECORDING", "--driver", "bare"]),
    "record": ("cannot be recorded", ["-a", "192.0.2.1", "--driver", "bare", "NEW"]),
    "doctor": ("cannot be examined", ["192.0.2.1", "--driver", "bare"]),
    "simulate": ("cannot be simulated", ["bare"]),
    "read": ("cannot be simulated", ["--simulate", "--driver", "bare"]),
    "watch": ("cannot be simulated", ["--driver", "bare", "--simulate", "sunny"]),
}


@pytest.mark.parametrize("command", LACKING)
def test_what_a_family_lacks_is_said_in_one_sentence(run, bare, recording, command, tmp_path):
    what, arguments = LACKING[command]
    files = {"RECORDING": recording, "NEW": tmp_path / "new.pcap"}
    result = run(command, *(files.get(argument, argument) for argument in arguments))

    assert result.exit_code == 2
    assert result.stderr == f"Error: devices of the family 'bare' {what}\n"
    assert not files["NEW"].exists()


def test_frames_that_can_be_explained_need_not_be_what_can_be_said_again(run, register, recording):
    class Half(Tools):
        dissector = ToyTools.dissector

    register(replace(driver(DEFAULT), name="half"), Half)

    assert "replay" not in vars(Half)
    assert "b'power=17" in run("replay", "--driver", "half", "--print", recording).stdout
    result = run("replay", "--driver", "half", recording)
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: devices of the family 'half' cannot be replayed\n",
    )


def test_secrets_are_not_recorded_when_nobody_can_take_them_out(run, register, tmp_path):
    class Counting(Tools):
        def frame_counter(self):
            return driver(DEFAULT).tools().frame_counter()

    register(replace(driver(DEFAULT), name="counting"), Counting)
    path = tmp_path / "new.pcap"
    result = run("record", "-a", "192.0.2.1", "--driver", "counting", "--redact", path)

    assert result.exit_code == 2
    assert "'counting' cannot be recorded without their secrets" in result.stderr
    assert not path.exists()


def test_only_what_can_be_simulated_is_offered(run, bare, toy):
    text = run("simulate", "--help").stdout

    offered = re.findall(r"^  (\w+)  ", text, re.M)
    assert offered[0] == DEFAULT
    assert "toy" in offered
    assert "bare" not in offered
    assert "Simulate a toy." in text


def test_where_nothing_is_usual_all_is_taken_for_present(run, bare):
    found = equipment("bare")
    assert set(found.conditions) == set(driver("bare").conditions)
    assert found.name == "all there can be"


# -- a family with tools of its own ------------------------------------------------------------


def test_bytes_are_explained_by_the_family_that_is_named(run, toy, recording, tmp_path):
    path = tmp_path / "line"
    path.write_bytes(ANSWER)
    (piece,) = json.loads(run("decode", "--driver", "toy", "-f", "json", path).stdout)
    assert (piece["command"], piece["text"], piece["bytes"]) == ("word", repr(ANSWER), ANSWER.hex())

    for command in (["decode"], ["replay", "--print"]):
        told = run(*command, "--driver", "toy", recording).stdout
        assert repr(ASK) in told
        assert repr(ANSWER) in told
    assert "no RCT frame in 1 connections" in run("decode", recording).stderr

    path.write_bytes(b"\0\1\2")
    result = run("decode", "--driver", "toy", path)
    assert "nothing in it is like a frame of a toy" in result.stderr


def test_a_recording_is_made_into_a_unit_of_the_family(toy, recording, run, monkeypatch):
    served = []
    monkeypatch.setattr(
        "rct_collector.cli.serving.serve_until_stopped",
        lambda unit, host, port, name: served.append((unit, name)),
    )
    result = run("replay", "--driver", "toy", recording)

    ((unit, name),) = served
    assert result.exit_code == 0
    assert isinstance(unit, Parrot)
    assert unit.said == [ANSWER]
    assert name == f"replay of {recording} (1 objects)"


@pytest.mark.parametrize(
    ("ways", "arguments", "port"),
    [
        ({"tcp": {"port": "8899"}}, [], 8899),
        ({"serial": {}, "tcp": {"port": "502"}}, [], 502),
        ({"serial": {"baud": "2400"}}, [], 0),
        ({"tcp": {}}, [], 0),
        ({"tcp": {"port": "502"}}, ["--port", "0"], 0),
        ({"tcp": {"port": "502"}}, ["--port", "7"], 7),
    ],
)
def test_what_stands_in_for_a_device_is_where_such_devices_are(
    register, recording, run, monkeypatch, ways, arguments, port
):
    register(replace(driver(DEFAULT), name="toy", ways=ways), ToyTools)
    served = []
    monkeypatch.setattr(
        "rct_collector.cli.serving.open_until_stopped",
        lambda openings, where, name, hints=(): served.append(where),
    )
    for command in (["simulate", "toy"], ["replay", "--driver", "toy", recording]):
        assert run(*command, *arguments).exit_code == 0
    assert served == [f"127.0.0.1:{port}"] * 2
    if not arguments:
        text = run("simulate", "toy", "-h").stdout
        assert f"--address tcp://127.0.0.1:{port or 'PORT'}\n" in text


def test_its_scenarios_and_faults_are_offered(run, toy):
    assert scenarios("toy") == ["cottage", "castle"]
    listing = run("simulate", "toy", "--list").stdout
    assert [line.split()[0] for line in listing.splitlines()] == [
        "--scenario:", "cottage", "castle", "--faults:", "mice",
    ]  # fmt: skip
    text = " ".join(run("simulate", "toy", "--help").stdout.split())
    assert "rct-collector simulate toy --seed 1" in text
    assert "(default: cottage)" in text
    assert "'sunny' is no scenario" in run("simulate", "toy", "--scenario", "sunny").stderr


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize(
    "arguments",
    [
        ("--driver", "toy", "--simulate", "castle"),
        ("--simulate", "castle", "--driver", "toy"),
        ("--driver", "toy", "--simulate"),
    ],
)
def test_its_simulated_unit_can_be_read_wherever_the_driver_is_named(run, toy, arguments):
    result = run("read", "-f", "influx", "--only", "inverter_power.*", *arguments)

    assert result.exit_code == 0
    assert "inverter_power,source=simulated" in result.stdout


def test_another_familys_scenario_is_refused_with_those_there_are(run, toy):
    result = run("read", "--driver", "toy", "--simulate", "sunny")

    assert result.exit_code == 2
    assert "'sunny' is no scenario; known: cottage, castle" in result.stderr


def test_each_device_is_taken_to_have_what_is_usual_in_its_family(run, toy, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "devices:\n"
        "- {name: roof, driver: rct, address: 'tcp://192.0.2.10'}\n"
        "- {name: barn, driver: toy, address: 'tcp://192.0.2.11'}\n"
    )

    def equipped(*arguments):
        text = run("metrics", "--budget", "-c", path, *arguments).stdout
        return re.findall(r"^(\w+), with the equipment '(.*)':$", text, re.M)

    assert equipped() == [("roof", "single-tower"), ("barn", "cottage")]
    assert equipped("--assume", "castle") == [("roof", "single-tower"), ("barn", "castle")]
    assert equipped("--assume", "plant") == [("roof", "plant"), ("barn", "cottage")]
    assert equipped("--condition", "genA") == [("roof", "genA"), ("barn", "genA")]
