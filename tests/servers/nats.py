"""NATS with JetStream."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nats

from tests.processes import Server, free_port, listening


class Nats(Server):
    """The server."""

    program = Path("/usr/sbin/nats-server")

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"

    def command(self):
        return ["-a", "127.0.0.1", "-p", self.port, "-js", "-sd", self.folder / "store"]

    def ready(self):
        return listening(self.port)

    def messages(self, stream):
        """(subject, payload) of all that a stream keeps; none while there is no stream."""
        return asyncio.run(self._messages(stream))

    async def _messages(self, stream):
        client = await nats.connect(self.url)
        try:
            jetstream = client.jetstream()
            try:
                state = (await jetstream.stream_info(stream)).state
            except nats.js.errors.NotFoundError:
                return []
            numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
            found = [await jetstream.get_msg(stream, number) for number in numbers]
            return [(message.subject, message.data) for message in found]
        finally:
            await client.close()
