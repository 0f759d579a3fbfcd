"""``read``: what is printed, and what is said and returned when something is wrong."""

from __future__ import annotations

import json
import os
import pty
import signal
import threading

import pytest
from line_protocol_parser import parse_line

from rct_collector.cli import collect
from rct_collector.drivers.rct.simulator import SCENARIOS, Faults
from rct_collector.drivers.rct.simulator.profiles.requests import UnsupportedObjects
from rct_collector.drivers.rct.table import BY_OID
from rct_collector.lines.lock import DeviceLock
from rct_collector.transport import parse_address
from tests.cli.conftest import address_of, read_all

POWER = "inverter_power.*"


@pytest.mark.slow
def test_table_groups_values_by_component_with_units_and_words(run):
    result = run("read", "--simulate")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("simulated  RCT Power, PS 6.0 ")
    assert {"Power", "String", "Battery", "Energy", "Status", "Settings", "Inverter"} <= set(lines)
    assert any(line.split() == ["state", "13", "(feed-in)"] for line in lines)
    assert any(line.startswith("insulation ") and line.endswith("Ω") for line in lines)
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_can_be_read_as_line_protocol(run, scenario):
    result = run("read", "--simulate", scenario, "--format", "influx", "--cells", "--all")

    assert result.exit_code == 0
    parsed = [parse_line(line) for line in result.stdout.splitlines()]
    assert {line["tags"]["source"] for line in parsed} == {"simulated"}
    assert len({(line["measurement"], *sorted(line["tags"].items())) for line in parsed}) == len(
        parsed
    )
    (own,) = [line for line in parsed if line["measurement"] == "inverter_collector"]
    assert own["fields"]["up"] == 1


@pytest.mark.slow
def test_line_protocol_comes_in_the_order_of_the_catalogue(run):
    result = run("read", "--simulate", "--format", "influx")

    measurements = [line.partition(",")[0] for line in result.stdout.splitlines()]
    assert measurements[0] == "inverter_power"
    assert measurements[-1] == "inverter_collector_errors"


@pytest.mark.slow
def test_json_has_values_with_units_and_the_texts_of_codes(run):
    (device,) = json.loads(run("read", "-s", "--format", "json").stdout)

    by_name = {(v["measurement"], v["field"], *v["tags"].values()): v for v in device["values"]}
    assert device["source"] == "simulated"
    assert device["trouble"] is None
    assert by_name["inverter_status", "state_code"]["text"] == "feed-in"
    assert by_name["inverter_grid", "voltage_volts", "l1"]["unit"] == "V"
    assert device["collector"]["up"] == 1
    assert device["collector"]["frames_total_crc"] == 0


@pytest.mark.slow
@pytest.mark.measured
def test_only_restricts_and_include_exclude_all_and_cells_do_what_they_say(run):
    def series(*options):
        (device,) = json.loads(run("read", "-s", "-f", "json", *options).stdout)
        return {f"{v['measurement']}.{v['field']}" for v in device["values"]}

    default = series()
    assert series("--only", "inverter_power.pv*") == {"inverter_power.pv_watts"}
    assert "inverter_power.output_filtered_watts" not in default
    assert "inverter_power.output_filtered_watts" in series("--all")
    assert "inverter_battery_cell.voltage_volts" not in series("--all")
    assert series("--cells") - default == {
        f"inverter_battery_cell.{field}"
        for field in ("voltage_volts", "temperature_celsius", "resistance_ohms")
    }
    assert not any(
        name.startswith("inverter_settings") for name in series("--exclude", "inverter_settings.*")
    )
    assert "inverter_fault.active" in series("--include", "inverter_fault.*")


@pytest.mark.slow
def test_active_faults_are_told_in_words(run, monkeypatch):
    from rct_collector.cli.snapshot import Snapshot

    monkeypatch.setattr(Snapshot, "faults", lambda _self: [(18, "board over-temperature")])
    result = run("read", "-s", "--only", POWER)

    assert "1 active fault: 18 board over-temperature" in result.stdout


@pytest.mark.slow
def test_devices_of_a_file_are_read_together_and_the_rest_is_printed(
    run, serve, config_file, nobody
):
    path = config_file(
        roof=serve().address, gone=nobody, barn=serve("inverter-only", seed=3).address
    )
    result = run("read", "--config", path, "--only", POWER)

    assert result.exit_code == 3
    heads = [line.split()[0] for line in result.stdout.splitlines() if "RCT Power" in line]
    assert heads == ["roof", "barn"]
    assert result.stderr.startswith("Error: gone: cannot connect to 127.0.0.1:")


@pytest.mark.slow
def test_device_chooses_from_the_file(run, serve, config_file, nobody):
    path = config_file(roof=serve().address, gone=nobody)
    result = run("read", "--config", path, "--device", "roof", "--only", POWER)

    assert result.exit_code == 0
    assert "roof" in result.stdout


