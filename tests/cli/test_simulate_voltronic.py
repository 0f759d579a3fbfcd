"""``simulate`` and ``demo`` with Voltronic units: other ways to one, and choices of their own."""

from __future__ import annotations

import re
import signal
from contextlib import contextmanager

import pytest
from line_protocol_parser import parse_line

from rct_collector.drivers.voltronic.simulator import SCENARIOS
from rct_collector.drivers.voltronic.simulator.profiles import PROFILES

ADDRESS = re.compile(r" at (\w+://\S+); end with Ctrl-C")


@contextmanager
def simulated(start, *arguments, lines=1):
    """The addresses that a simulated installation has while the block runs."""
    process = start("simulate", "voltronic", *arguments)
    try:
        yield [ADDRESS.search(process.stdout.readline())[1] for _ in range(lines)]
    finally:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in stderr


def serial_number(run, address):
    """What a unit says that it is."""
    result = run(
        "read", "--driver", "voltronic", "--address", address,
        "--only", "inverter.serial", "--only", "inverter_power.load_watts",
        "--format", "json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return re.search(r'"(92\d{12})"', result.stdout)[1]


@pytest.mark.slow
@pytest.mark.parametrize(("transport", "scheme"), [("pty", "serial"), ("hid", "hidraw")])
def test_it_is_read_as_a_port_or_a_usb_device(start, run, tmp_path, transport, scheme):
    path = tmp_path / "inverter"
    with simulated(start, "--transport", transport, "--path", path, "--seed", 5) as (address,):
        assert address == f"{scheme}://{path}"
        serial_number(run, address)
    assert not path.is_symlink()
    assert not path.exists()


@pytest.mark.slow
def test_units_in_parallel_have_a_line_each(start, run):
    with simulated(start, "--units", 2, "--port", 0, lines=2) as addresses:
        assert len({serial_number(run, address) for address in addresses}) == 2


def test_scenarios_and_fault_profiles_are_listed(run):
    lines = run("simulate", "voltronic", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "--scenario:", *SCENARIOS, "--faults:", *PROFILES,
    ]  # fmt: skip
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--dialect", "pi99"), "'pi99' is no dialect; known: pi30, pi30max"),
        (("--units", "10"), "10 is not in the range 1<=x<=9"),
        (("--transport", "usb"), "'usb' is no transport; known: tcp, pty, hid"),
        (("--faults", "sabotage"), "'sabotage' is no fault profile; known: late, lost"),
        (("--transport", "pty", "--path", "/proc/inverter"), "cannot listen on /proc/inverter"),
    ],
)
def test_mistakes_are_told_with_what_would_be_right(run, arguments, told):
    result = run("simulate", "voltronic", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_what_is_at_a_path_already_is_left_alone(run, tmp_path):
    path = tmp_path / "inverter"
    path.write_text("mine")
    result = run("simulate", "voltronic", "--transport", "hid", "--path", path)
    assert result.exit_code == 2
    assert f"cannot listen on {path}" in result.stderr
    assert path.read_text() == "mine"


@pytest.mark.slow
def test_the_demonstration_shows_another_family(run):
    result = run("demo", "--driver", "voltronic", "--for", "300ms")
    assert result.exit_code == 0
    live, protocol, after = re.split(r"\n(?:2\. One round|What to do next).*\n", result.stdout)
    assert "as by 'rct-collector watch --simulate --driver voltronic'" in live
    lines = [parse_line(line) for line in protocol.splitlines() if line]
    assert {line["tags"]["vendor"] for line in lines} == {"voltronic"}
    assert "inverter_power" in {line["measurement"] for line in lines}
    assert "config sample" in after
