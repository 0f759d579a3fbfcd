"""collectd and Telegraf get the same metrics, with the same values at the same times.

Of inverters of two families, which are read by one process.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict

import pytest
from line_protocol_parser import parse_line

from rct_collector import Config
from rct_collector.catalog import catalog
from rct_collector.device.polling.plan import plan_for
from rct_collector.device.stats import Stats
from rct_collector.drivers import driver
from rct_collector.model import Kind, PollClass
from tests.faulty_voltronic import Equipment, Truth
from tests.inverter import running_inverter
from tests.plugins.collectd.daemon import device, module
from tests.processes import wait_for

pytestmark = [pytest.mark.collectd, pytest.mark.slow]

#: Each round takes in everything, so that whatever is computed finds its inputs in one of them.
#: What is restored from before is in none, and each agent would get it in an order of its own.
ROUND_S = 10
YAML = (
    "    intervals: {fast: 10s, medium: 10s, slow: 10s, static: 10s}\n"
    "    cells: true\n    requests: {per_second: 50, gap: 5ms}\n"
    "    history: {backfill: off}\n"
)
BLOCKS = """
      Cells true
      <Intervals>
        Fast "10s"
        Medium "10s"
        Slow "10s"
        Static "10s"
      </Intervals>
      <Requests>
        PerSecond 50
        Gap "5ms"
      </Requests>
      <History>
        Backfill "off"
      </History>
"""

(CONFIG,) = Config.parse(
    {"devices": [{"name": "x", "driver": "rct", "address": "tcp://x"}]}
).devices

#: The unit's time at the first round, and how far it goes on from one round to the next.
START, STEP_S = 1782036000.0, 60.0

#: What the collector says of itself and the unit's world does not decide: how long things took,
#: and how much of what is asked once found its place in which round.
PACE = {
    f"inverter_collector.{field}"
    for field in (
        "answer_latency_seconds", "answers_total", "poll_seconds", "received_bytes_total",
        "requests_total", "retries_total", "sample_age_seconds", "sent_bytes_total",
        "ticks_missed_total", "timeouts_total",
    )
}  # fmt: skip

DRIFT = catalog().series("inverter_clock.drift_seconds")
FOREIGN = catalog().series("inverter_collector_errors.frames_total", kind="foreign")
CLOCK = catalog().series("inverter_clock.time_seconds")


#: Voltronic units are asked no more often than every five seconds, and one thing after the other.
VOLTRONIC_YAML = """  - name: axpert
    driver: voltronic
    address: {address}
    requests: {{per_second: 50, gap: 5ms}}
"""
VOLTRONIC_BLOCKS = """
      <Requests>
        PerSecond 50
        Gap "5ms"
      </Requests>
