"""``read`` of a recording: each record with its own time, and an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rct_collector.cli.options import TargetOptions
from rct_collector.cli.targets import of_file
from rct_collector.exits import Exit
from tests.toys import plant
from tests.toys.running import WALL

PLAIN = "".join(f"{n};A{n % 2};inverter;{WALL + n};{100 * n}\n" for n in range(1, 6)).encode()


@pytest.fixture
def driver(register):
    return register(replace(plant.DRIVER, ways={**plant.DRIVER.ways, "file": {"magic": "313b"}}))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "day.rec"


def lines_of(result):
    return [line for line in result.stdout.splitlines() if line]


@pytest.mark.parametrize("how", ["file", "folder", "address"])
def test_a_file_is_printed_record_by_record(driver, path, run, how):
    path.write_bytes(PLAIN)
    what = {"file": [str(path)], "folder": [str(path.parent)]}.get(how)
    result = run(
        "read",
        "--format",
        "influx",
        "--driver",
        "plant",
        *(what or ["--address", f"file://{path}"]),
    )

    assert result.exit_code == Exit.OK
    lines = lines_of(result)
    assert len(lines) == len(set(lines)) == 5
    assert all(line.startswith("inverter_power,") for line in lines)
    assert lines[0].endswith(f" {(WALL + 1) * 10**9}")


def test_a_table_of_a_file_says_of_when_its_values_are(driver, path, run):
    path.write_bytes(PLAIN)
    result = run("read", "--driver", "plant", str(path), "--timezone", "UTC")
    assert result.exit_code == Exit.OK
    headings = [line for line in lines_of(result) if line[:4].isdigit()]
    assert headings == [
        f"{datetime.fromtimestamp(WALL + n, UTC):%Y-%m-%d %H:%M:%S}" for n in (4, 5)
    ]


def test_standard_input_is_read_too(driver, path):
    path.write_bytes(PLAIN)
    choice = of_file(TargetOptions(), "-")
    assert (choice.address, choice.name) == ("file:///dev/stdin", "stdin")


def test_a_file_that_holds_nothing_is_an_error(driver, path, run):
    path.write_bytes(b"anything else")
    result = run("read", "--format", "influx", "--driver", "plant", str(path))
    assert result.exit_code == Exit.UNREACHABLE
    assert "nothing in its 13 bytes begins like a frame" in result.stderr


def test_a_file_without_a_record_is_told_as_that(driver, path, run):
    path.write_bytes(b"1;but nothing else\n")
    result = run("read", "--format", "influx", "--driver", "plant", str(path))
    assert result.exit_code == Exit.UNREACHABLE
    assert f"no record of a unit was found in {path}" in result.stderr


def test_a_file_and_a_device_exclude_each_other(driver, path, run):
    result = run("read", "--address", "tcp://192.0.2.1", str(path))
    assert result.exit_code == 2
    assert "--address names a device" in result.stderr


@pytest.mark.parametrize("word", ["tcp://192.0.2.1", "192.0.2.1", "192.0.2.1:8899", "localhost"])
def test_an_address_and_a_device_exclude_each_other(run, word):
    result = run("read", word, "--simulate")
    assert result.exit_code == 2
    assert f"{word} and --simulate both name a device" in result.stderr


@pytest.mark.parametrize("word", ["roof", "captures/roof.pcap", "/nowhere/roof.pcap"])
def test_a_file_that_is_not_there_may_have_been_a_device(run, word):
    result = run("read", word)
    assert result.exit_code == 2
    assert f"{word}: there is no such file; a device of the configuration is named" in result.stderr


def test_a_file_that_is_called_like_an_address_is_a_file(driver, path, run, monkeypatch):
    monkeypatch.chdir(path.parent)
    path.with_name("2026").write_bytes(PLAIN)
    result = run("read", "--format", "influx", "--driver", "plant", "2026")
    assert len(lines_of(result)) == 5


def test_a_file_as_a_table_shows_the_last_values(driver, path, run):
    path.write_bytes(PLAIN)
    result = run("read", "--driver", "plant", str(path))
    assert result.exit_code == Exit.OK
    assert "500" in result.stdout


def test_a_recording_is_not_recorded(driver, path, run):
    path.write_bytes(PLAIN)
    result = run("record", "--driver", "plant", "--address", f"file://{path}", f"{path}.pcap")
    assert result.exit_code == 2
    assert "is a recording already" in result.stderr
