"""Which devices are meant, and how quickly they may be asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rct_collector.cli.options import TargetOptions
from rct_collector.cli.targets import hurried, targets
from rct_collector.drivers.rct.options import RctRequests
from rct_collector.errors import ConfigError
from tests.cli import handmade


def test_one_round_may_be_asked_quicker_but_not_closer():
    quick = hurried(handmade.device()).requests

    assert quick.per_second == 16
    assert quick.gap == RctRequests().gap
    assert quick.window == RctRequests().window
    assert quick.timeout < RctRequests().timeout


def test_a_pace_that_somebody_has_lowered_stays():
    slow = replace(handmade.device(), requests=RctRequests(per_second=2.0))

    assert hurried(slow) is slow


def test_a_pace_that_somebody_has_raised_stays_too():
    fast = replace(handmade.device(), requests=RctRequests(per_second=30.0))

    assert hurried(fast).requests.per_second == 30


@pytest.mark.parametrize(
    ("address", "written", "name"),
    [
        ("192.0.2.10", "tcp://192.0.2.10", "192.0.2.10"),
        ("192.0.2.10:8900", "tcp://192.0.2.10:8900", "192.0.2.10"),
        ("tcp://roof.example", "tcp://roof.example", "roof.example"),
        ("tcp://[2001:db8::1]:8899", "tcp://[2001:db8::1]:8899", "2001-db8-1"),
        ("tcp://[::1]", "tcp://[::1]", "1"),
    ],
)
def test_an_address_needs_no_scheme_and_gives_a_name(address, written, name):
    (device,) = targets(TargetOptions(address=address)).devices

    assert str(device.address) == written
    assert device.name == name


@pytest.mark.parametrize("address", ["/dev/ttyUSB0", "serial:/dev/ttyUSB0", "hidraw://"])
def test_an_address_that_the_family_is_not_reached_by_is_refused_as_it_was_written(address):
    with pytest.raises(ConfigError) as told:
        targets(TargetOptions(address=address))
    (problem,) = told.value.problems
    right = "an address such as tcp://192.0.2.10:8899"
    assert problem.startswith(f"--address: found {address!r}, expected {right}")


def test_the_options_of_the_file_stay_under_those_of_the_command_line(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "prefix: solar\n"
        "devices: [{name: a, driver: rct, address: tcp://192.0.2.1, include: [inverter_fault.*]}]"
    )
    found = targets(TargetOptions(config=path, exclude=("inverter_settings.*",), cells=True))
    (device,) = found.devices

    assert found.prefix == "solar"
    assert device.include == ("inverter_fault.*",)
    assert device.exclude == ("inverter_settings.*",)
    assert device.options.cells


def test_only_leaves_out_what_the_file_includes(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "devices: [{name: a, driver: rct, address: tcp://192.0.2.1, include: [inverter_fault.*]}]"
    )
    (device,) = targets(TargetOptions(config=path, only=("inverter_power.*",))).devices

    assert device.include == ("inverter_power.*",)
    assert device.exclude == ("*",)
