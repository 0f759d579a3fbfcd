"""What collectd's writers bring into the back ends is what the csv plugin wrote in the same run.

The configurations of the writers are those that the README shows.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from rct_collector.adapter.home_assistant.topics import CollectdTopics
from rct_collector.cli.discovery import documents
from rct_collector.cli.snapshot import Reading, Snapshot
from rct_collector.config import DeviceConfig
from rct_collector.drivers import series as every_series
from rct_collector.model import PollClass
from tests import home_assistant
from tests.addresses import tcp
from tests.inverter import running_inverter
from tests.plugins.collectd.daemon import PLUGIN, QUICK, ROOT, Daemon, ask, device, module
from tests.processes import CLEAN, free_port, require, wait_for
from tests.servers.prometheus import Prometheus
from tests.servers.web import Posts

pytestmark = [
    pytest.mark.collectd,
    pytest.mark.servers,
    pytest.mark.slow,
]

#: Servers are shared with other tests, so the device has a name that no other has.
DEVICE = "pipes"
HOST = "solar1"
PLACE = f"inverter-{DEVICE}"

LABELS = {"site": "home"}
PRESENT = '      <History>\n        Backfill "off"\n        Events false\n      </History>\n'
OPTIONS = QUICK + PRESENT + "      Cells true\n      <Labels>\n        site home\n      </Labels>\n"

#: Values that a run has at least: enough of them that a comparison says something.
ROWS = 3000

RRDTOOL = Path("/usr/bin/rrdtool")

#: What the csv plugin itself rounds off.
CSV_SECONDS, CSV_VALUE = 0.00051, 0.51e-6


def documented():
    """Writer → its configuration in the README."""
    text = (PLUGIN / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^### `(\w+)`$.*?^```apache\n(.*?)^```", text, re.M | re.S))


def with_places(places):
    """All documented writers, with the ports and folders of the tests."""
    blocks = documented()
    assert places.keys() <= blocks.keys()
    found = []
    for writer, (shown, here) in places.items():
        assert blocks[writer].count(shown) == 1, writer
        found.append(blocks[writer].replace(shown, here))
    return "".join(found)


class Run:
    """One collectd with all writers, after it has stopped.

    Attributes:
        folder: Where it wrote.
        rows: Series → time and value of all that the csv plugin wrote.
        messages: Topic and payload of all MQTT messages.
        posts: Bodies of all requests of write_http.
        scraped: Series → times and values in Prometheus.
        known: Series → time and value of all that the csv plugin had when the cache was asked.
        listed: Time and identifier of all values in collectd's own cache.
    """

    def __init__(self, daemon, messages, posts, scraped, known, listed):
        self.folder = daemon.folder
        self.rows = rows(daemon)
        self.messages = messages
        self.posts = posts
        self.scraped = scraped
        self.known = known
        self.listed = listed


def rows(daemon):
    """Series → time and value of all that the csv plugin has written so far."""
    return {name: daemon.rows(name) for name in daemon.names()}


def look(daemon):
    """What the csv plugin has written, collectd's cache behind that, and the series in it."""
    known = rows(daemon)
    listed = ask(daemon.folder / "sock", "LISTVAL")
    return known, listed, {line.split()[1].removeprefix(f"{HOST}/") for line in listed}


def complete(daemon):
    """The same, once the cache has all that was written."""
    found = look(daemon)
    return found if found[0].keys() <= found[2] else None


