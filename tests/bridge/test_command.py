"""The command line of the bridge: what it takes, and what it tells of mistakes."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from rct_collector.bridge import service
from rct_collector.bridge.broker import MqttBroker, address
from rct_collector.cli.main import PROGRAM, application


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Runs the command without its service; what that would have got, or how it ended."""

    def run(*arguments, **variables):
        got = []

        async def instead(*given):
            got.append(given)

        monkeypatch.setattr(service, "run", instead)
        words = ["bridge", "--state-dir", str(tmp_path), *map(str, arguments)]
        runner = CliRunner(env=variables)
        result = runner.invoke(application, words, prog_name=PROGRAM)
        if result.exit_code == 0:
            assert result.output == ""
            return got[0]
        assert got == []
        return result.exit_code, result.output

    return run


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.write_text("secret-word\n")
    path.chmod(0o600)
    return path


def test_what_it_is_given(started, password):
    arguments = ("--broker", "mqtts://broker.test", "--username", "solar", "--prefix", "home/pv")
    broker, topics, _ = started(*arguments, "--password-file", password, "--client", "roof")

    assert (str(broker), broker.username, broker.client) == (
        "mqtts://broker.test:8883",
        "solar",
        "roof",
    )
    assert broker.password == "secret-word"
    assert topics.result("x") == "home/pv/x/result"


def test_variables_do_as_well(started):
    broker, *_ = started(
        RCT_COLLECTOR_BRIDGE_BROKER="mqtt://192.0.2.1:2883",
        RCT_COLLECTOR_BRIDGE_USERNAME="solar",
        RCT_COLLECTOR_BRIDGE_PASSWORD="secret-word",
    )

    assert (str(broker), broker.password) == ("mqtt://192.0.2.1:2883", "secret-word")


def test_no_text_of_it_has_the_password():
    broker = MqttBroker(host="x", port=1, username="solar", password="secret-word")

    assert "secret-word" not in f"{broker} {broker!r}"


#: Address → host, port and whether it is encrypted; or a part of the message.
ADDRESSES = {
    "mqtt://192.0.2.1": ("192.0.2.1", 1883, False),
    "mqtts://broker.test": ("broker.test", 8883, True),
    "broker.test:99": ("broker.test", 99, False),
    "mqtt://[2001:db8::1]:1884/": ("2001:db8::1", 1884, False),
    "http://x": "not the address of a broker",
    "mqtt://": "not the address of a broker",
    "mqtt://x:0": "not the address of a broker",
    "mqtt://x:99999": "not the address of a broker",
    "mqtt://x/topic": "not the address of a broker",
    "mqtt://x?a=b": "not the address of a broker",
    "mqtt://solar:secret-word@x": "options of their own",
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses(text):
    expected = ADDRESSES[text]
    if isinstance(expected, tuple):
        assert address(text) == expected
        return
    with pytest.raises(ValueError, match=expected) as raised:
        address(text)
    assert "secret-word" not in str(raised.value)


def test_a_file_that_others_may_read(started, password):
    password.chmod(0o644)
    status, text = started("--username", "solar", "--password-file", password)

    assert (status, "mode 0644" in text, "secret" in text) == (2, True, False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--prefix", "a/#"), "no beginning of topics"),
        (("--broker", "ftp://x"), "not the address of a broker"),
        (("--ca", "/x"), "are for mqtts://"),
        (("--password-file", "/nowhere"), "No such file"),
    ],
)
def test_mistakes_are_told(started, arguments, text):
    status, output = started(*arguments)

    assert status == 2
    assert text in output


def test_a_password_of_nobody(started):
    status, output = started(RCT_COLLECTOR_BRIDGE_PASSWORD="secret-word")

    assert (status, "no --username" in output, "secret-word" in output) == (2, True, False)


def test_without_paho_it_tells_what_to_install(started, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("rct_collector.bridge.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    result = CliRunner().invoke(application, ["bridge"], prog_name=PROGRAM)

    assert result.exit_code == 2
    assert "python3-paho-mqtt" in result.output


def test_certificates_that_are_none(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    words = ["bridge", "--broker", "mqtts://127.0.0.1:1", "--ca", str(path)]
    result = CliRunner().invoke(application, [*words, "--state-dir", str(tmp_path)])

    assert result.exit_code == 2
    assert f"{path}: these certificates cannot be used" in result.output
