"""Mosquitto, an MQTT broker."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

from paho.mqtt import publish
from paho.mqtt.client import Client

from tests.processes import Server, free_port, listening


class Mosquitto(Server):
    """The broker."""

    program = Path("/usr/sbin/mosquitto")

    def __init__(self, folder, more=""):
        """More: further lines of its configuration, for its listener."""
        super().__init__(folder)
        self.port = free_port()
        self._more = more

    def command(self):
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nlog_dest stderr\npersistence false\n"
            + (self._more or "allow_anonymous true\n")
        )
        return ["-c", config]

    def ready(self):
        return listening(self.port)

    def publish(self, topic, payload, *, retain=False):
        """Publish one message; it is at the broker when this returns."""
        publish.single(topic, payload, 1, retain, "127.0.0.1", self.port)

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
