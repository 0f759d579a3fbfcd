"""RctMon's names, kept alive by a real Telegraf, with the values that RctMon would publish."""

from __future__ import annotations

import math
import re

import pytest
from rctclient.registry import REGISTRY
from rctclient.utils import decode_value

from rct_collector.drivers.rct.tools import rctmon
from rct_collector.drivers.rct.tools.rctmon import VALUE
from tests.inverter import running_inverter
from tests.plugins.agent import Agent, expected_series
from tests.plugins.pipelines import (
    PLUGIN,
    Reference,
    WriteRequests,
    complaints,
    latest,
    number_of,
    shipped,
)
from tests.processes import free_port, wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.prometheus import Prometheus

pytestmark = [
    pytest.mark.telegraf,
    pytest.mark.servers,
    pytest.mark.slow,
]

#: The world of this unit stands still, so that each object has one value.
START = 1782036000.0
NAME = "PS 6.0 ABCD"


@pytest.fixture(scope="module")
def unit():
    still = {"start": START, "speed": 0.0, "rate": 1e6, "latency": (0.001, 0.002)}
    with running_inverter("everything", seed=1, **still) as running:
        yield running


@pytest.fixture(scope="module")
def raw(unit):
    """What RctMon reads, by rctclient alone: a function of a link."""

    def value(link):
        info = REGISTRY.get_by_id(link.query.oid)
        payload = unit.inverter.unit.read(info.object_id, START)
        decoded = decode_value(info.response_data_type, payload)
        cell = int(dict(link.series.tags).get("cell", 0))
        match link.row.part:
            case "":
                return decoded
            case "cell voltage":
                return decoded[cell].voltage_v
            case "cell temperature":
                return decoded[cell].temperature_c
            case "cell resistance":
                return decoded[cell].resistance_ohm
            case part:
                return getattr(decoded, part.removesuffix(" value")).value

    return value


@pytest.fixture
def run(telegraf, unit, tmp_path):
    """Telegraf with a shipped configuration; yields what it was given, when it is complete."""
    config = tmp_path / "config.yaml"
    text = rctmon.device_options().replace("tcp://192.0.2.10:8899", unit.address)
    faster = "    requests: {per_second: 50, gap: 5ms}\n"
    config.write_text(f"state_dir: {tmp_path}/state\n{text}{faster}")
    reference = Reference(
        tmp_path / "reference", expected_series(unit.inverter.unit.scenario, config)
    )

    def agent(name, **changes):
        output = shipped(f"rctmon/{name}", **changes)
        return Agent(telegraf, tmp_path, config, reference.output + output), reference

    return agent


def different(found, expected):
    """Names that are missing or too many, and values that differ by more than rounding."""
    return {
        name: (found.get(name), expected.get(name))
        for name in found.keys() | expected.keys()
        if not alike(found.get(name), expected.get(name))
    }


def alike(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-7)  # what single precision leaves
    return one == other


def read_links():
    """Those that come from the unit."""
    return [link for link in rctmon.links() if link.query]


def test_prometheus_names(run, raw, tmp_path):
    port = free_port()
    agent, reference = run("prometheus.conf", listen=('":9831"', f'"127.0.0.1:{port}"'))
    with Prometheus(tmp_path / "prometheus", port) as prometheus, agent.running():
        assert wait_for(reference.complete, 180), agent.log.read_text()
        expected = page(raw)
        wait_for(lambda: not different(shown(prometheus), {**expected, **own(reference)}))
        assert different(shown(prometheus), {**expected, **own(reference)}) == {}
        assert complaints(agent) == []
        types = prometheus.types()
    assert expected[labelled("energy_grid_feed_sum")] < -1e5
    assert 0 < expected[labelled("battery_state_of_charge_percent")] <= 1
    assert {name for name, kind in types.items() if kind == "counter"} == {
        f"rctmon_{link.row.prometheus}"
        for link in rctmon.links()
        if link.row.prometheus.endswith("_total")
    }
    assert set(types.values()) == {"counter", "gauge"}


def labelled(name, **labels):
    return frozenset({"__name__": f"rctmon_{name}", "inverter": NAME, **labels}.items())


