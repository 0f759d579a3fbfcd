"""What goes through Telegraf, and what came out of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from line_protocol_parser import parse_line

from tests.plugins.agent import series_name
from tests.servers.web import Posts

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


def to_influxdb(server, database="solar"):
    """The shipped output for it, with a server of the tests and a database of its own."""
    return shipped(
        "outputs/influxdb.conf",
        url=("http://127.0.0.1:8086", server.url),
        database=('"solar"', f'"{database}"'),
    )


def to_graphite(carbon, prefix="solar"):
    """The same, with a prefix of its own."""
    return shipped(
        "outputs/graphite.conf",
        server=("localhost:2003", f"127.0.0.1:{carbon.port}"),
        prefix=('"solar"', f'"{prefix}"'),
    )


def written_to(prometheus):
    """Both parts of the file for a Prometheus that is written to."""
    text = shipped("outputs/prometheus_remote_write.conf")
    assert text.count("http://127.0.0.1:9090") == 2
    return text.replace("http://127.0.0.1:9090", prometheus.url)


def number_of(payload):
    """A number where an MQTT payload is one, else its text."""
    text = payload.decode()
    try:
        return float(text)
    except ValueError:
        return text


class WriteRequests(Posts):
    """Takes the write requests of InfluxDB 2.x."""

    def samples(self):
        lines = [line for _, _, body in self.received for line in body.decode().splitlines()]
        return [sample for line in lines for sample in samples_of(parse_line(line))]
