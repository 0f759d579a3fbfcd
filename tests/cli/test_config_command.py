"""``config``: the sample can be used as it is; a wrong file is told all that is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rct_collector.cli import budget
from rct_collector.config import Config
from rct_collector.drivers import BUILTIN
from tests.toys import nameless


def test_the_sample_can_be_used_as_it_is(run, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(run("config", "sample").stdout)
    result = run("config", "check", path)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == f"{path} is right: 1 device."
    assert Config.load(path).devices[0].name == "roof"


def test_check_tells_devices_series_and_load(run, config_file):
    path = config_file(roof="tcp://192.0.2.1", barn="tcp://192.0.2.2:1234")
    lines = run("config", "check", path).stdout.splitlines()

    assert lines[0].endswith("is right: 2 devices.")
    assert lines[1].startswith("roof: rct at tcp://192.0.2.1, up to ")
    assert "requests/s of 50" in lines[1]
    assert lines[2].startswith("barn: rct at tcp://192.0.2.2:1234, up to ")


@pytest.fixture
def talking(tmp_path):
    """A file with a device that is asked for nothing."""
    path = tmp_path / "config.yaml"
    address = "listen://127.0.0.1:22222"
    path.write_text(f"devices: [{{name: plant, driver: solaredge, address: '{address}'}}]\n")
    return path


def test_of_units_that_talk_by_themselves_there_is_no_load(run, talking):
    said = "asked for nothing, since its units talk by themselves"
    first, second = run("config", "check", talking).stdout.splitlines()
    assert first.endswith("is right: 1 device.")
    assert second == f"plant: solaredge at listen://127.0.0.1:22222, {said}"
    assert run("metrics", "--budget", "--config", talking).stdout == f"plant: {said}.\n"


@pytest.mark.parametrize("scheme", ["tcp://192.0.2.1:4001", "serial:///dev/ttyUSB0"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "the collector only listens to what units say to another master of the bus"),
        (
            "?mode=passive",
            "the collector only listens to what units say to another master of the bus",
        ),
        (
            "?mode=master&units=7F101234,7f105678",
            "the collector lets 7F101234, 7F105678 speak in turn",
        ),
    ],
)
def test_of_a_bus_it_is_told_what_we_are_on_it(run, tmp_path, scheme, options, words):
    path = tmp_path / "config.yaml"
    path.write_text(f"devices: [{{name: x, driver: solaredge, address: '{scheme}{options}'}}]\n")
    _, line = run("config", "check", path).stdout.splitlines()
    assert line.startswith(f"x: solaredge at {scheme}")
    assert words in line


@pytest.mark.parametrize("family", BUILTIN)
def test_the_sample_of_each_family_can_be_used_as_it_is(run, tmp_path, family):
    path = tmp_path / "config.yaml"
    path.write_text(run("config", "sample", "--driver", family).stdout)
    assert run("config", "check", path).exit_code == 0


def test_check_warns_of_what_cannot_be_answered_in_time(run, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "devices: [{name: a, driver: rct, address: tcp://192.0.2.1, intervals: {fast: 2s}}]"
    )
    result = run("config", "check", path)

    assert result.exit_code == 0
    assert "Warning: a: with all equipment it does not fit" in result.stderr
    assert "slow comes every " in result.stderr


def test_check_tells_all_mistakes_at_once(run, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("devices: [{name: a b, driver: rtc}]\nlog_levl: info\n")
    result = run("config", "check", path)

    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"Error: {path}: ") for line in lines)


@pytest.mark.parametrize("content", ["", "devices: [", "devices: []", "\x00", "- 1"])
def test_what_is_no_configuration_is_told_in_words(run, tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_text(content)
    result = run("config", "check", path)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {path}: ")


def test_check_finds_the_file_of_the_environment(run, config_file, monkeypatch):
    path = config_file(roof="tcp://192.0.2.1")
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG", str(path))

    assert f"{path} is right" in run("config", "check").stdout


@pytest.mark.slow
@pytest.mark.measured
def test_many_devices_of_which_the_same_is_wanted_share_one_plan(run, config_file, monkeypatch):
    """A plan takes longer than all the rest of the check of a device."""
    plans = []

    class Counted(budget.Plan):
        def __init__(self, *arguments):
            plans.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(budget, "Plan", Counted)
    budget._plan.cache_clear()
    path = config_file(**{f"u{n}": f"tcp://10.0.0.{n}" for n in range(50)})
    assert len(run("config", "check", path).stdout.splitlines()) == 51
    assert run("metrics", "--budget", "--config", path).exit_code == 0
    assert len(plans) == 1


@pytest.fixture
def slow_line(register, tmp_path):
    """A file with a device whose line carries 240 bytes a second, and as many for each question."""
    queries = tuple(replace(q, wire_bytes=240) for q in nameless.QUERIES.values())
    polled = replace(nameless.DRIVER.polled, queries=queries, byte_s=10 / 2400)
    register(replace(nameless.DRIVER, polled=polled))
    path = tmp_path / "config.yaml"

    def made(fast):
        device = f"name: a, driver: nameless, address: tcp://192.0.2.1, intervals: {{fast: {fast}}}"
        path.write_text(f"devices: [{{{device}}}]")
        return path

    return made


def test_check_refuses_what_a_slow_line_has_no_time_for_and_says_what_would_fit(run, slow_line):
    path = slow_line("3s")
    result = run("config", "check", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: {path}: a: does not fit: 130% of the line's time, of which 96% are usable;"
        " intervals: {fast: 5s} would fit\n"
    )
    result = run("config", "check", slow_line("5s"))
    assert result.exit_code == 0
    assert "78% of the line's time" in result.stdout


def test_the_budget_of_a_slow_line_tells_its_time(run, slow_line):
    lines = run("metrics", "--budget", "--config", slow_line("5s")).stdout.splitlines()
    assert lines[1].split("  ")[-1] == "of its time"
    assert lines[2].split() == ["F", "fast", "3", "5", "s", "0.600", "3.90", "s", "78.0%"]
    assert lines[6].split() == ["total", "0.600", "78.0%"]
    assert lines[7] == "fits: 78% of the line's time, of which 96% are usable"
    assert lines[8] == "The fast part of a round takes 3.9 s to ask."


def test_a_voltronic_unit_is_not_asked_for_more_than_its_line_has_time_for(run, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "devices: [{name: a, driver: voltronic, address: 'serial:///dev/ttyUSB0?baud=1200',"
        " intervals: {fast: 5s, medium: 5s, slow: 5s}}]"
    )
    result = run("config", "check", path)
    assert result.exit_code == 2
    assert "% of the line's time, of which 96% are usable; intervals: {" in result.stderr
    assert result.stderr.endswith("} would fit\n")


def test_a_process_of_a_fleet_has_no_devices_to_be_checked_or_read(run, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("fleet: {etcd: 'http://etcd1'}\n")

    assert run("config", "check", path).stdout == (
        f"{path} is right: a process of the fleet at /rct-collector/v1.\n"
    )
    asked = run("read", "--config", path)
    assert asked.exit_code == 2
    assert "found fleet, expected devices, which it has not" in asked.output