def page(raw):
    """RctMon's page, made from what the unit sends."""
    found, infos = {}, {}
    for link in read_links():
        row, tags = link.row, dict(link.series.tags)
        if not row.prometheus:
            continue
        labels = {key: text.format(**tags) for key, text in row.labels.items() if text != VALUE}
        if VALUE in row.labels.values():
            (key,) = (key for key, text in row.labels.items() if text == VALUE)
            place = (row.prometheus, *labels.items())
            infos.setdefault(place, dict(labels))[key] = str(raw(link))
        else:
            found[labelled(row.prometheus, **labels)] = float(raw(link))
    return found | {labelled(name, **labels): 1.0 for (name, *_), labels in infos.items()}


def own(reference):
    """RctMon's figures about itself, from our own."""
    last = latest(reference.samples("source", "vendor", "inverter"), lambda s: s[:3])
    return {
        labelled(link.row.prometheus, **link.row.labels): float(
            last[
                (
                    link.series.metric.measurement,
                    frozenset(link.series.tags),
                    link.series.metric.field,
                )
            ]
        )
        for link in rctmon.links()
        if not link.query
    }


def shown(prometheus):
    return {
        frozenset((k, v) for k, v in labels.items() if k not in ("instance", "job")): value
        for labels, value in prometheus.query('{__name__=~"rctmon_.*|inverter.*"}')
    }


def test_influxdb_measurements(run, raw):
    with WriteRequests() as server:
        agent, reference = run("influxdb.conf", url=("http://localhost:8086", server.url))
        expected = measurements(raw)
        with agent.running():
            assert wait_for(lambda: named(server) >= expected.keys(), 180), agent.log.read_text()
            assert complaints(agent) == []
    found = latest(server.samples(), lambda s: s[:3])
    assert different(found, expected) == {}
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in expected.items()
    }
    times = {sample.time_ns for sample in reference.samples()}
    assert {sample.time_ns for sample in server.samples()} <= times


def named(server):
    return {sample[:3] for sample in server.samples()}


def measurements(raw):
    """RctMon's points, made from what the unit sends."""
    found = {}
    for link in read_links():
        value, tags = raw(link), {"inverter": NAME}
        for name in link.row.influx:
            measurement, field = name.split(".")
            module = {"module": dict(link.series.tags).get("module")}
            labels = tags | module if measurement == "battery_module" else tags
            found[measurement, frozenset(labels.items()), field] = value
        if not link.row.part:
            labels = tags | {"name": link.query.name, "oid": f"0x{link.query.oid:X}"}
            kind = {float: "float", bool: "bool", int: "int", str: "string"}[type(value)]
            found["raw_data", frozenset(labels.items()), f"value_{kind}"] = value
    return found


def test_mqtt_topics(run, raw, tmp_path):
    with Mosquitto(tmp_path / "mosquitto") as broker:
        agent, reference = run("mqtt.conf", server=("127.0.0.1:1883", f"127.0.0.1:{broker.port}"))
        with broker.subscribed() as received, agent.running():
            assert wait_for(reference.complete, 180), agent.log.read_text()
            expected = {
                "rctmon/" + link.row.mqtt.format(**dict(link.series.tags)): raw(link)
                for link in read_links()
                if link.row.mqtt
            }
            wait_for(lambda: dict(received).keys() >= expected.keys())
            assert complaints(agent) == []
        with broker.subscribed() as retained:
            wait_for(lambda: len(retained) >= len(expected))
    found = {topic: number_of(payload) for topic, payload in retained}
    numbers = {topic: x if isinstance(x, str) else float(x) for topic, x in expected.items()}
    assert different(found, numbers) == {}
    assert all(re.fullmatch(r"rctmon/[a-z]+(/[ab])?/[a-z0-9_]+", topic) for topic in found)


def test_all_shipped_files_go_together(run):
    """As in telegraf.d: old names from all three, beside the new ones."""
    agent, _ = run("prometheus.conf")
    others = [*PLUGIN.glob("outputs/*.conf"), *PLUGIN.glob("rctmon/[im]*.conf")]
    assert len(others) == 16
    files = [word for path in others for word in ("--config", str(path))]
    metrics, complaints = agent.try_out(*files)
    names = {line.split(",")[0] for line in metrics}
    assert names > {"inverter_power", "rctmon", "rctmon_mqtt", "raw_data"}
    assert [line for line in complaints if " E! " in line] == []
