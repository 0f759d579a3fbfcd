"""``read --object`` and ``objects``: single things of a unit, by name or id."""

from __future__ import annotations

import json
import struct
from contextlib import ExitStack

import pytest
from rctclient.registry import REGISTRY
from rctclient.types import Command

from rct_collector.drivers import BUILTIN, driver
from rct_collector.errors import MissingToolError
from rct_collector.lines.lock import DeviceLock
from rct_collector.transport import parse_address
from tests.cli.conftest import address_of
from tests.drivers.rct.answering import answering_unit

SOC, STATE, SCHEDULE, PACKAGE = 0x959930BF, 0x5F33284E, 0x011F41DB, 0x3AA565FC
SERIAL, PASSWORD, MEMORY = 0x7924ABD9, 0x14C0E627, 0x65A44A98
SOC_LOG, EVENTS = 0x5293B668, 0x6F3876BC
CELLS, RESISTANCES, STATISTICS = 0xF8C0D255, 0x649B10DA, 0x34A164E7


@pytest.fixture
def unit():
    """Serve a unit with these payloads."""
    with ExitStack() as stack:
        yield lambda payloads: stack.enter_context(answering_unit(payloads))


def cells(*filled):
    """24 cells, of which some are fitted: temperature, millivolts."""
    found = [struct.pack("<BHB", *filled[n], 0) if n < len(filled) else bytes(4) for n in range(24)]
    return b"".join(found)


def log(before, *samples):
    return struct.pack(">I", before) + b"".join(struct.pack(">If", *one) for one in samples)


def events(before, *entries):
    return struct.pack(">I", before) + b"".join(struct.pack(">5I", *one) for one in entries)


#: Name, id, payload, what is printed: one of each kind.
VALUES = [
    ("battery.soc", SOC, struct.pack(">f", 0.5), "0.5"),
    ("battery.soc", SOC, struct.pack(">f", 0.1), "0.1"),
    ("battery.soc", SOC, struct.pack(">f", float("nan")), ""),
    ("prim_sm.state", STATE, b"\x0d", "13"),
    ("rb485.available", 0x437B8122, b"\x01", "true"),
    ("battery.status2", 0xDE3D20D, struct.pack(">i", -2), "-2"),
    ("inverter_sn", SERIAL, b"ABC 123\0\0\0junk", "ABC 123"),
    ("net.package", PACKAGE, b"\x2b\x2d\x00\xff", "0x2b2d00ff"),
    ("net.id", 0x08679611, struct.pack(">I", 7), "7"),
    (
        "battery.cells[0]", CELLS, cells((21, 3301)),
        '{"0":{"voltage_volts":3.301,"temperature_celsius":21},"1":',
    ),
    (
        "battery.cells_resist[0]", RESISTANCES, struct.pack(">HH", 640, 0) + bytes(92),
        '{"0":{"resistance_milliohms":2.5},"1":',
    ),
    (
        "battery.cells_stat[0]", STATISTICS,
        struct.pack("<IIf", 3, 1_700_000_000, 3.25) + bytes(36),
        '{"u_min_volts":{"value":3.25,"cell":3,"time":"2023-11-14T22:13:20"},"u_max_volts":',
    ),
    (
        "logger.minutes_soc_log_ts", SOC_LOG,
        lambda asked: asked + log(0, (1_700_000_000, 0.25), (1_699_999_700, 0.5))[4:],
        "2023-11-14T22:13:20,0.25\n2023-11-14T22:08:20,0.5",
    ),
    ("logger.minutes_soc_log_ts", SOC_LOG, lambda asked: asked, None),
    (
        "logger.error_log_time_stamp", EVENTS,
        lambda asked: asked + events(0, (114, 1_700_000_000, 1_700_000_060, 29, 0))[4:],
        "2023-11-14T22:13:20,114,0x6553F13C,0x0000001D,0x00000000,"
        '"internal error of the battery: code 29, for 60.0 s"',
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "oid", "payload", "shown"),
    VALUES,
    ids=[f"{row[0]} {n}" for n, row in enumerate(VALUES)],
)
@pytest.mark.parametrize("by_id", [False, True], ids=["name", "id"])
def test_its_value_alone_is_printed_by_name_and_by_id(run, unit, name, oid, payload, shown, by_id):
    served = unit({oid: payload})
    word = f"0x{oid:08x}" if by_id else name
    result = run("read", "--address", served.address, "--object", word)

    assert (result.exit_code, result.stderr) == (0, "")
    if shown is None:
        assert result.stdout == ""
    elif shown.startswith("{"):
        assert result.stdout.startswith(shown)
        assert len(result.stdout.splitlines()) == 1
        json.loads(result.stdout)
    else:
        assert result.stdout == f"{shown}\n"
    command = Command.WRITE if callable(payload) else Command.READ
    assert [(asked[0], asked[1]) for asked in served.asked] == [(command, oid)]


