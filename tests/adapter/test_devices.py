"""Devices from several places: each once, under a plain name, and no mistake spoils the others."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rct_collector import DeviceList, unit_name


@dataclass
class Block:
    key: str
    values: tuple = ()
    children: tuple = ()


def entry(name, address):
    return {"name": name, "driver": "rct", "address": f"tcp://{address}"}


def block(name, address):
    lines = (Block("Driver", ("rct",)), Block("Address", (f"tcp://{address}",)))
    return Block("Device", (name,), lines)


@pytest.fixture
def devices():
    return DeviceList("someagent")


@pytest.fixture
def usual(tmp_path, monkeypatch):
    path = tmp_path / "usual.yaml"
    path.write_text("devices: [{name: usual, driver: rct, address: 'tcp://192.0.2.9'}]\n")
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG", str(path))
    return path


def test_names_are_plain(devices):
    assert not devices.add({"devices": [entry("barn.1-a", "192.0.2.1")], "prefix": "solar"}, "x")
    (member,) = devices.members.values()
    assert member[1:] == ("solar", "barn_1_a")
    assert member.config.name == "barn.1-a"


def test_the_second_of_a_name_or_an_address_is_left_out(devices):
    assert not devices.add({"devices": [entry("roof", "192.0.2.1")]}, "first")
    assert devices.add({"devices": [entry("roof", "192.0.2.2")]}, "second") == [
        "second: roof is left out: another device is called 'roof' in someagent"
    ]
    assert devices.add(
        {"devices": [entry("barn", "192.0.2.1"), entry("shed", "192.0.2.3")]}, "third"
    ) == ["third: barn is left out: tcp://192.0.2.1 is asked by another one"]
    assert list(devices.members) == ["roof", "shed"]
    kept = [[device.name for device in config.devices] for config in devices.configs]
    assert kept == [["roof"], [], ["shed"]], "each place stays one, in its order"


@pytest.mark.parametrize("second", ["tcp://ROOF.lan.:8899", "tcp://roof.lan:8899/"])
def test_one_address_in_two_spellings_is_asked_once(devices, second):
    assert not devices.add({"devices": [entry("roof", "roof.lan")]}, "first")
    (told,) = devices.add({"devices": [entry("barn", "x") | {"address": second}]}, "second")
    assert told.startswith("second: barn is left out: tcp://roof.lan")


def test_names_that_are_alike_once_they_are_plain_differ_too(devices):
    (problem,) = devices.add(
        {"devices": [entry("a.1", "192.0.2.1"), entry("a_1", "192.0.2.2")]}, ""
    )
    assert "a_1 is left out: another device is called 'a_1'" in problem


def test_a_mistake_in_common_options_spoils_only_its_own_place(devices):
    (problem,) = devices.add({"devices": [entry("roof", "192.0.2.1")], "log_level": "loud"}, "x")
    assert problem.startswith("x: log_level: found 'loud'")
    assert not devices.add({"devices": [entry("roof", "192.0.2.1")]}, "y")


@pytest.mark.parametrize("levels", [("debug", "error"), ("error", "debug")])
def test_the_most_talkative_level_counts(devices, levels):
    for n, level in enumerate(levels):
        devices.add({"devices": [entry(f"d{n}", f"192.0.2.{n + 1}")], "log_level": level}, "x")
    assert devices.log_level == "debug"


def test_blocks_hold_devices_or_name_a_file_or_nothing(devices, usual, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("devices: [{name: other, driver: rct, address: 'tcp://192.0.2.8'}]\n")
    assert not devices.add_blocks([block("roof", "192.0.2.1")], "block")
    assert not devices.add_blocks([Block("Config", (str(other),))], "block")
    assert not devices.add_blocks([], "block")
    assert list(devices.members) == ["roof", "other", "usual"]


def test_options_beside_a_file_are_told_and_ignored(devices, usual):
    blocks = [Block("CONFIG", (str(usual),)), Block("LogLevel", ("debug",))]
    assert devices.add_blocks(blocks, "block") == [
        "ignored beside Config: LogLevel; they belong into that file"
    ]
    assert list(devices.members) == ["usual"]


def test_a_file_that_is_not_there_is_told(devices, tmp_path):
    (problem,) = devices.add_file(tmp_path / "none.yaml")
    assert problem.startswith(f"{tmp_path}/none.yaml: cannot be read")


def test_units_of_a_device_have_names_that_stay_apart_however_long_the_device_s_is():
    assert unit_name("roof", "7F101234") == "roof-7F101234"
    assert unit_name("roof", "7F.10/12 34") == "roof-7F_10_12_34"
    names = {unit_name("r" * 127, unit) for unit in ("7F101234", "7F105678")}
    assert {len(name) for name in names} == {127}
    assert len(names) == 2


# -- read again ----------------------------------------------------------------------------------


def names(devices):
    return [[device.name for device in config.devices] for config in devices.configs]


def test_all_places_are_read_again_in_their_order(devices, usual, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("devices: [{name: barn, driver: rct, address: 'tcp://192.0.2.3'}]\n")
    assert not devices.add_blocks([block("roof", "192.0.2.1")], "a block")
    assert not devices.add_blocks([Block("Config", (str(other),))], "a block")
    assert not devices.add_blocks([], "a block")
    usual.write_text("devices: [{name: shed, driver: rct, address: 'tcp://192.0.2.4'}]\n")
    fresh, problems = devices.again()
    assert not problems
    assert names(devices) == [["roof"], ["barn"], ["usual"]]
    assert names(fresh) == [["roof"], ["barn"], ["shed"]]
    assert list(fresh.members) == ["roof", "barn", "shed"]
    later, problems = fresh.again()
    assert (names(later), problems) == (names(fresh), [])


def test_what_is_wrong_is_told_again(devices, usual):
    assert not devices.add_file()
    usual.write_text("devices: [{name: usual, driver: rct, address: nowhere}]\n")
    fresh, (problem,) = devices.again()
    assert problem.startswith(f"{usual}: devices[0].address: found 'nowhere'")
    assert names(fresh) == [[]]
    usual.unlink()
    _, (problem,) = devices.again()
    assert problem == f"{usual}: cannot be read: No such file or directory"


def test_what_was_wrong_may_be_right_by_now(devices, usual):
    right = usual.read_text()
    usual.write_text("log_level: loud\n")
    assert devices.add_file()
    assert names(devices) == [[]]
    assert devices.log_level == "info"
    usual.write_text(f"prefix: solar\nlog_level: debug\n{right}")
    fresh, problems = devices.again()
    assert not problems
    assert fresh.members["usual"].prefix == "solar"
    assert fresh.log_level == "debug"


def test_measurements_are_not_renamed_by_it(devices, usual):
    assert not devices.add_file()
    usual.write_text(f"prefix: solar\n{usual.read_text()}")
    fresh, problems = devices.again()
    assert not problems
    assert fresh.members["usual"].prefix == "inverter"
