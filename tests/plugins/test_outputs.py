"""The shipped outputs of Telegraf, each against the real server: all that was read arrives."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager

import pytest
from line_protocol_parser import parse_line

from rct_collector.catalog import catalog
from rct_collector.drivers import series as every_series
from rct_collector.model import Kind
from tests.inverter import running_inverter
from tests.plugins.agent import COMMON_TAGS, Agent, expected_series
from tests.plugins.pipelines import (
    Reference,
    Sample,
    WriteRequests,
    complaints,
    latest,
    number_of,
    samples_of,
    to_graphite,
    to_influxdb,
)
from tests.plugins.pipelines import shipped as shipped_file
from tests.processes import free_port, wait_for
from tests.servers.graphite import Carbon
from tests.servers.influxdb import InfluxDB
from tests.servers.mosquitto import Mosquitto
from tests.servers.nats import Nats
from tests.servers.prometheus import Prometheus

pytestmark = [pytest.mark.telegraf, pytest.mark.servers, pytest.mark.slow]

#: Everything that the catalogue has of now, as fast as may be; what is of the past goes other ways.
OPTIONS = (
    '    cells: true\n    include: ["*"]\n    requests: {per_second: 50, gap: 5ms}\n'
    "    labels: {site: home}\n    history: {backfill: off, events: false}\n"
)

#: A tag as Telegraf sets it by default.
HOST = '[global_tags]\n  host = "gateway"\n'


#: What InfluxDB calls the types.
KINDS = {float: "float", int: "integer", str: "string"}


def numbers(samples):
    """Without the texts, which only some outputs can carry."""
    return [sample for sample in samples if not isinstance(sample.value, str)]


def shipped(name, **changes):
    return shipped_file(f"outputs/{name}", **changes)


@pytest.fixture(scope="module")
def unit():
    """A unit with everything, and a place where what is learnt about it stays."""
    with running_inverter("everything", seed=1, rate=1e6, latency=(0.001, 0.002)) as running:
        yield running


@pytest.fixture(scope="module")
def config(unit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("collector")
    path = folder / "config.yaml"
    path.write_text(
        f"state_dir: {folder}/state\ndevices:\n"
        f"  - name: unit0\n    driver: rct\n    address: {unit.address}\n{OPTIONS}"
    )
    return path


@pytest.fixture
def pipeline(telegraf, unit, config, tmp_path):
    """Run Telegraf with an output until all has come; yields the reference."""

    @contextmanager
    def run(output):
        expected = expected_series(unit.inverter.unit.scenario, config)
        reference = Reference(tmp_path / "reference", expected)
        agent = Agent(telegraf, tmp_path, config, HOST + reference.output + output)
        with agent.running():
            assert wait_for(reference.complete, 180), agent.log.read_text()
            yield reference
            assert complaints(agent) == []

    return run


# -- databases ---------------------------------------------------------------------------------


def test_influxdb(pipeline, tmp_path):
    with InfluxDB(tmp_path / "influxdb") as influxdb:
        with pipeline(to_influxdb(influxdb)) as reference:
            pass
        found = set(stored(influxdb, "solar"))
        types = field_types(influxdb, "solar")
    assert found == set(reference.samples("host"))
    assert types == {
        (metric.measurement, metric.field): KINDS[metric.value_type]
        for metric in {one(s.name, s.tags, s.field).metric for s in reference.samples()}
    }


def one(name, tags, field):
    """The series of a sample, by the catalogue."""
    own = {k: v for k, v in tags if k not in COMMON_TAGS}
    return catalog().series(f"{name}.{field}", **own)


def stored(server, database):
    """The samples in a database."""
    fields = {name for _, name in field_types(server, database)}
    for row in server.query(database, "SELECT * FROM /.*/ GROUP BY *"):
        name, time_ns = row.pop("measurement"), row.pop("time")
        tags = frozenset((k, v) for k, v in row.items() if k not in fields and v)
        for field in fields & row.keys():
            if row[field] is not None:
                yield Sample(name, tags, field, time_ns, row[field])


def field_types(server, database):
    rows = server.query(database, "SHOW FIELD KEYS")
    return {(row["measurement"], row["fieldKey"]): row["fieldType"] for row in rows}


def test_influxdb_v2_asks_as_its_interface_is_documented(pipeline):
    """There is no InfluxDB 2 here: the requests themselves are what can be looked at."""
    with WriteRequests() as server:
        output = shipped("influxdb_v2.conf", url=("http://127.0.0.1:8086", server.url))
        with pipeline(output) as reference:
            pass
    names = ("Authorization", "Transfer-Encoding", "Content-Encoding")
    assert {(path, *map(headers.get, names)) for path, headers, _ in server.received} == {
        ("/api/v2/write?bucket=solar&org=home", "Token secret", "chunked", "gzip")
    }
    assert Counter(server.samples()) == Counter(reference.samples("host"))


def test_graphite(pipeline, tmp_path):
    with Carbon(tmp_path / "carbon") as carbon:
        with pipeline(to_graphite(carbon)) as reference:
            pass
        expected = latest(numbers(reference.samples("host", "vendor")), path_and_second)
        wait_for(lambda: carbon.everything("solar") == expected, 180)
        assert carbon.everything("solar") == expected
    assert any(path == "solar.unit0.inverter_grid.l1.home.voltage_volts" for path, _ in expected)


def path_and_second(sample):
    """Where Graphite keeps a sample."""
    tags = dict(sample.tags)
    steps = ["solar", tags.pop("source"), sample.name, *(tags[key] for key in sorted(tags))]
    return ".".join([*steps, sample.field]), sample.time_ns // 10**9


# -- Prometheus --------------------------------------------------------------------------------


def test_prometheus(pipeline, tmp_path):
    port = free_port()
    output = shipped("prometheus_client.conf", listen=('":9273"', f'"127.0.0.1:{port}"'))
    with Prometheus(tmp_path / "prometheus", port) as prometheus, pipeline(output) as reference:
        assert wait_for(
            lambda: latest(with_labels(reference.samples("host")), page_name) == shown(prometheus)
        )
        types = prometheus.types()
        history = prometheus.history('{__name__=~"inverter.*"}')
    samples = with_labels(reference.samples("host"))
    values = {}
    for sample in samples:
        values.setdefault(page_name(sample), set()).add(sample.value)
    scraped = {key(labels): {value for _, value in points} for labels, points in history}
    assert {name: seen - values.get(name, set()) for name, seen in scraped.items()} == {
        name: set() for name in values
    }
    kinds = {f"{s.name}_{s.field}": one(s.name, s.tags, s.field).metric.kind for s in samples
             if s.field != "info"}  # fmt: skip
    assert {name: types[name] for name in kinds} == {
        name: "counter" if kind is Kind.TOTAL else "gauge" for name, kind in kinds.items()
    }
    (info,) = [dict(labels) for labels in scraped if ("__name__", "inverter_info") in labels]
    assert info["serial"]
    assert info["model"].startswith("PS 10.0")


def with_labels(samples):
    """Texts become labels of the number on their line."""
    texts = {}
    for sample in samples:
        if isinstance(sample.value, str):
            texts.setdefault(sample.time_ns, set()).add((sample.field, sample.value))
    return [
        s._replace(tags=s.tags | texts[s.time_ns]) if s.name == "inverter" else s
        for s in numbers(samples)
    ]


def page_name(sample):
    return sample.tags | {("__name__", f"{sample.name}_{sample.field}")}


def key(labels):
    return frozenset((k, v) for k, v in labels.items() if k not in ("instance", "job"))


def shown(prometheus):
    """Name and labels → value, of the latest scrape."""
    found = prometheus.query('{__name__=~"inverter.*"}')
    return {key(labels): value for labels, value in found}


# -- brokers -----------------------------------------------------------------------------------


@pytest.fixture
def mosquitto(tmp_path):
    """A broker that has retained nothing yet."""
    with Mosquitto(tmp_path / "mosquitto") as server:
        yield server


def mqtt(name, broker):
    return shipped(name, server=("127.0.0.1:1883", f"127.0.0.1:{broker.port}"))


def test_mqtt(pipeline, mosquitto):
    with mosquitto.subscribed() as received:
        with pipeline(mqtt("mqtt.conf", mosquitto)) as reference:
            pass
        samples = reference.samples("host", "vendor", "site")
        wait_for(lambda: len(received) >= len(samples))
    found = Counter((topic, number_of(payload)) for topic, payload in received)
    assert found == Counter((topic_of(s), s.value) for s in samples)
    expected = latest(samples, topic_of)
    assert retained(mosquitto, expected, number_of) == expected
    assert len(expected) == len({(s.name, s.tags, s.field) for s in samples})
    assert expected["solar/unit0/inverter_grid/l1/voltage_volts"] > 200
    assert "solar/unit0/inverter_battery_cell/1/6/23/resistance_ohms" in expected


def test_mqtt_json(pipeline, mosquitto):
    with mosquitto.subscribed() as received:
        with pipeline(mqtt("mqtt-json.conf", mosquitto)) as reference:
            pass
        samples = reference.samples("host")
        wait_for(lambda: fields(received) >= len(samples))
    found = [(topic, sample) for topic, text in received for sample in from_json(json.loads(text))]
    assert Counter(found) == Counter(
        (topic_of(sample).rpartition("/")[0], in_ms(sample)) for sample in samples
    )
    last = dict(received)
    assert retained(mosquitto, last, bytes) == last


def fields(received):
    """Number of fields in JSON objects that came."""
    return sum(len(json.loads(text)["fields"]) for _, text in received)


def test_no_two_series_of_the_catalogue_share_a_topic():
    """What Telegraf makes of the template was looked at above, for what the unit has."""
    for name in ("mqtt.conf", "mqtt-json.conf"):
        (template,) = re.findall(r"^  topic = '(.*)'$", shipped(name), re.M)
        keys = re.findall(r'{{ \.Tag "(\w+)" }}', template)
        (dropped,) = re.findall(r"^  namedrop = (.*)$", shipped(name), re.M)
        rows = [m for m in catalog().metrics if f'"{m.measurement}"' not in dropped]
        assert {key for metric in rows for key, _ in metric.dimensions} < set(keys)
        topics = Counter(
            (s.metric.measurement, *(dict(s.tags).get(key) for key in keys), s.metric.field)
            for s in every_series()
            if s.metric in rows
        )
        assert max(topics.values()) == 1
    samples = [
        Sample(s.metric.measurement, frozenset(s.tags) | {("source", "x")}, s.metric.field, 0, 0)
        for s in every_series()
        if s.metric in rows
    ]
    assert max(Counter(map(topic_of, samples)).values()) == 1


#: The tags in the order of the topic.
TOPIC_TAGS = (
    *("source", "name", "unit", "phase", "pair", "string", "battery", "module", "cell"),
    *("flow", "sensor", "reserve", "io", "fault", "kind"),
)


def topic_of(sample):
    """Steps for the tags that the series has."""
    tags = {**dict(sample.tags), "name": sample.name}
    return "/".join(["solar", *(tags[k] for k in TOPIC_TAGS if k in tags), sample.field])


def retained(broker, expected, convert):
    """What the broker gives to those who come later."""
    with broker.subscribed() as received:
        wait_for(lambda: len(received) >= len(expected))
    return {topic: convert(payload) for topic, payload in received}


def from_json(document):
    tags = frozenset(document["tags"].items())
    for field, value in document["fields"].items():
        yield Sample(document["name"], tags, field, document["timestamp"], value)


def in_ms(sample):
    return sample._replace(time_ns=sample.time_ns // 10**6)


def test_amqp(pipeline, rabbitmq):
    output = shipped(
        "amqp.conf", broker=("amqp://localhost:5672/", f"amqp://127.0.0.1:{rabbitmq.port}/")
    )
    with rabbitmq.bound("solar") as take:
        with pipeline(output) as reference:
            pass
        expected = Counter(map(in_ms, reference.samples("host")))
        wait_for(lambda: len(in_messages(take())) >= expected.total())
        messages = take()
    assert {routing_key for routing_key, _ in messages} == {"unit0"}
    assert Counter(in_messages(messages)) == expected


def in_messages(messages):
    """The samples in JSON batches."""
    documents = [metric for _, body in messages for metric in json.loads(body)["metrics"]]
    return [sample for document in documents for sample in from_json(document)]


def test_nats(pipeline, tmp_path):
    with Nats(tmp_path / "nats") as nats:
        output = shipped("nats.conf", server=("nats://localhost:4222", nats.url))
        with pipeline(output) as reference:
            pass
        messages = nats.messages("SOLAR")
    found = [
        (subject, sample)
        for subject, data in messages
        for sample in samples_of(parse_line(data.decode()))
    ]
    assert Counter(found) == Counter(
        (f"solar.unit0.{sample.name}", sample) for sample in reference.samples("host")
    )