@pytest.fixture(scope="module")
def run(packages, carbon, influxdb, mosquitto, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    port = free_port()
    web = Posts()
    places = {
        "csv": ("/var/lib/collectd/csv", f"{folder}/csv"),
        "mqtt": ("1883", str(mosquitto.port)),
        "network": ("25826", str(influxdb.collectd_port)),
        "rrdtool": ("/var/lib/collectd/rrd", f"{folder}/rrd"),
        "unixsock": ("/run/collectd-unixsock", f"{folder}/sock"),
        "write_graphite": ("2003", str(carbon.port)),
        "write_http": ("http://127.0.0.1:8080", web.url),
        "write_prometheus": ("9103", str(port)),
    }
    with (
        running_inverter(seed=11) as inverter,
        mosquitto.subscribed(f"collectd/{HOST}/{PLACE}/#") as messages,
        Prometheus(folder / "prometheus", port) as prometheus,
        web,
    ):
        lines = module(folder, device(DEVICE, inverter.address, OPTIONS))
        paths = (packages, ROOT, PLUGIN)
        daemon = Daemon(folder, paths, [lines], with_places(places)).start()
        try:
            # All texts of the unit are known, and with them all else of its slowest class.
            assert wait_for(lambda: daemon.rows(f"{PLACE}/bool-info"), 120), daemon.log()
            slow = len(daemon.rows(f"{PLACE}/energy_wh-pv_day"))
            assert wait_for(lambda: len(daemon.rows(f"{PLACE}/energy_wh-pv_day")) >= slow + 3, 240)
            # A slow machine gets fewer rounds done in the same time.
            assert wait_for(lambda: sum(map(len, rows(daemon).values())) > ROWS, 240), daemon.log()
            known = daemon.names()
            scraped = wait_for(lambda: len(s := samples(prometheus)) >= len(known) and s)
            # On a busy machine some are not renewed for two of their intervals, and forgotten.
            known, listed, cached = wait_for(lambda: complete(daemon), 120) or look(daemon)
            # What waits for a writer when collectd stops is lost.
            assert wait_for(lambda: cached <= {*daemon.names()}, 60), daemon.log()
            daemon.stop()
        finally:
            daemon.kill()
        assert daemon.errors() == []
        wait_for(lambda: len(messages) >= sum(map(len, rows(daemon).values())))
    posts = [body for _, _, body in web.received]
    return Run(daemon, messages, posts, scraped, known, listed)


def samples(prometheus):
    """Series → times and values."""
    named = {}
    for labels, rows in prometheus.history('{__name__=~"collectd_inverter_.+"}'):
        assert (labels["inverter"], labels["exported_instance"]) == (DEVICE, HOST)
        kind = labels["__name__"].removeprefix("collectd_inverter_")
        named[f"{PLACE}/{kind}-{labels['type']}"] = rows
    return named


def differences(expected, found, *, seconds):
    """What differs by more than the csv plugin has rounded off, and ``seconds`` besides."""
    different = {name: "nothing" for name in expected.keys() - found.keys()}
    different |= {name: "not in the csv file" for name in found.keys() - expected.keys()}
    for name in expected.keys() & found.keys():
        pairs = list(zip(expected[name], sorted(found[name]), strict=False))
        if len(expected[name]) != len(found[name]) or not all(
            abs(one[0] - other[0]) <= CSV_SECONDS + seconds and equal(one[1], other[1])
            for one, other in pairs
        ):
            different[name] = (expected[name], found[name])
    return different


def equal(one, other):
    """Whether values are the same but for what the csv plugin rounds off."""
    return math.isclose(one, other, rel_tol=1e-14, abs_tol=CSV_VALUE)


def test_the_readme_shows_writers_that_collectd_has():
    assert sorted(documented()) == list(documented()) == [
        "csv", "mqtt", "network", "rrdtool", "unixsock", "write_graphite", "write_http",
        "write_prometheus",
    ]  # fmt: skip


def test_the_run_had_everything(run):
    assert len(run.rows) > 300
    assert sum(map(len, run.rows.values())) > ROWS
    for kind in ("power-grid", "energy_wh-pv_day", "temperature-core", "bool-collector_up"):
        assert f"{PLACE}/{kind}" in run.rows
    assert any("cell" in name for name in run.rows)


def test_graphite(run, carbon):
    def fetched():
        found = defaultdict(list)
        for (name, when), value in carbon.everything(HOST).items():
            series = name.removeprefix(f"{HOST}.").replace(".", "/")
            if series.startswith(f"{PLACE}/"):
                found[series].append((when, value))
        return found

    wait_for(lambda: not differences(run.rows, fetched(), seconds=0.5), 20)
    assert differences(run.rows, fetched(), seconds=0.5) == {}


def test_influxdb(run, influxdb):
    def queried():
        found = defaultdict(list)
        for row in influxdb.query("collectd", "SELECT value FROM inverter_value GROUP BY *"):
            if row["instance"] != DEVICE:
                continue
            assert row["host"] == HOST
            name = f"{PLACE}/{row['type']}-{row['type_instance']}"
            found[name].append((row["time"] / 1e9, row["value"]))
        return found

    wait_for(lambda: not differences(run.rows, queried(), seconds=0), 20)
    assert differences(run.rows, queried(), seconds=0) == {}


def test_unixsock(run):
    """It has the last value of each series; later ones, or the first, may come before the stop.

    Several threads of collectd take values from its queue, so their times tell nothing of the order
    in which they got into the cache; but what was written out had been put there before.
    """
    listed = (line.split() for line in run.listed)
    found = {name.removeprefix(f"{HOST}/"): float(when) for when, name in listed}
    assert run.known.keys() <= found.keys() <= run.rows.keys()
    for name, when in found.items():
        assert any(abs(when - t) < 2 * CSV_SECONDS for t, _ in run.rows[name]), name
        # Those that were written before the cache was asked, and the last of them, are none older.
        before = [t for t, _ in run.known.get(name, ())][-3:]
        assert not before or when > min(before) - 2 * CSV_SECONDS, name


def test_mqtt(run):
    found = defaultdict(list)
    for topic, payload in run.messages:
        assert payload.endswith(b"\0")
        when, value = payload.rstrip(b"\0").split(b":")
        found[topic.removeprefix(f"collectd/{HOST}/")].append((float(when), float(value)))
    assert differences(run.rows, found, seconds=0) == {}


def test_home_assistant_finds_its_values_in_mqtt(run):
    """By the document of ``rct-collector discovery`` for this device, made of what it had."""
    snapshot = Snapshot(DeviceConfig(name=DEVICE, driver="rct", address=tcp("192.0.2.1")))
    places = {"-".join(s.collectd): s for s in every_series() if s.collectd}
    for name in run.rows:
        series = places[name.removeprefix(f"{PLACE}/")]
        snapshot.readings[series] = Reading(1, 1)
    ((topic, text),) = documents([snapshot], CollectdTopics(HOST), None)
    home_assistant.check_topic(topic)
    document = json.loads(text)
    home_assistant.check(document)
    last = dict(run.messages)
    components = home_assistant.entities_of(document)
    assert len(components) == len(run.rows) - 1, "all but the line of texts"
    shown = {key: home_assistant.state(c, last[c["state_topic"]]) for key, c in components.items()}
    assert shown["collector_up"] is True
    (voltage,) = [n for n in run.rows if n.endswith("/voltage-grid_l1")]
    assert any(equal(shown["grid_l1_voltage_volts"], value) for _, value in run.rows[voltage])
    assert all(home_assistant.is_available(c, last) for c in components.values())


def test_http(run):
    """What is in the last request of all goes when collectd stops."""
    found = defaultdict(list)
    for value in (value for body in run.posts for value in json.loads(body)):
        assert value["host"] == HOST
        assert value["meta"] == LABELS
        name = f"{value['plugin']}-{value['plugin_instance']}/{value['type']}"
        found[f"{name}-{value['type_instance']}"].append((value["time"], *value["values"]))
    assert differences(run.rows, found, seconds=0) == {}


def test_prometheus(run):
    """It asks when it likes, so it has some of the values, and of each series the last ones."""
    assert run.scraped.keys() == run.rows.keys()
    places = {f"{PLACE}/{'-'.join(s.collectd)}": s for s in every_series() if s.collectd}
    for name, found in run.scraped.items():
        timed = places[name].metric.poll is not PollClass.STATIC
        for when, value in found:
            assert any(
                equal(value, v) and (not timed or abs(when - t) <= 2 * CSV_SECONDS)
                for t, v in run.rows[name]
            ), (name, when, value)


# -- rrdtool -----------------------------------------------------------------------------------


def rrdtool(commands):
    """Lines of each answer below their heading; one process answers all, as each start costs."""
    text = "".join(" ".join(map(str, command)) + "\n" for command in commands)
    done = subprocess.run(
        [RRDTOOL, "-"], env=CLEAN, input=text, capture_output=True, text=True, check=True
    )
    assert "ERROR" not in done.stdout
    answers = re.split(r"^OK u:.*\n", done.stdout, flags=re.M)
    return [answer.split("\n", 2)[2].splitlines() for answer in answers[:-1]]


def average(rows, start, end, heartbeat):
    """What is kept of one step: the average over it, if all of it is known.

    A value holds from the one before it on, unless that is too long ago. Times are rounded to
    full seconds; of half ones the csv file does not tell which way.
    """
    known = total = 0.0
    for (before, _), (when, value) in pairwise(rows):
        if any(abs(time % 1 - 0.5) <= CSV_SECONDS for time in (before, when)):
            continue
        before, when = round(before), round(when)
        overlap = min(when, end) - max(before, start)
        if overlap > 0 and when - before <= heartbeat:
            known += overlap
            total += overlap * value
    return total / known if known == end - start else None


def test_rrdtool(run):
    require(RRDTOOL)
    files = {
        path.relative_to(run.folder / "rrd" / HOST).with_suffix("").as_posix(): path
        for path in run.folder.glob(f"rrd/{HOST}/*/*.rrd")
    }
    assert files.keys() == run.rows.keys()
    lasts = rrdtool(["lastupdate", path] for path in files.values())
    kept = rrdtool(
        ["fetch", path, "AVERAGE", "-r", 1, "-s", round(rows[0][0]), "-e", round(rows[-1][0])]
        for path, rows in ((path, run.rows[name]) for name, path in files.items())
    )
    compared = 0
    for name, (last,), lines in zip(files, lasts, kept, strict=True):
        when, value = map(float, last.split(": "))
        assert abs(when - run.rows[name][-1][0]) <= 0.5 + CSV_SECONDS, name
        assert equal(value, run.rows[name][-1][1]), name
        compared += steps(name, lines, run.rows[name])
    assert compared > 1000


def steps(name, lines, rows):
    """Compare what is kept of a series step by step; how many steps there were."""
    kept = [tuple(map(float, line.split(": "))) for line in lines]
    compared = 0
    if len(kept) < 2:
        return compared
    step = kept[1][0] - kept[0][0]
    for end, value in kept:
        expected = average(rows, end - step, end, heartbeat=2 * step)
        if expected is not None:
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-5), (name, end)
            compared += 1
    return compared
