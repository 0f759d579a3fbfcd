"""RabbitMQ, an AMQP broker."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pika

from tests.processes import CLEAN, Server, free_port, listening


class RabbitMQ(Server):
    """The broker."""

    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()
        self.url = f"amqp://127.0.0.1:{self.port}/"
        self._mapper = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(free_port())}

    def command(self):
        config = self.folder / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.local = 127.0.0.1:{self.port}\nlog.console = true\n")
        (self.folder / "enabled_plugins").write_text("[].\n")
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
