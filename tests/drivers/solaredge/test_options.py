"""Options: which units are welcome, keys that nobody sees, and names."""

from __future__ import annotations

import pytest

from rct_collector.config import Config
from rct_collector.drivers.solaredge.crypto import UnitKey
from rct_collector.errors import ConfigError

KEY = "000102030405060708090A0b0c0d0e0f"


def options(**given):
    device = {"name": "plant", "driver": "solaredge", "address": "listen://127.0.0.1:22222"}
    (found,) = Config.parse({"devices": [{**device, **given}]}).devices
    return found.options


def problem(**given):
    with pytest.raises(ConfigError) as failure:
        options(**given)
    return str(failure.value)


def test_what_is_not_said():
    found = options()
    assert (found.units, found.keys, found.names) == (frozenset(), {}, {})


def test_what_is_said(tmp_path):
    file = tmp_path / "unit.key"
    file.write_text(KEY + "\n")
    file.chmod(0o640)
    found = options(
        units=["7F101234", "be105678"],
        keys={"7F101234": KEY, "7F105678": str(file)},
        names={"1A2B3C4D": "south-3"},
    )
    assert found.units == {0x7F101234, 0xBE105678}
    key = UnitKey(bytes.fromhex(KEY))
    assert found.keys == {0x7F101234: key, 0x7F105678: key}
    assert found.names == {0x1A2B3C4D: "south-3"}


@pytest.mark.parametrize("word", ["auto", ["auto"]])
def test_anybody_is_welcome(word):
    assert options(units=word).units == frozenset()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": "7F101234"}, "units: found '7F101234', expected auto, or a list of ids"),
        ({"units": []}, "expected auto, or a list of ids of inverters"),
        (
            {"units": ["7F1012"]},
            "ids of eight hexadecimal digits, such as \"7F101234\"; '7F1012' is",
        ),
        ({"names": ["south"]}, "expected ids and names, such as {1A2B3C4D: south-3}"),
        ({"names": {"1A2B3C4D": ""}}, "names of up to 64 characters; that of '1A2B3C4D' is none"),
        ({"names": {"1A2B3C4D": "a\nb"}}, "names of up to 64 characters"),
        ({"keys": "7F101234"}, "keys: expected ids of inverters and their keys"),
        ({"keys": {"7F101234": KEY[:-2]}}, "that of '7F101234' has 30 digits"),
        ({"keys": {"7F101234": KEY[:-2] + "xy"}}, "that of '7F101234' has 32 characters"),
        ({"keys": {"7F1": KEY}}, "ids of eight hexadecimal digits"),
        ({"keys": {"7F101234": "/nowhere/unit.key"}}, "/nowhere/unit.key: No such file"),
        ({"keys": {"7F101234": "/dev/null"}}, "/dev/null is none"),
    ],
)
def test_what_is_wrong_is_told(given, message):
    assert message in problem(**given)


def test_a_file_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "unit.key"
    file.write_text(KEY)
    for mode in (0o644, 0o604, 0o660):
        file.chmod(mode)
        assert f"{file} has mode {mode:04o}: chmod 640 {file}" in problem(
            keys={"7F101234": str(file)}
        )


def test_a_file_with_a_key_of_another_length_is_named(tmp_path):
    file = tmp_path / "unit.key"
    file.write_text(KEY * 2)
    file.chmod(0o600)
    text = problem(keys={"7F101234": str(file)})
    assert f"that of '7F101234' in {file} has 64 digits" in text


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    file = tmp_path / "unit.key"
    file.write_text("0" * 5000)
    file.chmod(0o600)
    assert "at most 4096 bytes" in problem(keys={"7F101234": str(file)})


@pytest.mark.parametrize(
    "given",
    [
        {"keys": {"7F101234": KEY[:-1]}},
        {"keys": [KEY]},
        {"keys": KEY},
        {"names": {"1A2B3C4D": KEY, "x": KEY}},
        {"key": {"7F101234": KEY}},
        {"units": KEY},
    ],
)
def test_no_message_shows_a_key(given):
    assert KEY[:24] not in problem(**given)
    assert KEY[-8:] not in problem(**given)


def test_ids_and_keys_may_look_like_numbers(tmp_path):
    """YAML has numbers for them: 7E101234 would be infinite, and 00000012 a dozen."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "devices: [{name: plant, driver: solaredge, address: 'listen://127.0.0.1:22222',"
        " units: [12345678, 7E101234, 00000012], names: {7E101234: 5},"
        f" keys: {{12345678: {'0' * 32}}}}}]\n"
    )
    (device,) = Config.load(file).devices
    assert device.options.units == {0x12345678, 0x7E101234, 0x12}
    assert device.options.names == {0x7E101234: "5"}
    assert device.options.keys == {0x12345678: UnitKey(bytes(16))}
