"""What a unit remembers of the past, through the real collectd into CSV, RRD and Graphite."""

from __future__ import annotations

import json
import re
import time

import pytest

from rct_collector.model import collectd_id
from tests.plugins.collectd.daemon import PLUGIN, ROOT, Daemon, device, module
from tests.plugins.collectd.feeding import TEXT, past
from tests.plugins.collectd.test_notifications import notifications
from tests.plugins.collectd.test_pipelines import documented, rrdtool
from tests.plugins.past import DAY, FIVE_MINUTES, SECOND
from tests.processes import nobody, wait_for

pytestmark = [pytest.mark.collectd, pytest.mark.servers, pytest.mark.slow]

#: Servers are shared with other tests, so the device has a name that no other has.
DEVICE = "annals"
PLACE = f"inverter_history-{DEVICE}"

FEED = """
<Plugin python>
  Import "tests.plugins.collectd.feeding"
  <Module "tests.plugins.collectd.feeding">
    Feed "{device}" "{begin}"
  </Module>
</Plugin>
WriteThreads 1
"""


class Run:
    """One collectd that was fed, after it has stopped.

    Attributes:
        folder: Where it wrote.
        expected: Series → Unix seconds and value of all that it got.
        rows: The same of all that the csv plugin wrote.
        notifications: See there.
        errors: From its log.
    """


@pytest.fixture(scope="module")
def run(packages, carbon, tmp_path_factory):
    folder = tmp_path_factory.mktemp("past")
    found = Run()
    found.folder = folder
    begin = (int(time.time()) - DAY) // FIVE_MINUTES * FIVE_MINUTES
    found.expected = {}
    for batch in past(DEVICE, begin):
        for series, value in batch.values:
            if not isinstance(value, str):
                name = f"{PLACE}/{'-'.join(collectd_id(series.metric, series.tags))}"
                found.expected.setdefault(name, []).append((batch.time_ns // SECOND, value))
    writers = documented()
    extra = FEED.format(device=DEVICE, begin=begin)
    for writer, shown, here in (
        ("rrdtool", "/var/lib/collectd/rrd", f"{folder}/rrd"),
        ("write_graphite", "2003", str(carbon.port)),
    ):
        assert writers[writer].count(shown) == 1
        extra += writers[writer].replace(shown, here)
    lines = module(folder, device(DEVICE, nobody()))
    daemon = Daemon(folder, (packages, ROOT, PLUGIN), [lines], extra).start()
    try:
        total = sum(map(len, found.expected.values()))
        assert wait_for(lambda: sum(map(len, rows(daemon).values())) >= total), daemon.log()
        assert wait_for(lambda: notifications(daemon)), daemon.log()
        daemon.stop()
    finally:
        daemon.kill()
    found.rows = rows(daemon)
    found.notifications, found.errors = notifications(daemon), daemon.errors()
    found.log = daemon.log()
    return found


def rows(daemon):
    return {name: daemon.rows(name) for name in daemon.names() if name.startswith(PLACE)}


def test_csv_has_a_day_with_its_times(run):
    assert run.errors == []
    assert len(run.expected[f"{PLACE}/power-5m_load"]) == DAY // FIVE_MINUTES
    assert {n: [(round(t), v) for t, v in points] for n, points in run.rows.items()} == {
        **run.expected,
        f"{PLACE}/bool-event_115_occurred": [(run_end(run), 1.0)],
    }


def run_end(run):
    """When the event of now was."""
    return run.expected[f"{PLACE}/power-5m_load"][0][0] + DAY


def test_rrd_has_a_day_at_the_step_of_its_memory(run):
    names = [name for name in run.expected if "-5m_" in name]
    files = [run.folder / f"rrd/solar1/{name}.rrd" for name in names]
    first, last = (run.expected[names[0]][n][0] for n in (0, -1))
    kept = rrdtool(
        ["fetch", path, "AVERAGE", "-r", FIVE_MINUTES, "-s", first, "-e", last] for path in files
    )
    for name, lines in zip(names, kept, strict=True):
        found = [tuple(map(float, line.split(": "))) for line in lines]
        # Of the first value it is not known how long it was.
        expected = run.expected[name][1:]
        assert [value for value in found if value[0] <= last and value[1] == value[1]] == [
            (when, pytest.approx(value)) for when, value in expected
        ], name


def test_graphite_has_a_day_in_the_archive_of_five_minutes(run, carbon):
    wanted = {
        (f"solar1.{name.replace('/', '.')}", when // step * step): value
        for name, points in run.expected.items()
        for step in (3600 if "_wh-day" in name else FIVE_MINUTES,)
        for when, value in points
    }

    def stored():
        found = carbon.everything(f"solar1/{PLACE}")
        return {key: value for key, value in found.items() if "event_115" not in key[0]}

    wait_for(lambda: len(stored()) == len(wanted), 20)
    assert stored() == pytest.approx(wanted)


def test_an_event_of_now_is_a_notification_and_one_of_the_past_is_none(run):
    assert run.notifications == [("OKAY", "event_115_occurred", f"{DEVICE}: {TEXT}")]
    (line,) = re.findall(r"Notification: .*event_115.*", run.log)
    assert f"plugin_instance = {DEVICE}" in line
    (meta,) = re.findall(r"meta event_115_occurred: (.*)", run.log)
    changed = {"object": "p_buf", "old": "1", "new": "2"}
    assert json.loads(meta) == {"code": "115", "occurred": 1, "text": TEXT, **changed}
