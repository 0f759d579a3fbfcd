"""A web server that takes what agents post to it."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Posts:
    """Takes what is posted while the block runs, and keeps it.

    Attributes:
        received: Path, headers and body of each request, transfer and content encoding undone.
        url: Where it listens.
    """

    def __init__(self):
        self.received = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self, *arguments):
        _Handler(self.received, *arguments)

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, received, *arguments):
        self._received = received
        super().__init__(*arguments)

    def do_POST(self):
        if self.headers["Transfer-Encoding"] == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self._received.append((self.path, self.headers, body))
        self.send_response(204)
        self.end_headers()

    def _chunk(self):
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def log_message(self, *_):
        pass
