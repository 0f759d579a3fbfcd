"""Mosquitto, an MQTT broker."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client

from tests.processes import Server, free_port, listening


class Mosquitto(Server):
    """The broker."""

    program = Path("/usr/sbin/mosquitto")

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()

    def command(self):
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n"
            "persistence false\n"
        )
        return ["-c", config]

    def ready(self):
        return listening(self.port)

    @contextmanager
    def subscribed(self, topic="#"):
        """What comes while the block runs: a list of (topic, payload)."""
        received = []
        client = Client()
        client.on_connect = lambda *_: client.subscribe(topic)
        client.on_message = lambda _client, _data, message: received.append(
            (message.topic, message.payload)
        )
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            yield received
        finally:
            client.disconnect()
            client.loop_stop()