def test_several_come_in_order_and_one_that_is_not_answered_is_an_empty_line(run, unit):
    served = unit({SOC: struct.pack(">f", 0.5), STATE: b"\x0d"})
    result = run(
        "read", "--address", served.address, "--object", "prim_sm.state",
        "--object", "wifi.dns_address", "--object", "battery.soc",
    )  # fmt: skip

    assert result.exit_code == 3
    assert result.stdout == "13\n\n0.5\n"
    assert "wifi.dns_address (0x1D0623D6) was not answered within" in result.stderr


def test_verbose_tells_what_it_is_and_what_the_collector_makes_of_it(run, unit):
    served = unit({STATE: b"\x0d", SOC: struct.pack(">f", 0.5)})
    result = run(
        "read", "--address", served.address, "--object", "prim_sm.state", "--object", "battery.soc",
        "--verbose",
    )  # fmt: skip

    assert result.stdout == (
        "name         prim_sm.state\n"
        "id           0x5F33284E\n"
        "description  Inverter status\n"
        "type         ENUM\n"
        "value        13 (feed-in)\n"
        "metric       inverter_status.state_code = 13\n"
        "\n"
        "name         battery.soc\n"
        "id           0x959930BF\n"
        "description  SOC (State of charge)\n"
        "type         FLOAT\n"
        "unit         1 (100 %)\n"
        "value        0.5\n"
        "metric       inverter_battery{battery=0}.soc_percent = 50.0 %\n"
    )


def test_json_has_all_of_it(run, unit):
    served = unit({STATE: b"\x0d"})
    result = run(
        "read", "--address", served.address, "--name", "roof", "--object", "prim_sm.state",
        "--object", "net.id", "--format", "json",
    )  # fmt: skip

    state, missing = json.loads(result.stdout)
    assert state == {
        "source": "roof",
        "name": "prim_sm.state",
        "id": "0x5F33284E",
        "type": "ENUM",
        "unit": None,
        "description": "Inverter status",
        "value": 13,
        "text": "feed-in",
        "metrics": [{"series": "inverter_status.state_code", "value": 13, "unit": ""}],
        "trouble": None,
    }
    assert (missing["name"], missing["value"], missing["metrics"]) == ("net.id", None, [])
    assert "was not answered" in missing["trouble"]


def test_payload_that_is_no_value_of_the_type_is_asked_for_again_and_told(run, unit):
    answers = [b"\x01\x02", struct.pack(">f", 0.5)]
    served = unit({SOC: lambda _asked: answers.pop(0)})
    result = run("read", "--address", served.address, "--object", "battery.soc")
    assert (result.exit_code, result.stdout) == (0, "0.5\n")

    served = unit({SOC: b"\x01\x02"})
    result = run("read", "--address", served.address, "--object", "battery.soc")
    assert (result.exit_code, result.stdout) == (3, "\n")
    assert "what came for battery.soc (0x959930BF) is no answer: wrong length" in result.stderr
    assert len(served.asked) == 4


