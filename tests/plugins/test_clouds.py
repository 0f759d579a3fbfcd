"""Home Assistant, clouds and PostgreSQL behind Telegraf: one run for all of the shipped outputs.

The broker and the database are real. In place of the two clouds somebody listens who keeps what is
posted, which is held against their forms; and in place of Kafka who speaks as much of its protocol.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from rct_collector.catalog import catalog
from tests import home_assistant
from tests.inverter import running_inverter
from tests.plugins.agent import Agent, expected_series
from tests.plugins.pipelines import PLUGIN, Reference, complaints, shipped
from tests.processes import wait_for
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgresql import PostgreSQL
from tests.servers.web import Posts

pytestmark = [pytest.mark.telegraf, pytest.mark.servers, pytest.mark.slow]

#: Everything that the catalogue has of now, as fast as may be.
OPTIONS = (
    '    cells: true\n    include: ["*"]\n    requests: {per_second: 50, gap: 5ms}\n'
    "    labels: {site: home}\n    history: {backfill: off, events: false}\n"
    "    intervals: {fast: 2s, medium: 10s, slow: 20s}\n"
)

HOST = '[global_tags]\n  host = "gateway"\n'

#: Where the texts of a unit are, which are told with the device.
TEXTS = "solar/unit0/inverter/"

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def run(telegraf, tmp_path_factory):
    """One Telegraf with all of these outputs, after all has arrived."""
    folder = tmp_path_factory.mktemp("clouds")
    config = folder / "config.yaml"
    with (
        running_inverter("everything", seed=1, rate=1e6, latency=(0.001, 0.002)) as unit,
        Mosquitto(folder / "mosquitto") as broker,
        broker.subscribed("solar/#") as messages,
        PostgreSQL() as postgresql,
        Posts() as emoncms,
        Posts() as pvoutput,
        Kafka() as kafka,
    ):
        config.write_text(
            f"state_dir: {folder}/state\nhome_assistant: true\ndevices:\n"
            f"  - name: unit0\n    driver: rct\n    address: {unit.address}\n{OPTIONS}"
        )
        expected = expected_series(unit.inverter.unit.scenario, config)
        reference = Reference(folder / "reference", expected)
        outputs = HOST + reference.output + _outputs(broker, postgresql, emoncms, pvoutput, kafka)
        agent = Agent(telegraf, folder, config, outputs)
        with agent.running() as process:
            wait_for(
                lambda: process.poll() is not None
                or (reference.complete() and pvoutput.received),
                180,
            )  # fmt: skip
            assert reference.complete(), agent.log.read_text()
            assert wait_for(lambda: _is_whole(broker, messages), 60)
        others = {"inverter_discovery", "pvoutput"}
        samples = [s for s in reference.samples("host") if s.name not in others]
        wait_for(lambda: len(messages) >= len(samples), 20)
        yield SimpleNamespace(
            samples=samples,
            messages=messages,
            documents=_kept(broker),
            broker=broker,
            postgresql=postgresql,
            emoncms=emoncms.received,
            pvoutput=pvoutput.received,
            kafka=kafka,
            complaints=complaints(agent),
        )


def _outputs(broker, postgresql, emoncms, pvoutput, kafka):
    home = shipped("outputs/home_assistant.conf")
    assert home.count("127.0.0.1:1883") == 2
    return (
        home.replace("127.0.0.1:1883", f"127.0.0.1:{broker.port}")
        + shipped("outputs/postgresql.conf", server=("port=5432", f"port={postgresql.port}"),
                  user=("user=telegraf", "user=solar"))
        + shipped("outputs/emoncms.conf", url=("https://emoncms.org", emoncms.url))
        + shipped("outputs/pvoutput.conf", url=("https://pvoutput.org", pvoutput.url),
                  period=('"5m"', '"2s"'))
        + shipped("outputs/kafka.conf", broker=("localhost:9092", kafka.address))
    )  # fmt: skip


def _is_whole(broker, messages):
    """Whether the broker has a document of all that has come."""
    documents = _kept(broker, "homeassistant/#")
    return {t for t, _ in messages if not t.startswith(TEXTS)} <= _state_topics(documents)


def _kept(broker, topic="#"):
    """What the broker keeps: topic → document."""
    with broker.subscribed(topic) as kept:
        wait_for(lambda: kept, 5)
    return {topic: json.loads(payload) for topic, payload in kept}


def _state_topics(documents):
    return {
        component["state_topic"]
        for document in documents.values()
        for component in document["components"].values()
    }


def test_nothing_was_complained_of(run):
    assert run.complaints == []


# -- Home Assistant ----------------------------------------------------------------------------


def test_the_broker_keeps_one_valid_document_and_nothing_else(run):
    """Values that it kept would pass for new ones when Home Assistant starts."""
    (topic,) = run.documents
    home_assistant.check_topic(topic)
    home_assistant.check(run.documents[topic])
    assert run.documents[topic]["device"]["model"].startswith("PS 10.0")


def test_every_value_arrives_where_home_assistant_looks_for_it(run):
    (document,) = run.documents.values()
    last = dict(run.messages)
    shown = {
        key: home_assistant.state(component, last[component["state_topic"]])
        for key, component in document["components"].items()
    }
    assert shown["collector_up"] is True
    assert shown["grid_l1_voltage_volts"] in {
        s.value
        for s in run.samples
        if s.field == "voltage_volts" and s.name == "inverter_grid" and ("phase", "l1") in s.tags
    }
    assert shown["clock_time_seconds"].tzinfo is not None
    others = last.keys() - _state_topics(run.documents)
    assert all(topic.startswith(TEXTS) for topic in others)
    entities = home_assistant.entities_of(document)
    assert all(home_assistant.is_available(entity, last) for entity in entities.values())


def test_what_home_assistant_is_told_stays_out_of_all_else(run):
    assert not [topic for topic, _ in run.messages if "discovery" in topic]
    assert "inverter_discovery" not in run.postgresql.column(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )


# -- PostgreSQL --------------------------------------------------------------------------------


def test_postgresql_has_all_samples_with_their_times_and_types(run):
    """Times are of microseconds, whatever zone the server shows them in."""
    expected = Counter((s.name, s.tags, s.field, s.time_ns // 1000, s.value) for s in run.samples)
    keys = {}
    for sample in run.samples:
        keys.setdefault(sample.name, set()).update(key for key, _ in sample.tags)
    found = Counter(
        sample
        for name, own in keys.items()
        for row in run.postgresql.rows(name)
        for sample in _of_row(name, row, own)
    )
    assert expected - found == Counter()
    assert not any(found[sample] > 1 for sample in found)
    types = run.postgresql.column(
        "SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'public'"
    )
    assert set(types) == {"timestamp with time zone", "text", "double precision", "bigint"}
    indexed = set(run.postgresql.column("SELECT DISTINCT tablename FROM pg_indexes"))
    assert keys.keys() <= indexed


def _of_row(name, row, keys):
    time = datetime.fromisoformat(row.pop("time"))
    micro = round((time - datetime.fromtimestamp(0, UTC)).total_seconds() * 1e6)
    tags = frozenset((key, row.pop(key)) for key in keys & row.keys())
    for field, value in row.items():
        yield name, tags, field, micro, value


# -- Kafka -------------------------------------------------------------------------------------


def test_kafka_gets_each_sample_with_the_name_of_the_device_as_key(run):
    found = Counter()
    for topic, key, value in run.kafka.received:
        assert (topic, key) == ("solar", "unit0")
        metric = json.loads(value)
        tags = frozenset(metric["tags"].items())
        found.update(
            (metric["name"], tags, field, metric["timestamp"], x)
            for field, x in metric["fields"].items()
        )
    assert found == Counter(
        (s.name, s.tags, s.field, s.time_ns // 10**6, s.value) for s in run.samples
    )
    assert run.kafka.acks == {-1}, "all replicas"
    assert run.kafka.producers == {7}, "who is told apart, so that nothing is kept twice"


# -- clouds ------------------------------------------------------------------------------------


def _form(body):
    """The fields of a form, each of them once."""
    fields = parse_qs(body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert {len(values) for values in fields.values()} == {1}
    return {key: value for key, (value,) in fields.items()}


def test_emoncms_gets_a_form_with_whole_numbers(run):
    expected = {}
    for s in run.samples:
        if s.name in {f"inverter_{x}" for x in ("power", "battery", "string", "energy")}:
            tags = dict(s.tags)
            own = [tags[key] for key in ("battery", "flow", "string") if key in tags]
            key = "_".join([s.name.removeprefix("inverter_"), *own, s.field])
            expected.setdefault(key, {})[s.time_ns // 10**9] = s.value
    found = {}
    for path, headers, body in run.emoncms:
        assert path == "/input/post"
        assert headers["Content-Type"] == FORM
        assert headers["Authorization"].startswith("Bearer ")
        form = _form(body)
        assert set(form) == {"node", "time", "fulljson"}
        assert form["node"] == "unit0"
        for key, value in json.loads(form["fulljson"]).items():
            found.setdefault(key, {})[int(form["time"])] = value
    assert found.keys() == expected.keys()
    for key, values in found.items():
        assert values.items() <= expected[key].items(), key
    assert max(v for values in found.values() for v in values.values()) > 1e6


def test_pvoutput_gets_a_status_of_its_form(run):
    power = [s for s in run.samples if s.name == "inverter_power"]
    ranges = {
        key: (min(values), max(values))
        for key, field in (("v2", "pv_watts"), ("v4", "load_watts"))
        for values in [[round(max(s.value, 0.0)) for s in power if s.field == field]]
    }
    assert run.pvoutput
    times = []
    for path, headers, body in run.pvoutput:
        assert path == "/service/r2/addstatus.jsp"
        assert headers["Content-Type"] == FORM
        assert headers["X-Pvoutput-Apikey"]
        assert headers["X-Pvoutput-SystemId"]
        form = _form(body)
        times.append(datetime.strptime(form.pop("d") + form.pop("t"), "%Y%m%d%H:%M"))
        assert form
        for key, text in form.items():
            low, high = ranges[key]
            assert low <= int(text) <= high
    assert all(abs(datetime.now() - when) < timedelta(minutes=5) for when in times), "local time"
    assert {"v2", "v4"} <= {key for _, _, body in run.pvoutput for key in _form(body)}


@pytest.fixture
def posted(telegraf, tmp_path):
    """Forms that a shipped output makes of lines, without any inverter."""

    def post(name, old, *lines):
        text = "\n".join(lines)
        (tmp_path / "lines").write_text(f"{text}\n")
        with Posts() as web:
            output = shipped(f"outputs/{name}", url=(old, web.url)).replace('"5m"', '"1s"')
            command = ["cat", tmp_path / "lines", "-"]
            agent = Agent(telegraf, tmp_path, None, output, command=command)
            with agent.running():
                wait_for(lambda: len(web.received) >= len(lines), 20)
            assert complaints(agent) == []
        return [_form(body) for _, _, body in web.received]

    return post


def test_pvoutput_gets_no_more_than_there_is(posted):
    """No power is a value, and what a device does not measure is none.

    The lines have no time, or Telegraf might take them for those of an earlier period.
    """
    expected = {
        "pv_watts=0.0,load_watts=1234567.5": {"v2": "0", "v4": "1234568"},
        "pv_watts=-3.2": {"v2": "0"},
        "load_watts=480.4": {"v4": "480"},
    }
    lines = [
        f"inverter_power,source=roof{n},vendor=rct {fields}" for n, fields in enumerate(expected)
    ]
    forms = posted("pvoutput.conf", "https://pvoutput.org", *lines)
    found = [{key: form[key] for key in form if key.startswith("v")} for form in forms]
    assert sorted(found, key=str) == sorted(expected.values(), key=str)


def test_emoncms_gets_what_is_in_a_name_as_it_is(posted):
    line = (
        r"inverter_energy,flow=pv,site=a\ +b&c,source=my-roof.1,vendor=rct"
        " watt_hours_total=1234567.5,day_watt_hours=12000000.0 1782036003525000000"
    )
    (form, *_) = posted("emoncms.conf", "https://emoncms.org", line)
    assert form["node"] == "my-roof.1"
    assert form["time"] == "1782036003"
    assert json.loads(form["fulljson"]) == {
        "energy_pv_watt_hours_total": 1234567.5,
        "energy_pv_day_watt_hours": 12000000.0,
    }


# -- what is not run against a server ----------------------------------------------------------


SHIPPED = sorted([*PLUGIN.glob("outputs/*.conf"), *PLUGIN.glob("rctmon/*.conf")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_telegraf_finds_nothing_wrong_with_a_shipped_file(telegraf, path):
    done = _checked(telegraf, path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_telegraf_finds_what_is_wrong(telegraf, tmp_path):
    path = tmp_path / "kafka.conf"
    path.write_text(shipped("outputs/kafka.conf", key=("routing_tag", "routing_tags")))
    done = _checked(telegraf, path)
    assert done.returncode != 0
    assert "routing_tags" in done.stdout + done.stderr


def _checked(telegraf, path):
    command = [telegraf, "config", "check", "--strict-env-handling", "--config", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_state_topics_are_those_of_the_shipped_template():
    """The order of the tags, once here and twice in files."""
    from rct_collector.adapter.home_assistant.topics import TELEGRAF_TAGS, TelegrafTopics

    steps = "/".join(f'{{{{ .Tag "{key}" }}}}' for key in TELEGRAF_TAGS)
    line = f"""  topic = 'solar/{{{{ .Tag "source" }}}}/{{{{ .Name }}}}/{steps}'\n"""
    for name in ("home_assistant.conf", "mqtt.conf", "mqtt-json.conf"):
        assert shipped(f"outputs/{name}").count(line) == 1
    keys = {key for metric in catalog().metrics for key, _ in metric.dimensions}
    assert keys - set(TELEGRAF_TAGS) == {"resolution", "code"}, "of the past"
    assert TelegrafTopics  # its topics are looked at above
