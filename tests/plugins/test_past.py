"""What a unit remembers of the past, through Telegraf, into each shipped output's real server.

Live samples come between, as they do while gaps are restored: none of them may be lost.
"""

from __future__ import annotations

import time
from collections import defaultdict

import pytest

from rct_collector.adapter.lineprotocol import LineProtocol
from tests.plugins.agent import Agent
from tests.plugins.past import (
    DAY,
    FIVE_MINUTES,
    MODEL,
    SECOND,
    event,
    five_minutes,
    following,
    live,
    periods,
)
from tests.plugins.pipelines import complaints, shipped, to_graphite, to_influxdb, written_to
from tests.processes import free_port, get, wait_for
from tests.servers.prometheus import Prometheus

pytestmark = [pytest.mark.telegraf, pytest.mark.servers, pytest.mark.slow]

#: Database, prefix in Graphite and device, apart from those of other tests.
PLACE, DEVICE = "past", "archive"

#: The live samples, in Prometheus.
LIVE = f'inverter_power_load_watts{{source="{DEVICE}"}}'

#: How far back Prometheus takes samples of series in order: half of the time in its memory.
BOUND_S = 3600

#: Columns in InfluxDB that are no fields.
NO_FIELDS = ("measurement", "time", "vendor", "code", "resolution")

#: Points that a unit keeps of a day.
POINTS = DAY // FIVE_MINUTES


class Feed:
    """What the collector hands over, in place of it.

    Attributes:
        live: Unix nanoseconds and value of all live samples so far.
    """

    def __init__(self, path):
        path.touch()
        self.path = path
        self.live = []
        self._lines = LineProtocol()

    def put(self, *batches):
        with self.path.open("ab") as file:
            for batch in batches:
                file.write(b"".join(self._lines.lines(batch)))

    def put_live(self):
        now = time.time_ns()
        self.put(live(now, len(self.live), DEVICE))
        self.live.append((now, float(len(self.live))))


class Past:
    """What was fed, and where to look for it.

    Attributes:
        batches: All that is of the past.
        feed: What was fed.
        log: Telegraf's warnings and errors.
        influxdb, carbon: Servers.
        refusing, taking: Prometheus without and with a window for old samples.
        page: What a Prometheus would have scraped in the end.
        topics: Of all MQTT messages.
        repeated: Number of points in InfluxDB before all of the past came once more, and after.
    """


def old_ones():
    """In the order in which gaps are restored: chunks, the newest first."""
    yesterday = int(time.time()) // FIVE_MINUTES * FIVE_MINUTES - DAY
    chunks = [
        five_minutes(yesterday, POINTS, DEVICE),
        five_minutes(yesterday - 80 * DAY, 12, DEVICE),
    ]
    half = POINTS // 2
    midnight = yesterday // DAY * DAY - 3600  # somewhere else
    return [
        chunks[0][half:],
        chunks[0][:half],
        chunks[1],
        periods("day", (midnight - 2 * DAY, midnight - DAY), DEVICE),
        [
            event(yesterday + 7, 25, DEVICE, text="insulation: for 3 min", duration_seconds=180.0),
            event(yesterday + 11, 115, DEVICE, text="p_buf from 1 to 2", object="p_buf", old="1",
                  new="2"),
        ],
    ]  # fmt: skip


@pytest.fixture(scope="module")
def past(telegraf, influxdb, carbon, mosquitto, tmp_path_factory):
    folder = tmp_path_factory.mktemp("past")
    influxdb.create(PLACE)
    port = free_port()
    found = Past()
    found.influxdb, found.carbon, found.feed = influxdb, carbon, Feed(folder / "lines")
    chunks = old_ones()
    found.batches = [batch for chunk in chunks for batch in chunk]
    with (
        Prometheus(folder / "refusing") as found.refusing,
        Prometheus(folder / "taking", window="90d") as found.taking,
        mosquitto.subscribed(f"solar/{DEVICE}/#") as messages,
    ):
        outputs = [
            to_influxdb(influxdb, PLACE),
            to_graphite(carbon, PLACE),
            shipped("outputs/prometheus_client.conf", listen=('":9273"', f'"127.0.0.1:{port}"')),
            shipped("outputs/mqtt.conf", server=("127.0.0.1:1883", f"127.0.0.1:{mosquitto.port}")),
            *(written_to(server) for server in (found.refusing, found.taking)),
        ]
        command = following(found.feed.path)
        agent = Agent(telegraf, folder, None, "".join(outputs), command=command)
        with agent.running():
            # Each Prometheus has been at work for a while, as everywhere.
            found.feed.put_live()
            for server in (found.refusing, found.taking):
                assert wait_for(lambda s=server: s.query(LIVE)), agent.messages()
            for chunk in (*chunks, [], []):
                found.feed.put(*chunk)
                found.feed.put_live()
                assert wait_for(lambda: arrived(influxdb, found.feed)), agent.log.read_text()
            before = count(influxdb)
            found.feed.put(*found.batches)
            found.feed.put_live()
            assert wait_for(lambda: arrived(influxdb, found.feed)), agent.log.read_text()
            found.repeated = before, count(influxdb)
            last = len(found.feed.live) - 1
            for server in (found.refusing, found.taking):
                assert wait_for(lambda s=server: s.query(f"{LIVE} == {last}")), agent.messages()
            assert wait_for(lambda: f" {last}\n" in get(f"http://127.0.0.1:{port}/metrics"))
            found.page = get(f"http://127.0.0.1:{port}/metrics")
            wait_for(lambda: len(messages) >= 3 * len(found.feed.live))
            found.log = complaints(agent)
        found.topics = {topic for topic, _ in messages}
        yield found


