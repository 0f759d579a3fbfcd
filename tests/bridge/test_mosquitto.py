"""The bridge with a real broker, and with paho-mqtt of both generations."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.bridge.at_work import PAHO_2, SOURCE, Bridge, StubbornDoor, call
from tests.needs import lacking
from tests.processes import program, wait_for
from tests.servers.mosquitto import Mosquitto

pytestmark = [pytest.mark.servers, pytest.mark.slow]

RESULT = f"inverter/{SOURCE}/result"
SET = f"inverter/{SOURCE}/set"
AVAILABILITY = "inverter/bridge/availability"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as server:
        yield server


@pytest.fixture(scope="module")
def door():
    with StubbornDoor() as found:
        yield found


@pytest.fixture(params=["installed", "2"], scope="module")
def paho(request):
    """Where paho-mqtt is: that which is installed, or the other generation."""
    if request.param == "installed":
        return None
    if not PAHO_2.is_dir():
        lacking(f"{PAHO_2}: make test brings it")
    return PAHO_2


@pytest.fixture(scope="module")
def bridge(broker, door, paho, tmp_path_factory):
    """A bridge at work."""
    found = Bridge(tmp_path_factory.mktemp("bridge"), "--broker", address(broker), paho=paho)
    with found.running():
        found.says("connected with")
        yield found


def address(broker):
    return f"mqtt://127.0.0.1:{broker.port}"


def apart(broker, name, paho):
    """Options of a bridge that hears nothing of the others, and what its topics begin with."""
    prefix = f"{name}-{'2' if paho else '1'}"
    return ("--broker", address(broker), "--client", prefix, "--prefix", prefix), prefix


@contextmanager
def talking(broker):
    """Publishes, and hears all answers that come while the block runs."""
    with broker.subscribed() as received:
        wait_for(lambda: any(topic == AVAILABILITY for topic, _ in received), 5)
        yield received


def answers(received):
    return [json.loads(payload) for topic, payload in received if topic == RESULT]


def test_which_paho_it_is(paho):
    code = "from importlib.metadata import version; print(version('paho-mqtt'))"
    more = {"PYTHONPATH": str(paho)} if paho else {}
    found = subprocess.run([sys.executable, "-c", code], env=more, capture_output=True, text=True)

    assert found.stdout.startswith("2." if paho else "1.6")


def test_a_call_and_a_plain_value(bridge, broker, door):
    door.sent.clear()
    with talking(broker) as received:
        broker.publish(SET, call("first"))
        assert wait_for(lambda: len(answers(received)) == 2), bridge.log.read_text()
        broker.publish(f"{SET}/max_charge_amperes", "60")
        assert wait_for(lambda: len(answers(received)) == 4), bridge.log.read_text()
    first, second, third, fourth = answers(received)

    assert (first["id"], first["result"]["state"]) == ("first", "accepted")
    assert (second["params"]["id"], second["params"]["state"]) == ("first", "applied")
    assert (third["id"], third["result"]["state"]) == (None, "accepted")
    assert (fourth["params"]["name"], fourth["params"]["state"]) == (
        "max_charge_amperes",
        "applied",
    )
    assert [params["value"] for params in door.sent] == ["sbu", 60]
    assert dict(received)[AVAILABILITY] == b"online"


def test_old_and_replayed_commands_are_refused(bridge, broker, door):
    door.sent.clear()
    with talking(broker) as received:
        broker.publish(SET, call("old", age=61))
        broker.publish(SET, call("again"))
        broker.publish(SET, call("again"))
        broker.publish(SET, "not JSON")
        assert wait_for(lambda: len(answers(received)) == 5), bridge.log.read_text()
    rules = [
        (answer["id"], answer["error"].get("data", {}).get("rule"))
        for answer in answers(received)
        if "error" in answer
    ]

    assert sorted(rules, key=str) == [("again", "replay"), ("old", "age"), (None, None)]
    assert len(door.sent) == 1


def test_retained_commands_are_refused_after_a_start(broker, door, paho, tmp_path):
    """Both kinds lie at the broker; neither is ever done."""
    door.sent.clear()
    options, prefix = apart(broker, "kept", paho)
    topic = f"{prefix}/{SOURCE}/set"
    broker.publish(f"{topic}/output_priority", "solar", retain=True)
    broker.publish(topic, call("kept"), retain=True)
    found = Bridge(tmp_path, *options, paho=paho)
    with broker.subscribed(f"{prefix}/{SOURCE}/result") as received, found.running():
        assert wait_for(lambda: len(received) == 2), found.log.read_text()

    rules = [json.loads(payload)["error"]["data"]["rule"] for _, payload in received]
    assert rules == ["retained", "retained"]
    assert door.sent == []


def test_killed_between_sending_and_the_answer(broker, door, paho, tmp_path):
    """The broker tells that it is gone; the next one tells what nobody knows, and sends nothing."""
    door.sent.clear()
    options, prefix = apart(broker, "killed", paho)
    topic, told = f"{prefix}/{SOURCE}/set", f"{prefix}/{SOURCE}/result"
    found = Bridge(tmp_path, *options, paho=paho)
    with broker.subscribed(f"{prefix}/#") as received:
        with door.silent(), found.running() as process:
            assert wait_for(lambda: there(received) == [b"online"]), found.log.read_text()
            broker.publish(topic, command := call("lost"))
            assert wait_for(lambda: door.sent), found.log.read_text()
            process.kill()
            assert wait_for(lambda: there(received) == [b"online", b"offline"])
        with found.running():
            assert wait_for(lambda: there(received)[-1] == b"online"), found.log.read_text()
            broker.publish(topic, command)
            assert wait_for(lambda: [name for name, _ in received].count(told) == 2)
    unknown, replay = (json.loads(payload) for name, payload in received if name == told)

    assert (unknown["params"]["id"], unknown["params"]["state"]) == ("lost", "unknown")
    assert replay["error"]["data"]["rule"] == "replay"
    assert len(door.sent) == 1


def there(received):
    """What was told of whether the bridge is there."""
    return [payload for topic, payload in received if topic.endswith("/bridge/availability")]


def test_an_end_without_haste_says_so(broker, door, paho, tmp_path):
    options, prefix = apart(broker, "ended", paho)
    found = Bridge(tmp_path, *options, paho=paho)
    with broker.subscribed(f"{prefix}/#") as received:
        with found.running() as process:
            assert wait_for(lambda: received)
            process.terminate()
            assert process.wait(30) == 0
        assert wait_for(lambda: len(received) >= 2)

    assert there(received) == [b"online", b"offline"]
    assert "Traceback" not in found.log.read_text()


# -- who may connect -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A broker that wants a password."""
    folder = tmp_path_factory.mktemp("guarded")
    words = folder / "passwords"
    words.write_text("solar:secret-word\n")
    subprocess.run([program("mosquitto_passwd"), "-U", words], check=True)
    # As root the broker would give its rights away, and could not read the file any more.
    more = f"allow_anonymous false\npassword_file {words}\nuser root\n"
    with Mosquitto(folder / "server", more) as server:
        yield server


def test_a_password_from_a_file(guarded, paho, tmp_path):
    path = tmp_path / "password"
    path.write_text("secret-word\n")
    path.chmod(0o600)
    options = ("--username", "solar", "--password-file", path)
    found = Bridge(tmp_path, "--broker", address(guarded), *options, paho=paho)
    with found.running():
        found.says("connected with")

    assert "secret-word" not in found.log.read_text()


def test_a_wrong_password_is_told_without_it(guarded, paho, tmp_path):
    found = Bridge(
        tmp_path,
        *("--broker", address(guarded), "--username", "solar"),
        paho=paho,
        RCT_COLLECTOR_BRIDGE_PASSWORD="wrong-word",
    )
    with found.running():
        found.says("refuses us")

    assert "wrong-word" not in found.log.read_text()
