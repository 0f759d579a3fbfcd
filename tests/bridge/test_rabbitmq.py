"""From AMQP to the bridge and back, through the MQTT plugin of a real RabbitMQ."""

from __future__ import annotations

import json

import pytest

from tests.bridge.at_work import SOURCE, Bridge, StubbornDoor, call
from tests.processes import wait_for
from tests.servers.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.servers, pytest.mark.slow]

#: The exchange behind MQTT's topics.
EXCHANGE = "amq.topic"
SET = f"inverter.{SOURCE}.set"


def test_a_publisher_of_amqp_sets_and_a_consumer_hears(tmp_path):
    with (
        RabbitMQ(tmp_path / "rabbitmq", mqtt=True) as broker,
        StubbornDoor() as door,
        broker.bound(EXCHANGE, key=f"inverter.{SOURCE}.result") as results,
        broker.bound(EXCHANGE, key="inverter.bridge.availability") as there,
    ):
        found = Bridge(tmp_path, "--broker", f"mqtt://127.0.0.1:{broker.mqtt_port}")
        with found.running():
            assert wait_for(lambda: there() == [("inverter.bridge.availability", b"online")])
            broker.send(EXCHANGE, SET, call("first").encode())
            broker.send(EXCHANGE, f"{SET}.max_charge_amperes", b"60")
            assert wait_for(lambda: len(results()) == 4), found.log.read_text()
            broker.send(EXCHANGE, SET, call("first").encode())
            broker.send(EXCHANGE, SET, call("old", age=61).encode())
            assert wait_for(lambda: len(results()) == 6), found.log.read_text()
        assert wait_for(lambda: len(there()) == 2)
        assert there()[-1][1] == b"offline"
        told = [json.loads(body) for _, body in results()]

    assert [params["value"] for params in door.sent] == ["sbu", 60]
    states = [(answer.get("result") or answer.get("params") or {}).get("state") for answer in told]
    assert sorted(states[:4]) == ["accepted", "accepted", "applied", "applied"]
    assert [answer["error"]["data"]["rule"] for answer in told[4:]] == ["replay", "age"]