"""

#: A time at which the unit that is ill warns of something.
ILL = START + 62 * 60.0


class Steps:
    """The unit's world as two readers can compare it: still within a round, another in the next.

    A round begins with the fast objects; the first one with who the unit is.

    Attributes:
        requests: Of each request: number of the round, from 1, the host's time, and whether the
            unit answered.
    """

    def __init__(self, unit):
        self._fast = {q.oid for q in plan_for(driver("rct"), CONFIG).queries(PollClass.FAST)}
        self._read = unit.read
        self._begun = 0.0
        self.requests = []
        self.number = 0
        unit.read = self._stepped

    def again(self):
        """Begin with the first round for another reader; what the last one has asked for."""
        found, self.requests = self.requests, []
        self.number, self._begun = 0, 0.0
        return found

    def _stepped(self, oid, _unix):
        now = time.time()
        begins = oid in self._fast or not self.number
        if begins and now - self._begun > ROUND_S / 2:
            self.number += 1
            self._begun = now
        payload = self._read(oid, START + STEP_S * self.number)
        self.requests.append((self.number, now, payload is not None))
        return payload


class Reading:
    """What one agent got.

    Attributes:
        rounds: Values of the rounds that ended, the first one first: series → value.
        times: Times of these rounds, in Unix seconds.
        asked: See :attr:`Steps.requests`.
    """

    def __init__(self, rows, asked):
        by_time = defaultdict(dict)
        for series, found in rows.items():
            for when, value in found:
                assert series not in by_time[when], f"{series} twice at {when}"
                by_time[when][series] = value
        # What was under way when the agent was stopped may be half a round.
        *self.times, _ = sorted(by_time)
        self.rounds = [by_time[when] for when in self.times]
        self.asked = asked

    @property
    def series(self):
        return {series for values in self.rounds for series in values}


def settled(known, quiet=2.5 * ROUND_S, limit=24.0 * ROUND_S):
    """Wait until a growing collection has not grown for a while; long, on a busy machine."""
    end = time.monotonic() + limit
    size, since = -1, 0.0
    while time.monotonic() < end:
        if (now := len(known())) != size:
            size, since = now, time.monotonic()
        if size > 0 and time.monotonic() - since > quiet:
            return
        time.sleep(0.2)
    raise AssertionError(f"still growing after {limit} s: {size}")


def through_telegraf(shim, path):
    """Device → series → times and values, from the lines of the shim."""
    one = shim(path)
    found, devices = set(), defaultdict(lambda: defaultdict(list))

    def read():
        for raw in one.process.stdout:
            line = parse_line(raw.decode())
            tags = {k: v for k, v in line["tags"].items() if k not in ("source", "vendor")}
            for field, value in line["fields"].items():
                series = catalog().series(f"{line['measurement']}.{field}", **tags)
                source = line["tags"]["source"]
                # collectd's files have milliseconds.
                devices[source][series].append((round(line["time"] / 1e9, 3), value))
                found.add((source, series))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    settled(lambda: found)
    one.process.stdin.close()
    assert one.process.wait(10) == 0
    reader.join(10)
    return devices


def through_collectd(daemon):
    """The same, from the files of the csv plugin."""
    places = {"-".join(s.collectd): s for s in catalog() if s.collectd}
    daemon.start()
    settled(daemon.names)
    wait_for(lambda: warnings(daemon), 90)  # two readings, half a minute apart, must agree
    daemon.stop()
    assert daemon.errors() == []
    devices = defaultdict(dict)
    for name in daemon.names():
        folder, _, place = name.partition("/")
        devices[folder.removeprefix("inverter-")][places[place]] = daemon.rows(name)
    return devices


def test_both_agents_get_the_same(collectd, shim, write_config, tmp_path):
    truth = Truth()
    with (
        running_inverter("everything", seed=1, rate=1e6) as inverter,
        running_inverter(
            "ill", driver="voltronic", seed=1, start=START, sun=None, rate=1e6, witness=truth
        ) as axpert,
    ):
        steps, unit = Steps(inverter.inverter.unit), stand_still(axpert.inverter.unit)
        extra = YAML + VOLTRONIC_YAML.format(address=axpert.address)
        devices = through_telegraf(shim, write_config(inverter.address, extra=extra))
        assert wait_for(lambda: not inverter.inverter.hub().clients)
        assert wait_for(lambda: not axpert.inverter.hub().clients)
        telegraf, ours = Reading(devices["unit0"], steps.again()), devices["axpert"]
        daemon = collectd(
            module(
                tmp_path / "other",
                device("unit0", inverter.address, BLOCKS),
                device("axpert", axpert.address, VOLTRONIC_BLOCKS, driver="voltronic"),
            )
        )
        devices = through_collectd(daemon)
        found, theirs = Reading(devices["unit0"], steps.again()), devices["axpert"]
    voltronic_is_complete(ours, unit, truth)
    voltronic_is_the_same(ours, theirs)
    assert warnings(daemon) == {"FAILURE": ["axpert: fault 10 (fan locked)"]}
    same_metrics(telegraf, found)
    same_values(telegraf, found)
    for reading in (telegraf, found):
        times_are_those_of_the_unit(reading)
        counts_are_those_of_the_unit(reading)


def same_metrics(telegraf, collectd):
    """All but what the catalogue says that collectd cannot carry; the collector's own too."""
    only = {series for series in telegraf.series if "collectd" not in series.metric.agents}
    assert {series.metric.kind for series in only} == {Kind.TEXT}
    assert telegraf.series - only == collectd.series
    assert len(collectd.series) > 600
    # Neither of the two takes many units.
    many = {f"inverter_collector.{field}" for field in Stats.OF_MANY}
    own = {metric.name for metric in catalog().metrics if metric.own} - many
    assert own <= {series.metric.name for series in collectd.series}
    for reading in (telegraf, collectd):
        assert any(values.keys() - only == collectd.series for values in reading.rounds)