@pytest.mark.slow
@pytest.mark.measured
def test_a_single_address_needs_no_file(run, serve):
    address = serve().address.removeprefix("tcp://")
    result = run("read", "--address", address, "--name", "shed", "--only", POWER)

    assert result.exit_code == 0
    assert result.stdout.startswith("shed  RCT Power")


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_device_that_cannot_be_reached_is_told_and_published_as_down(run, nobody):
    result = run("read", "--address", nobody, "--format", "influx")

    assert result.exit_code == 3
    assert "connection refused" in result.stderr
    lines = [parse_line(line) for line in result.stdout.splitlines()]
    assert lines[0]["fields"]["up"] == 0


def test_the_table_of_a_device_that_cannot_be_reached_is_empty(run, nobody):
    result = run("read", "--address", nobody)

    assert (result.exit_code, result.stdout) == (3, "")


def test_a_silent_device_is_not_waited_for_long(run, listener, monkeypatch):
    monkeypatch.setattr(collect, "SILENCE_S", 0.05)
    result = run("read", "--address", address_of(listener))

    assert result.exit_code == 3
    assert "the line is open, but nothing is answered" in result.stderr


@pytest.mark.slow
def test_the_time_limit_ends_a_round(run, serve, config_file):
    path = config_file(roof=serve(latency=(0.1, 0.1)).address)
    # Of more than eight; enough for the first answers on a machine with too much to do.
    result = run("read", "--config", path, "--timeout", "2s")

    assert result.exit_code == 3
    assert "not everything was answered within 2 s" in result.stderr
    assert result.stdout.startswith("roof  RCT Power")


class HangsUp(Faults):
    """Ends all connections at the n-th request."""

    def __init__(self, after):
        self.left, self.unit = after, None

    def on_request(self, request, now):
        self.left -= 1
        if self.left == 0:
            self.unit.inverter.hub().hang_up()
        return request


def test_what_was_read_before_the_line_was_lost_is_printed(run, serve, config_file):
    profile = HangsUp(40)
    profile.unit = serve(faults=[profile])
    result = run("read", "--config", config_file(roof=profile.unit.address))

    assert result.exit_code == 3
    assert "the values are incomplete" in result.stderr
    assert "Power" in result.stdout.splitlines()


TYPE = "power_mng.battery_type (0x682CDDA1)"
SWITCH = "rb485.available (0x437B8122)"


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "influx", "json"])
@pytest.mark.parametrize(
    ("silent", "told", "shown"),
    [
        (
            ["power_mng.battery_type"],
            f"{TYPE} is not answered, so it is only assumed that there is a battery",
            "inverter_battery",
        ),
        (
            ["power_mng.battery_type", "power_mng.n_batteries", "battery.bms_sn"],
            f"{TYPE}, power_mng.n_batteries (0x663F1452) and battery.bms_sn (0x16A1F844) are not"
            " answered, so it is not known whether there is a battery",
            "",
        ),
        (
            ["rb485.available"],
            f"{SWITCH} is not answered, so it is not known whether there is a Power Switch",
            "inverter_battery",
        ),
    ],
)
def test_what_is_left_out_because_the_unit_is_silent_is_told(
    run, serve, config_file, form, silent, told, shown
):
    unit = serve(faults=[UnsupportedObjects(*silent)])
    result = run("read", "--config", config_file(roof=unit.address), "--format", form)

    assert result.exit_code == 3
    assert result.stderr == f"Error: roof: {told}\n"
    if form == "influx":
        parsed = [parse_line(line) for line in result.stdout.splitlines()]
        assert ("inverter_battery" in {line["measurement"] for line in parsed}) is bool(shown)
    elif form == "json":
        (device,) = json.loads(result.stdout)
        assert device["undecided"] == [told]
        assert any(v["measurement"] == "inverter_battery" for v in device["values"]) is bool(shown)
    else:
        assert ("Battery" in result.stdout.splitlines()) is bool(shown)


def test_silence_about_what_nobody_asked_for_is_not_told(run, serve, config_file):
    unit = serve(faults=[UnsupportedObjects("rb485.available")])
    result = run("read", "--config", config_file(roof=unit.address), "--only", POWER)

    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.slow
def test_a_serial_number_that_is_not_answered_leaves_nothing_else_out(run, serve, config_file):
    unit = serve(faults=[UnsupportedObjects("inverter_sn")])
    result = run("read", "--config", config_file(roof=unit.address), "-f", "json")

    assert (result.exit_code, result.stderr) == (0, "")
    (device,) = json.loads(result.stdout)
    fields = {f"{v['measurement']}.{v['field']}" for v in device["values"]}
    assert {"inverter_battery.soc_percent", "inverter.firmware"} <= fields
    assert "inverter.serial" not in fields


class Fickle(Faults):
    """Says something else of one object each time."""

    def __init__(self, name):
        self.name, self.count = name, 0

    def on_reading(self, unit, oid, payload, unix):
        if BY_OID[oid].name != self.name:
            return payload
        self.count += 1
        return f"S{self.count}".encode() + bytes(8)


