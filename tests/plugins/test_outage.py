"""After an outage: from the memory of a unit, through Telegraf, to what dashboards draw.

That nobody has looked for hours is what a first start finds. On the way the shim is killed, as by
a loss of power, and Telegraf starts it again.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.clock import wall_clock
from rct_collector.drivers.rct.table import OBJECTS
from tests.inverter import running_inverter
from tests.plugins.agent import Agent
from tests.plugins.past import FIVE_MINUTES, SECOND
from tests.plugins.pipelines import complaints, to_graphite, to_influxdb, written_to
from tests.plugins.test_telegraf import children
from tests.processes import wait_for
from tests.servers.prometheus import Prometheus

pytestmark = [pytest.mark.telegraf, pytest.mark.servers, pytest.mark.slow]

#: Database, and prefix in Graphite, apart from those of other tests.
PLACE = "outage"

#: How long nobody has looked, in hours: so many values do not come in one piece.
HOURS = 30

#: Field of ``inverter_history`` → object, and factor from the wire.
SIGNALS = {
    "load_watts": ("logger.minutes_eload_log_ts", 1),
    "soc_percent": ("logger.minutes_soc_log_ts", 100),
}

OPTIONS = f"""
    intervals: {{fast: 3s, medium: 1m, slow: 5m}}
    history: {{since: {HOURS}h, signals: [load_watts, soc_percent]}}
    requests: {{per_second: 50, gap: 5ms}}
"""


class Outage:
    """What came of it.

    Attributes:
        slots: Begins of the five minutes in which nobody had looked, Unix seconds.
        remembered: Field → Unix seconds → value, by the unit.
        before: Values that were in InfluxDB when the shim was killed.
        log: Telegraf's warnings and errors.
        influxdb, prometheus, graphite: Servers.
    """


@pytest.fixture(scope="module")
def outage(telegraf, influxdb, carbon, graphite_web, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outage")
    influxdb.create(PLACE)
    found = Outage()
    found.influxdb, found.graphite = influxdb, graphite_web
    with Prometheus(folder / "prometheus", window="90d") as found.prometheus:
        outputs = (
            to_influxdb(influxdb, PLACE),
            to_graphite(carbon, PLACE),
            written_to(found.prometheus),
        )
        with running_inverter() as unit:
            config = folder / "config.yaml"
            config.write_text(
                f"state_dir: {folder}/state\ndevices:\n"
                f"  - name: roof\n    driver: rct\n    address: {unit.address}\n{OPTIONS}"
            )
            # What is younger than ten minutes when it begins, the unit may not have written down.
            newest = (int(time.time()) - 600) // FIVE_MINUTES * FIVE_MINUTES - FIVE_MINUTES
            oldest = newest - (HOURS - 1) * 3600
            found.slots = list(range(oldest, newest + 1, FIVE_MINUTES))
            agent = Agent(telegraf, folder, config, "".join(outputs))
            with agent.running() as process:
                assert wait_for(lambda: count(influxdb), 60), agent.log.read_text()
                (shim,) = children(process.pid)
                os.kill(shim, signal.SIGKILL)
                found.before = count(influxdb)
                assert wait_for(
                    lambda: count(influxdb, found.slots) >= len(SIGNALS) * len(found.slots), 120
                ), agent.log.read_text()
            found.log = complaints(agent)
            found.remembered = {
                field: memory(unit.inverter.unit, name, factor, oldest)
                for field, (name, factor) in SIGNALS.items()
            }
        yield found


def count(influxdb, slots=()):
    """Values of the past that are there, in all or in some of its times."""
    when = f" WHERE time >= {slots[0]}s AND time <= {slots[-1]}s" if slots else ""
    statement = f"SELECT count(*) FROM inverter_history{when}"  # noqa: S608 - our own words
    rows = influxdb.query(PLACE, statement)
    return sum(row[f"count_{field}"] or 0 for row in rows for field in SIGNALS)


def memory(unit, name, factor, oldest):
    """Unix seconds → value, as the unit's logger has it."""
    (item,) = (item for item in OBJECTS if item.name == name)
    found, before = {}, wall_clock(time.time(), None)
    while True:
        _, records = wire.decode(item.type, unit.history(item.oid, before, time.time()))
        for wall, value in records:
            found[round(wire.utc_seconds(wall, None))] = value * factor
        before = min(wall for wall, _ in records)
        if min(found) <= oldest:
            return found


def test_influxdb_has_no_hole(outage):
    first, last = outage.slots[0], outage.slots[-1]
    for field, remembered in outage.remembered.items():
        rows = outage.influxdb.query(
            PLACE,
            f"SELECT mean({field}) AS value FROM inverter_history"  # noqa: S608 - our own words
            f" WHERE time >= {first}s AND time <= {last}s GROUP BY time(5m) fill(null)",
        )
        assert {row["time"] // SECOND: row["value"] for row in rows} == {
            slot: pytest.approx(remembered[slot]) for slot in outage.slots
        }


def test_prometheus_has_no_hole(outage):
    first, last = outage.slots[0], outage.slots[-1]
    for field, remembered in outage.remembered.items():
        ((_, points),) = outage.prometheus.query_range(
            f"last_over_time(inverter_history_{field}[{FIVE_MINUTES - 1}s])",
            first, last, FIVE_MINUTES, times=True,
        )  # fmt: skip
        assert {round(when): value for when, value in points} == {
            slot: pytest.approx(remembered[slot]) for slot in outage.slots
        }


def test_graphite_has_no_hole(outage):
    for field, remembered in outage.remembered.items():
        name = f"{PLACE}.roof.inverter_history.5m.{field}"

        def points(name=name):
            found = outage.graphite.points(name, f"-{HOURS + 1}h")
            return {when: value for when, value in found.get(name, ()) if when in outage.slots}

        wait_for(lambda points=points: len(points()) == len(outage.slots), 20)
        assert points() == {slot: pytest.approx(remembered[slot]) for slot in outage.slots}


def test_it_went_on_where_it_was_killed(outage):
    """Some was there, not all; and nobody complains of anything else."""
    assert 0 < outage.before < len(SIGNALS) * len(outage.slots)
    (line,) = outage.log
    assert line.endswith("exited: signal: killed")