def same_values(telegraf, collectd):
    """Round by round, with the digits that collectd's files have."""
    compared, differing = 0, []
    for number, (ours, theirs) in enumerate(zip(telegraf.rounds, collectd.rounds, strict=False)):
        for series in ours.keys() & theirs.keys() - {DRIFT}:
            if series.metric.name in PACE:
                continue
            compared += 1
            if float(f"{ours[series]:.6f}") != theirs[series]:
                differing.append((number, series.name, ours[series], theirs[series]))
    assert differing == []
    assert compared > 1500


def times_are_those_of_the_unit(reading):
    """A round has the time of its first answer; the clock's drift that of the clock's."""
    asked = defaultdict(list)
    for number, when, _ in reading.asked:
        asked[number].append(when)
    for number, (when, values) in enumerate(zip(reading.times, reading.rounds, strict=True), 1):
        first, last = asked[number][0], asked[number][-1]
        assert first <= when <= first + ROUND_S / 2, number
        if DRIFT in values:
            answered = values[CLOCK] - values[DRIFT]
            assert when - 0.002 <= answered <= last + ROUND_S / 2, number


def counts_are_those_of_the_unit(reading):
    """What the collector says of itself is what the unit has seen of it."""
    for number, values in enumerate(reading.rounds, 1):
        own = {s.metric.field: value for s, value in values.items() if s.metric.own and not s.tags}
        answers = [answered for n, _, answered in reading.asked if n <= number]
        assert own["up"] == 1
        assert own["polls_total"] == number
        assert own["requests_total"] == len(answers)
        # A busy machine gets some answers late: what was asked for again then is answered twice.
        assert own["answers_total"] + values[FOREIGN] == sum(answers)
        assert 0 <= own["requests_total"] - own["answers_total"] <= own["timeouts_total"]
        assert 0 <= own["sample_age_seconds"] <= own["poll_seconds"]
        assert own["received_bytes_total"] > own["sent_bytes_total"] > 9 * own["answers_total"]


# -- a Voltronic unit beside it ----------------------------------------------------------------


def stand_still(unit):
    """Let a unit be the same at all times, so that two readers can be compared."""
    hear = unit.hear
    unit.hear = lambda line, _unix: hear(line, ILL)
    return unit


def voltronic_is_complete(telegraf, unit, truth):
    """Whatever the unit has said is there, of what is wanted."""
    (config,) = Config.parse(
        {"devices": [{"name": "axpert", "driver": "voltronic", "address": "tcp://x:1"}]}
    ).devices
    plan, has = plan_for(driver("voltronic"), config), Equipment(unit).has
    said = {
        series
        for series in plan.wanted
        for query, binding in plan.homes(series)
        if has(query.condition) and truth.says(series, query, binding)
    }
    assert said - telegraf.keys() == set()
    assert len(said) > 100


def voltronic_is_the_same(telegraf, collectd):
    """The same series, each with the one value that it has all the time."""
    only = {series for series in telegraf if "collectd" not in series.metric.agents}
    assert {series.metric.kind for series in only} == {Kind.TEXT}
    assert telegraf.keys() - only == collectd.keys()
    for series in collectd.keys() - {DRIFT}:
        if series.metric.own:
            continue
        ours = {float(f"{value:.6f}") for _, value in telegraf[series]}
        theirs = {value for _, value in collectd[series]}
        assert ours == theirs, series.name
        assert len(ours) == 1, series.name


def warnings(daemon):
    """Severity → what was told of the Voltronic unit."""
    found = defaultdict(list)
    for severity, text in re.findall(
        r"Notification: severity = (\w+), .*message = (axpert: .*)", daemon.log()
    ):
        found[severity].append(text)
    return found