@pytest.mark.slow
def test_a_unit_that_never_says_twice_who_it_is_is_told(run, serve, config_file):
    unit = serve(faults=[Fickle("inverter_sn")])
    result = run("read", "--config", config_file(roof=unit.address), "-f", "json")

    assert result.exit_code == 3
    assert result.stderr == (
        "Error: roof: inverter_sn (0x7924ABD9) is not answered twice alike, so it is not known"
        " which unit answers\n"
    )
    (device,) = json.loads(result.stdout)
    measurements = {v["measurement"] for v in device["values"]}
    assert "inverter_power" in measurements
    assert "inverter_battery" not in measurements


def test_a_device_that_is_held_already_is_told(run, nobody):
    lock = DeviceLock(parse_address(nobody, {"tcp": {}}))
    lock.acquire()
    try:
        result = run("read", "--address", nobody)
    finally:
        lock.release()

    assert result.exit_code == 4
    assert f"already collected by process {os.getpid()} on this host" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "does not exist; name a device with --address"),
        (("--address", "udp://1.2.3.4"), "--address: found 'udp://1.2.3.4', expected an address"),
        (("--address", "192.0.2.1", "--name", "a b"), "--name: found 'a b', expected"),
        (("--address", "192.0.2.1", "--timezone", "Mars"), "expected a time zone such as"),
        (("--address", "192.0.2.1", "--driver", "axpert"), "'axpert' is no driver; known: rct"),
        (("--address", "192.0.2.1", "--simulate"), "--address and --simulate exclude each other"),
        (("--name", "x"), "--name needs --address"),
        (("--simulate", "--device", "x"), "--device chooses from a file"),
        (("--simulate", "moon"), "'moon' is no scenario; known: sunny, "),
        (("--simulate", "--only", "nope.*"), "--only: found 'nope.*', expected globs that match"),
        (("--simulate", "--only", POWER, "--exclude", "x"), "--only and --exclude exclude"),
        (("--simulate", "--timeout", "soon"), "'soon' is not a duration with its unit"),
        (("--config", "/nowhere.yaml"), "/nowhere.yaml: cannot be read: No such file"),
    ],
)
def test_a_mistake_of_the_user_is_told_in_words(run, monkeypatch, tmp_path, arguments, words):
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG", str(tmp_path / "missing.yaml"))
    result = run("read", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_all_mistakes_of_a_file_are_told_at_once(run, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("devices: [{name: a b, driver: rtc}]\nlog_levl: info\n")
    result = run("read", "--config", path)

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 4


def test_there_is_no_device_of_that_name(run, config_file, nobody):
    result = run("read", "--config", config_file(roof=nobody), "--device", "rof")

    assert result.exit_code == 2
    assert "there is no 'rof'; known: roof" in result.stderr


# -- as a process ------------------------------------------------------------------------------


class Tells(Faults):
    """Tells when so many requests have come."""

    def __init__(self, after):
        self.left, self.reached = after, threading.Event()

    def on_request(self, request, now):
        self.left -= 1
        if self.left == 0:
            self.reached.set()
        return request


@pytest.mark.slow
def test_an_interrupted_reading_prints_what_there_is(start, serve):
    profile = Tells(30)
    process = start("read", "--address", serve(faults=[profile]).address)
    assert profile.reached.wait(60)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Power" in stdout.splitlines()
    assert stderr.splitlines() == ["Interrupted: the values are incomplete."]


@pytest.mark.slow
def test_sigterm_ends_a_reading_in_the_same_way(start, listener):
    process = start("read", "--address", address_of(listener))
    connection, _ = listener.accept()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    connection.close()

    assert process.returncode == 130
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_a_closed_pipe_is_no_reason_to_complain(start):
    process = start("read", "--simulate", "--only", POWER)
    process.stdout.close()
    _, stderr = process.communicate(timeout=60)

    assert (process.returncode, stderr) == (141, "")


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
def test_colours_are_for_terminals(start, environment):
    parent, child = pty.openpty()
    process = start(
        "read", "-s", "--only", POWER, stdout=child, env={"TERM": "xterm", **environment}
    )
    os.close(child)
    shown = read_all(parent)
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Power" in shown
    assert "\x1b[2m" in shown or "\x1b[1m" in shown
    assert not any(f"\x1b[3{n}" in shown for n in range(8)) or not environment


@pytest.mark.slow
def test_there_are_no_colours_in_a_pipe(start):
    process = start("read", "-s", "--only", POWER)
    stdout, stderr = process.communicate(timeout=60)

    assert "\x1b" not in stdout + stderr


@pytest.mark.slow
def test_progress_is_shown_where_somebody_waits(start):
    parent, child = pty.openpty()
    process = start("read", "-s", "--only", POWER, stderr=child, env={"TERM": "xterm"})
    os.close(child)
    shown = read_all(parent)
    stdout, _ = process.communicate(timeout=60)

    assert "reading simulated" in shown
    assert "\x1b" not in stdout


def test_readings_that_overlap_leave_the_log_as_it_was(caplog):
    """Several devices are read at the same time, and do not end in the order of their begin."""
    import logging

    from rct_collector.cli.collect import quiet_link

    log = logging.getLogger("rct_collector.lines.reconnect")
    first, second = quiet_link(), quiet_link()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    log.warning("silent still")
    second.__exit__(None, None, None)
    log.warning("heard")

    assert caplog.messages == ["heard"]