def test_a_text_that_fills_its_field_is_believed_when_it_came_three_times(run, unit):
    served = unit({SERIAL: b"0123456789"})
    result = run("read", "--address", served.address, "--object", "inverter_sn")

    assert (result.exit_code, result.stdout) == (0, "0123456789\n")
    assert len(served.asked) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["battery.sok"],
         "there is no object 'battery.sok'; did you mean battery.soh or battery.soc or"),
        (["grid_load_log"], "did you mean logger.day_egrid_load_log_ts or"),
        (["zzz"], "there is no object 'zzz'; 'objects' lists them"),
        (["0x1"], "there is no object with the id 0x00000001"),
        (["wifi.password"], "wifi.password (0x14C0E627) is never read: it is the password"),
        (["0x14C0E627"], "wifi.password (0x14C0E627) is never read: it is the password"),
        (["flash_mem"], "flash_mem (0x65A44A98) is never read: it is the memory of all"),
    ],
)  # fmt: skip
def test_unknown_and_secret_things_are_told_before_anything_is_sent(run, unit, words, told):
    served = unit({PASSWORD: b"hunter2\0", MEMORY: b"hunter2\0"})
    objects = [text for word in words for text in ("--object", word)]
    result = run("read", "--address", served.address, *objects)

    assert result.exit_code == 2
    assert told in result.stderr
    assert served.asked == []


def test_a_changed_setting_shows_its_values_where_they_are_numbers_that_are_collected(run, unit):
    entries = [(115, 1_700_000_000, oid, 0x3D8F5C29, 0x3DCCCCCD) for oid in (PASSWORD, 0xCE266F0F)]
    served = unit({EVENTS: lambda asked: asked + events(0, *entries)[4:]})
    result = run("read", "--address", served.address, "--object", "logger.error_log_time_stamp")

    assert result.stdout.splitlines() == [
        '2023-11-14T22:13:20,115,0x14C0E627,,,"parameter changed: wifi.password,'
        ' values are not shown"',
        "2023-11-14T22:13:20,115,0xCE266F0F,0x3D8F5C29,0x3DCCCCCD,"
        "parameter changed: power_mng.soc_min from 7.0 % to 10.0 %",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--only", "inverter.*"], "--object and --only exclude each other"),
        (["--include", "inverter.*"], "--object and --include exclude each other"),
        (["--exclude", "inverter.*"], "--object and --exclude exclude each other"),
        (["--all"], "--object and --all exclude each other"),
        (["--cells"], "--object and --cells exclude each other"),
        (["--format", "influx"], "--object and --format influx exclude each other"),
        (["day.pcap"], "--object and FILE exclude each other"),
    ],
)
def test_what_goes_not_together_is_told(run, options, told):
    result = run("read", "--address", "192.0.2.10", "--object", "battery.soc", *options)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("bare", [True, False])
def test_an_address_without_its_option_is_taken_for_what_it_is(run, unit, bare):
    address = unit({SOC: struct.pack(">f", 0.5)}).address
    place = address.removeprefix("tcp://") if bare else address

    assert run("read", "--object", "battery.soc", place).stdout == "0.5\n"


def test_verbose_alone_is_told(run):
    result = run("read", "--verbose")
    assert result.exit_code == 2
    assert "--verbose needs --object" in result.stderr


def test_a_device_that_another_process_holds_is_left_alone(run, listener):
    address = address_of(listener)
    lock = DeviceLock(parse_address(address, driver("rct").ways))
    lock.acquire()
    try:
        result = run("read", "--address", address, "--object", "battery.soc")
    finally:
        lock.release()

    assert result.exit_code == 4
    assert result.stdout == "\n"
    assert "already collected by" in result.stderr


def test_a_device_that_cannot_be_reached_is_told(run, nobody):
    result = run("read", "--address", nobody, "--object", "battery.soc")
    assert (result.exit_code, result.stdout) == (3, "\n")
    assert "connection refused" in result.stderr


def test_devices_of_a_file_are_asked_together(run, unit, config_file):
    path = config_file(
        roof=unit({SOC: struct.pack(">f", 0.5)}).address,
        barn=unit({SOC: struct.pack(">f", 0.25)}).address,
    )
    assert run("read", "--config", path, "--object", "battery.soc").stdout == "0.5\n0.25\n"


@pytest.mark.slow
def test_voltronic_commands_are_asked_in_the_dialect_that_is_found_out(run):
    result = run(
        "read", "--simulate", "--driver", "voltronic", "--object", "qpigs", "--object", "PIRI",
        "--format", "json",
    )  # fmt: skip
    status, other = json.loads(result.stdout)

    assert result.exit_code == 3
    assert status["value"]["grid_voltage"] > 200
    published = {made["series"]: made["value"] for made in status["metrics"]}
    assert published["inverter_grid{phase=l1}.voltage_volts"] == status["value"]["grid_voltage"]
    assert other["value"] is None
    assert "PIRI is unknown to units that speak pi30" in other["trouble"]


