"""What goes through Telegraf, and what came out of it."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

from line_protocol_parser import parse_line

from tests.plugins.agent import series_name

PLUGIN = Path(__file__).parents[2] / "plugins/telegraf"


class Sample(NamedTuple):
    """One value of one series."""

    name: str
    tags: frozenset[tuple[str, str]]
    field: str
    time_ns: int
    value: float | int | str


class Reference:
    """What Telegraf has written into a file meanwhile."""

    def __init__(self, path, expected):
        self.path = path
        self.output = f'[[outputs.file]]\n  files = ["{path}"]\n  data_format = "influx"\n'
        self._expected = expected | {series_name("inverter", {}, "info")}

    def samples(self, *without):
        """All that is there, without some tags."""
        if not self.path.exists():
            return []
        lines = [x for x in self.path.read_text().splitlines(keepends=True) if x.endswith("\n")]
        return [sample for line in lines for sample in samples_of(parse_line(line), without)]

    def complete(self):
        """Whether every series of the unit has come."""
        found = {series_name(s.name, dict(s.tags), s.field) for s in self.samples()}
        return self._expected <= found


def samples_of(line, without=()):
    tags = frozenset((k, v) for k, v in line["tags"].items() if k not in without)
    for field, value in line["fields"].items():
        yield Sample(line["measurement"], tags, field, line["time"], value)


def complaints(agent):
    """Telegraf's warnings and errors, but that the tests' short interval did not suffice."""
    return [text for text in agent.messages() if "did not complete within its flush" not in text]


def latest(samples, key):
    """Key of a sample → its last value."""
    return {key(sample): sample.value for sample in sorted(samples, key=lambda s: s.time_ns)}


def shipped(name, **changes):
    """A file as it is copied by users, with another address of the server."""
    text = (PLUGIN / name).read_text()
    for old, new in changes.values():
        assert text.count(old) == 1, f"{name} has not {old} once"
        text = text.replace(old, new)
    return text


def number_of(payload):
    """A number where an MQTT payload is one, else its text."""
    text = payload.decode()
    try:
        return float(text)
    except ValueError:
        return text


class WriteRequests:
    """Takes the write requests of InfluxDB 2.x while the block runs, and keeps them.

    Attributes:
        requests: Path, authorisation and body of each.
    """

    def __init__(self):
        self.requests = []
        self._server = HTTPServer(("127.0.0.1", 0), self._handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self, *arguments):
        _Handler(self.requests, *arguments)

    def samples(self):
        lines = [line for _, _, body in self.requests for line in body.decode().splitlines()]
        return [sample for line in lines for sample in samples_of(parse_line(line))]

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, requests, *arguments):
        self._requests = requests
        super().__init__(*arguments)

    def do_POST(self):
        assert self.headers["Transfer-Encoding"] == "chunked"
        assert self.headers["Content-Encoding"] == "gzip"
        body = gzip.decompress(b"".join(iter(self._chunk, b"")))
        self._requests.append((self.path, self.headers["Authorization"], body))
        self.send_response(204)
        self.end_headers()

    def _chunk(self):
        data = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return data

    def log_message(self, *_):
        pass
