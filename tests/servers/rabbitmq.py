"""RabbitMQ, an AMQP broker."""

from __future__ import annotations

import contextlib
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pika

from tests.processes import CLEAN, Server, free_port, listening


class RabbitMQ(Server):
    """The broker."""

    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

    def __init__(self, folder, *, mqtt=False):
        """Mqtt: whether it speaks that as well, for the user guest, at ``mqtt_port``."""
        super().__init__(folder)
        self.port = free_port()
        self.mqtt_port = free_port() if mqtt else None
        self.url = f"amqp://127.0.0.1:{self.port}/"
        self._mapper = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(free_port())}

    def command(self):
        config = self.folder / "rabbitmq.conf"
        text = f"listeners.tcp.local = 127.0.0.1:{self.port}\nlog.console = true\n"
        if self.mqtt_port:
            text += f"mqtt.listeners.tcp.local = 127.0.0.1:{self.mqtt_port}\n"
        config.write_text(text)
        plugins = "rabbitmq_mqtt" if self.mqtt_port else ""
        (self.folder / "enabled_plugins").write_text(f"[{plugins}].\n")
        return []

    def environment(self):
        # All that it would otherwise keep in /var and /etc, or offer on all addresses.
        return {
            **self._mapper,
            "RABBITMQ_NODENAME": f"test{os.getpid()}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_BASE": str(self.folder),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
        }

    def ready(self):
        return listening(self.port) and "Server startup complete" in self.log()

    def __exit__(self, *details):
        super().__exit__(*details)
        # Erlang's port mapper, which the broker has started, would stay.
        command = ["/usr/bin/epmd", "-kill"]
        subprocess.run(command, env={**CLEAN, **self._mapper}, capture_output=True)

    def send(self, exchange, key, body):
        """Publish one message, which outlives a restart."""
        connection = pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", self.port, socket_timeout=10)
        )
        with contextlib.closing(connection):
            properties = pika.BasicProperties(delivery_mode=2)
            connection.channel().basic_publish(exchange, key, body, properties)

    @contextmanager
    def bound(self, exchange, kind="topic", key="#"):
        """What goes through an exchange: a function that returns all (routing key, body)."""
        connection = pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", self.port, socket_timeout=10)
        )
        try:
            channel = connection.channel()
            channel.exchange_declare(exchange, kind, durable=True)
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, exchange, key)
            received = []

            def take():
                while True:
                    method, _, body = channel.basic_get(queue, auto_ack=True)
                    if method is None:
                        return received
                    received.append((method.routing_key, body))

            yield take
        finally:
            connection.close()