def arrived(influxdb, feed):
    """Whether the last live sample is there, and with it all that was fed before."""
    rows = influxdb.query(PLACE, "SELECT last(load_watts) AS load FROM inverter_power")
    return [(row["time"], row["load"]) for row in rows] == feed.live[-1:]


def count(influxdb):
    """Points of the past."""
    rows = influxdb.query(PLACE, "SELECT count(load_watts) FROM inverter_history")
    return sum(row["count"] for row in rows)


def expected(batches, *, numbers):
    """(measurement, resolution or code, field) → Unix nanoseconds → value."""
    found = defaultdict(dict)
    for batch in batches:
        for series, value in batch.values:
            if not (numbers and isinstance(value, str)):
                ((_, tag),) = series.tags
                name = series.metric.measurement, tag, series.metric.field
                found[name][batch.time_ns] = value
    return dict(found)


def test_influxdb_has_all_with_its_times_and_once(past):
    found = defaultdict(dict)
    for row in past.influxdb.query(PLACE, "SELECT * FROM inverter_history, inverter_event"):
        tag = row["resolution"] if row["measurement"] == "inverter_history" else row["code"]
        assert row.pop("source") == DEVICE
        for field, value in row.items():
            if field not in NO_FIELDS and value is not None:
                found[row["measurement"], tag, field][row["time"]] = value
    assert found == expected(past.batches, numbers=False)
    assert past.repeated == (POINTS + 12, POINTS + 12)


def test_influxdb_has_all_live_samples(past):
    rows = past.influxdb.query(PLACE, "SELECT load_watts FROM inverter_power")
    assert [(row["time"], row["load_watts"]) for row in rows] == past.feed.live


def loads(server):
    """Unix milliseconds and value of all live samples."""
    ((labels, points),) = server.history("inverter_power_load_watts")
    assert labels["source"] == DEVICE
    return [(round(when * 1000), value) for when, value in points]


def in_ms(points):
    return [(when // 10**6, value) for when, value in points]


def test_prometheus_without_a_window_goes_on_with_what_is_live(past):
    """It refuses all that is old, each for good, and nothing waits behind it."""
    assert loads(past.refusing) == in_ms(past.feed.live)
    found = past.refusing.history('{resolution=~".+"}', "100d")
    oldest = min(when for _, points in found for when, _ in points)
    assert oldest > past.feed.live[0][0] / SECOND - BOUND_S


def test_prometheus_with_a_window_has_what_is_old_too(past):
    assert loads(past.taking) == in_ms(past.feed.live)
    found = {}
    for labels, points in past.taking.history('{__name__=~"inverter_(history|event)_.*"}', "100d"):
        measurement = "inverter_history" if "resolution" in labels else "inverter_event"
        field = labels["__name__"].removeprefix(f"{measurement}_")
        tag = labels.get("resolution") or labels["code"]
        found[measurement, tag, field] = {round(t * 1000): value for t, value in points}
    assert found == {
        name: dict(in_ms(sorted(points.items())))
        for name, points in expected(past.batches, numbers=True).items()
    }


def test_prometheus_has_the_texts_of_events_as_labels(past):
    found = past.taking.history("inverter_event_occurred", "100d")
    texts = {labels["code"]: labels["text"] for labels, _ in found}
    ((info, _),) = past.taking.history("inverter_info")
    assert info["model"] == MODEL
    assert texts == {"25": "insulation: for 3 min", "115": "p_buf from 1 to 2"}


def test_what_prometheus_refuses_is_said_and_nothing_else(past):
    assert past.log
    for line in past.log:
        assert "outputs.http::prometheus_history" in line
        assert "non-retryable status 400" in line


def test_the_page_for_prometheus_shows_nothing_old_as_present(past):
    assert "inverter_power_load_watts" in past.page
    assert "inverter_history" not in past.page
    assert "inverter_event" not in past.page


def test_mqtt_has_nothing_without_its_time(past):
    assert past.topics == {
        f"solar/{DEVICE}/inverter_power/load_watts",
        f"solar/{DEVICE}/inverter/info",
        f"solar/{DEVICE}/inverter/model",
    }


def test_carbon_has_all_in_the_archive_of_five_minutes(past):
    """Points of yesterday and of eighty days ago; events lie in the slot that they began in."""
    wanted = {}
    for (measurement, tag, field), points in expected(past.batches, numbers=True).items():
        step = 3600 if tag == "day" else FIVE_MINUTES
        for when, value in points.items():
            name = f"{PLACE}.{DEVICE}.{measurement}.{tag}.{field}"
            wanted[name, when // SECOND // step * step] = value

    def stored():
        everything = past.carbon.everything(f"{PLACE}/{DEVICE}")
        return {key: value for key, value in everything.items() if "inverter_power" not in key[0]
                and ".inverter." not in key[0]}  # fmt: skip

    wait_for(lambda: len(stored()) == len(wanted), 20)
    assert stored() == wanted