def test_families_that_are_not_asked_say_so(run):
    result = run("read", "--driver", "solaredge", "--address", "listen://127.0.0.1:1",
                 "--object", "x")  # fmt: skip
    assert result.exit_code == 2
    assert "cannot be asked for single things by name" in result.stderr


# -- objects -----------------------------------------------------------------------------------


def test_objects_lists_all_of_the_registry_by_name(run):
    found = json.loads(run("objects", "--format", "json").stdout)

    assert [item["name"] for item in found] == sorted(item.name for item in REGISTRY.all())
    assert {item["id"] for item in found} == {f"0x{item.object_id:08X}" for item in REGISTRY.all()}
    by_name = {item["name"]: item for item in found}
    assert by_name["battery.soc"]["metrics"] == ["inverter_battery{battery=0}.soc_percent"]
    assert by_name["wifi.password"]["secret"] == "it is the password of the Wi-Fi"
    assert by_name["net.id"] == {
        "name": "net.id",
        "id": "0x08679611",
        "type": "UINT32",
        "unit": None,
        "description": None,
        "metrics": [],
        "secret": None,
    }
    # What the registry takes for a text, and the driver reads as what it is.
    assert by_name["battery_placeholder[0].cells[0]"]["type"] == "BATTERY_MODULE_STATUS"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("0x959930bf", ["battery.soc"]),
        ("BATTERY.SOC_TARGET",
         ["battery.soc_target", "battery.soc_target_high", "battery.soc_target_low"]),
        ("battery.module_sn[[0-9]*", []),
        ("battery.module_sn[?]", [f"battery.module_sn[{n}]" for n in range(7)]),
        ("*.soc", ["battery.soc", "battery_placeholder[0].soc"]),
        ("wifi associated", ["wifi.connected_ap_ssid"]),
        ("inverter_status.state_code", ["prim_sm.state"]),
    ],
)  # fmt: skip
def test_objects_searches_in_names_ids_descriptions_and_metrics(run, pattern, names):
    found = json.loads(run("objects", pattern, "--format", "json").stdout)
    assert [item["name"] for item in found] == names


def test_objects_as_a_table(run):
    assert run("objects", "0x5F33284E", "wifi.password").stdout.splitlines() == [
        "id          name           type    metric                      description",
        "0x5F33284E  prim_sm.state  ENUM    inverter_status.state_code  Inverter status",
        "0x14C0E627  wifi.password  STRING                              WiFi password; never read:"
        " it is the password of the Wi-Fi",
    ]
    told = "No {} of the family {!r} matches; without a PATTERN all are listed.\n"
    assert run("objects", "zzz").stderr == told.format("object", "rct")
    none = run("objects", "zzz", "--driver", "voltronic").stderr
    assert none == told.format("command", "voltronic")


def test_completion_offers_the_names_of_the_family(run):
    from rct_collector.cli.options import OBJECT
    from rct_collector.cli.read import command

    ctx = command.make_context("read", [], resilient_parsing=True)
    offered = [item.value for item in OBJECT.shell_complete(ctx, None, "wifi.p")]
    assert offered == []  # but the password, which is never read
    assert "battery.soc" in [i.value for i in OBJECT.shell_complete(ctx, None, "battery.so")]
    ctx.params["driver"] = "voltronic"
    assert "QPIGS" in [item.value for item in OBJECT.shell_complete(ctx, None, "QPI")]
    ctx.params["driver"] = "solaredge"
    assert OBJECT.shell_complete(ctx, None, "") == []


def with_registry():
    for name in BUILTIN:
        try:
            yield driver(name).tools().registry()
        except MissingToolError:
            continue


@pytest.mark.parametrize("registry", list(with_registry()), ids=lambda found: found.noun)
def test_each_thing_is_found_by_its_name_and_id_and_by_no_other(registry):
    for item in registry.items:
        assert registry.find(item.name) is item
        if item.id:
            assert registry.find(item.id.lower()) is item
        assert bool(item.secret) is not bool(item.queries)
    names = [item.name.lower() for item in registry.items]
    assert len(set(names)) == len(names)
