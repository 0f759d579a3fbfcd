"""A unit that has a payload for each object, and says it over TCP: with the library's own codec."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager

from rctclient.frame import ReceiveFrame, make_frame
from rctclient.types import Command


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        frame = ReceiveFrame()
        while data := self.request.recv(4096):
            while data:
                data = data[frame.consume(data) :]
                if frame.complete():
                    self._answer(frame)
                    frame = ReceiveFrame()

    def _answer(self, frame):
        self.server.asked.append((frame.command, frame.id, bytes(frame.data)))
        payload = self.server.payloads.get(frame.id)
        if callable(payload):
            payload = payload(bytes(frame.data))
        if payload is not None:
            long = len(payload) > 251 or frame.command == Command.WRITE
            command = Command.LONG_RESPONSE if long else Command.RESPONSE
            self.request.sendall(b"\0" + make_frame(command, frame.id, payload))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def answering_unit(payloads):
    """Serve it.

    Args:
        payloads: Object id → payload of the answer, or what makes it of the question's payload.

    Yields:
        The server: its ``address``, and what was ``asked``: command, id and payload.
    """
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.payloads, server.asked = payloads, []
        server.address = f"tcp://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
