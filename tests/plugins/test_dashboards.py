"""Every query of every dashboard, against real data that Telegraf has written."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.catalog import catalog
from rct_collector.device.polling.plan import Choice, Plan
from rct_collector.drivers import driver, families
from rct_collector.drivers.rct.simulator.incidents import Incidents
from rct_collector.drivers.rct.simulator.scenario import SCENARIOS
from rct_collector.drivers.solaredge.simulator import SCENARIOS as SOLAREDGE
from rct_collector.drivers.solaredge.simulator import SolarEdgeWorld
from tests.inverter import running_inverter
from tests.plugins import grafana
from tests.plugins.agent import Agent
from tests.plugins.past import DAY, FIVE_MINUTES, event, five_minutes, following, periods
from tests.processes import free_port, wait_for
from tests.servers.prometheus import Prometheus
from tools.dashboards.model import How, Show
from tools.dashboards.panels import REMEMBERED, ROWS
from tools.dashboards.queries import LANGUAGES

pytestmark = [
    pytest.mark.telegraf,
    pytest.mark.servers,
    pytest.mark.slow,
]

FOLDER = Path(__file__).parents[2] / "docs/dashboards"
SOURCES = tuple(language.name for language in LANGUAGES)
PANELS = {panel.title: panel for row in ROWS for panel in row.panels}
FLOWS = tuple(key for key, *_ in REMEMBERED)

#: Database, and prefix in Graphite, apart from those of other tests.
PLACE = "dashboards"

#: What the page tells to add to a device, at the pace of a test.
PACE = """
    intervals: {fast: 5s, medium: 10s, slow: 10s, static: 30s}
    history: {backfill: off, events: false}
    requests: {per_second: 50, gap: 5ms}
"""

#: Brings what the first unit remembers.
PAST = """
[[inputs.execd]]
  alias = "past"
  command = {command}
  data_format = "influx"
"""

#: Inverters that call, and optimizers at each.
PLANT = {"inverters": 2, "optimizers": 3}

#: Whose values go on while the world of the simulated unit stands still.
MOVING = ("inverter_clock", "inverter_collector", "inverter_collector_errors")


def faulty_moment(seed):
    """A moment at which the simulated unit has a fault; where the sun stands is set apart."""
    incidents = Incidents(SCENARIOS["everything"], seed)
    return next(t for t in range(1782036000, 1782936000, 60) if incidents.at(t))


def wanted():
    """Names of all series that the dashboards show of a unit of RCT."""
    others = {series for family in families() for series in family.homes}
    others -= Plan(driver("rct"), Choice(frozenset(), ("*",), ())).wanted
    return {
        series.name
        for panel in PANELS.values()
        for show in panel.shows
        for series in catalog().matching(
            show.name, **{tag: v for tag, v in show.where.items() if not v.startswith("$")}
        )
        if series not in others
    }


def examples(language):
    """The examples of the page in one language, one after the other."""
    text = FOLDER.with_suffix(".md").read_text()
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S))


class Written:
    """What Telegraf writes of one device, from a file that it writes beside the rest.

    Attributes:
        values: Series → newest value, as of the last look.
    """

    def __init__(self, path, source):
        path.touch()
        self.values = {}
        self._file = path.open()
        self._rest = ""
        self._source = source

    def look(self):
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        for metric in map(json.loads, lines):
            tags = {key: value for key, value in metric["tags"].items() if key != "vendor"}
            if tags.pop("source") == self._source:
                for field, value in metric["fields"].items():
                    self.values[catalog().series(f"{metric['name']}.{field}", **tags)] = value

    def missing(self):
        self.look()
        return wanted() - {series.name for series in self.values}

    def rounds(self):
        self.look()
        return self.values[catalog().series("inverter_collector.polls_total")]

    def close(self):
        self._file.close()


#: The text of an event of the first unit.
HAPPENED = "internal error of the battery: code 3"


def remembered(path):
    """Put into a file what the first unit remembers; when its event was.

    The world of the unit stands still, so this is not from its own memory.
    """
    now = int(time.time()) // FIVE_MINUTES * FIVE_MINUTES
    # A time zone in which it is midnight an hour earlier.
    midnight = now // DAY * DAY - 3600
    of_five_minutes = tuple(
        show.metric.field
        for panel in PANELS.values()
        for show in panel.shows
        if show.where.get("resolution") == "5m"
    )
    batches = [
        *periods("day", [midnight - days * DAY for days in (3, 2, 1)], "roof", FLOWS),
        *periods("month", [midnight - days * DAY for days in (62, 31)], "roof", FLOWS),
        *periods("year", [midnight - 80 * DAY], "roof", FLOWS),
        *five_minutes(now - 3000, 10, "roof", of_five_minutes),
        event(now - 1234, 114, "roof", text=HAPPENED, value=3.0),
    ]
    lines = LineProtocol()
    path.write_bytes(b"".join(line for batch in batches for line in lines.lines(batch)))
    return now - 1234


def outputs(influxdb, carbon, prometheus, port, path):
    """The examples of the page, led to servers of the test, and a file beside them."""
    text = examples("toml")
    for example, real in (
        ("http://127.0.0.1:8086", influxdb.url),
        ('database = "solar"', f'database = "{PLACE}"'),
        ('prefix = "solar"', f'prefix = "{PLACE}"'),
        (":9273", f"127.0.0.1:{port}"),
        ("http://127.0.0.1:9090", prometheus.url),
        ("localhost:2003", f"127.0.0.1:{carbon.port}"),
    ):
        assert text.count(example) == 1
        text = text.replace(example, real)
    text += PAST.format(command=json.dumps(following(path.with_name("past"))))
    return text + f'[[outputs.file]]\n  files = ["{path}"]\n  data_format = "json"\n'


@contextmanager
def calling(port):
    """Inverters with optimizers that call a port; gives how the dashboards name the optimizers."""
    chosen = SOLAREDGE["roofs"].changed(**PLANT)
    world = SolarEdgeWorld(chosen, start=0.0)
    command = [sys.executable, "-m", "rct_collector", "simulate", "solaredge", "--sun", "12"]
    command += ["--to", f"tcp://127.0.0.1:{port}"]
    command += [word for name, n in PLANT.items() for word in (f"--{name}", str(n))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield {
                f"{world.inverter(unit):08X} {world.optimizer(unit, number):08X}"
                for unit in range(chosen.inverters)
                for number in range(chosen.optimizers)
            }
        finally:
            process.kill()


def configuration(folder, port, **units):
    """The collector's file for some devices, and for inverters that call a port."""
    path = folder / "config.yaml"
    devices = "".join(
        f"  - name: {name}\n    driver: rct\n    address: {unit.address}\n{examples('yaml')}{PACE}"
        for name, unit in units.items()
    )
    devices += f"  - name: wing\n    driver: solaredge\n    address: listen://127.0.0.1:{port}\n"
    path.write_text(f"state_dir: {folder}/state\ndevices:\n{devices}")
    return path


@pytest.fixture(scope="module")
def recorded(telegraf, influxdb, carbon, graphite_web, tmp_path_factory):
    """Two units, and a while of Telegraf; what it wrote of the first, and whom to ask."""
    folder = tmp_path_factory.mktemp("dashboards")
    path = folder / "written.json"
    influxdb.create(PLACE)
    port = free_port()
    # The first unit's world stands still, so that each value stays what it is.
    still = {"start": faulty_moment(seed=1), "speed": 0.0, "rate": 1e6}
    with (
        running_inverter("everything", seed=1, **still) as roof,
        running_inverter("inverter-only", seed=2) as shed,
        Prometheus(folder / "prometheus", port, window="90d") as prometheus,
        closing(Written(path, "roof")) as written,
    ):
        sources = {
            "influxdb": grafana.Influx(influxdb, PLACE),
            "prometheus": grafana.Prom(prometheus),
            "graphite": grafana.Graphite(graphite_web),
        }
        called = free_port()
        config = configuration(folder, called, roof=roof, shed=shed)
        lines = outputs(influxdb, carbon, prometheus, port, path)
        agent = Agent(telegraf, folder, config, lines)
        path.with_name("past").touch()
        with agent.running(), calling(called) as optimizers:
            # Prometheus has been at work for a while, as everywhere.
            assert wait_for(lambda: prometheus.query("inverter_collector_up"))
            happened = remembered(path.with_name("past"))
            wait_for(lambda: not written.missing(), 120)
            assert written.missing() == set(), agent.log.read_text()
            # What comes after two more rounds comes after all that is asked for.
            since = written.rounds() + 2
            assert wait_for(lambda: all(rounds(*each) > since for each in sources.items()), 120)
            assert [line for line in agent.messages() if " E! " in line] == []
            yield dict(written.values), sources, optimizers, happened


def rounds(name, source):
    """How many rounds have arrived at a data source."""
    (language,) = [language for language in LANGUAGES if language.name == name]
    target = language.query(Show("inverter_collector.polls_total", "rounds"), "5m")
    found = source.ask({"timeFrom": "5m"}, target, {"prefix": PLACE, "source": "roof"})
    return found[0][1][-1] if found and found[0][1] else 0


def dashboard(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def panels(found):
    """All panels that show something, those of closed rows too."""
    for panel in found["panels"]:
        if panel["type"] == "row":
            yield from panels(panel)
        else:
            yield panel


def choices(name, source):
    """Template variable → choices, as Grafana finds them one after the other."""
    chosen, found = {}, {}
    for variable in dashboard(name)["templating"]["list"]:
        if variable["type"] == "textbox":
            chosen[variable["name"]] = PLACE
        elif variable["type"] == "query":
            values = sorted(source.choices(variable["query"], chosen))
            found[variable["name"]] = values
            chosen[variable["name"]] = values if variable["multi"] else values[0]
    return chosen, found


@pytest.mark.parametrize("name", SOURCES)
def test_the_variables_offer_what_there_is(recorded, name):
    _, sources, *_ = recorded
    chosen, found = choices(name, sources[name])

    assert found == {
        "source": ["roof", "shed", "wing"],
        "battery": ["0", "1"],
        "module": [str(number) for number in range(7)],
    }
    assert chosen["source"] == "roof"


def shown(show, written, chosen):
    """Name → value of all that one query is to bring."""
    where = {tag: chosen.get(value[1:], value) for tag, value in show.where.items()}
    found = {}
    for series, value in written.items():
        tags = dict(series.tags)
        fits = all(tags.get(tag) == wanted for tag, wanted in where.items())
        if series.metric.name == show.name and fits and not (show.how is How.RAISED and not value):
            name = show.label.format(**tags)
            assert name not in found, f"{show}: the label does not tell the series apart"
            found[name] = value
    if show.less:
        name = show.name
        (whole,) = found.values()
        part = written[catalog().series(name, **show.less)]
        found = {show.label: 100 * (1 - part / whole)}
    return found


def check(show, series, expected):
    """Compare what a query brought with what was written."""
    names = [name for name, _ in series]
    assert sorted(names) == sorted(expected)
    for name, values in series:
        assert values, f"{name} has no values"
        assert all(math.isfinite(value) for value in values)
        if show.how is How.PER_MINUTE:
            assert all(value >= 0 for value in values)
        elif show.metric.measurement not in MOVING:
            assert values[-1] == pytest.approx(expected[name], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("title", PANELS)
@pytest.mark.parametrize("name", SOURCES)
def test_every_query_brings_what_was_written(recorded, name, title):
    written, sources, *_ = recorded
    chosen, _ = choices(name, sources[name])
    chosen["module"] = "3"  # Grafana repeats the row for each of them
    (panel,) = [panel for panel in panels(dashboard(name)) if panel["title"] == title]
    table = PANELS[title]

    assert len(panel["targets"]) == len(table.shows)
    for show, target in zip(table.shows, panel["targets"], strict=True):
        check(show, sources[name].ask(panel, target, chosen), shown(show, written, chosen))


@pytest.mark.parametrize("name", SOURCES)
def test_rates_are_those_of_the_collector(recorded, name):
    """Requests and answers go on all the time, so their rates are above zero."""
    _, sources, *_ = recorded
    chosen, _ = choices(name, sources[name])
    (panel,) = [p for p in panels(dashboard(name)) if p["title"] == "Requests and answers"]

    for target in panel["targets"]:
        ((label, values),) = sources[name].ask(panel, target, chosen)
        assert max(values) > 0, label


@pytest.mark.parametrize("name", SOURCES)
def test_several_modules_at_once(recorded, name):
    """As when the row of the cells is not repeated but all modules are chosen."""
    _, sources, *_ = recorded
    chosen, found = choices(name, sources[name])
    assert chosen["module"] == found["module"]
    (panel,) = [p for p in panels(dashboard(name)) if p["title"] == "Cell voltages"]
    (target,) = panel["targets"]

    assert {label for label, _ in sources[name].ask(panel, target, chosen)} == {
        f"cell {number}" for number in range(24)
    }


@pytest.mark.parametrize("name", SOURCES)
def test_a_device_without_battery_has_empty_panels_and_no_errors(recorded, name):
    _, sources, *_ = recorded
    chosen = {"prefix": PLACE, "source": "shed", "battery": "", "module": []}
    names = {
        panel["title"]: [sources[name].ask(panel, target, chosen) for target in panel["targets"]]
        for panel in panels(dashboard(name))
    }

    assert len(names["String power"][0]) == 1
    assert names["Battery voltage"] == [[], [], []]
    assert names["Cell voltages"] == [[]]


@pytest.mark.parametrize("name", SOURCES)
def test_each_optimizer_of_each_inverter_has_a_line_of_the_heat_map(recorded, name):
    _, sources, optimizers, _ = recorded
    chosen = {"prefix": PLACE, "source": "wing", "battery": "", "module": []}
    (panel,) = [p for p in panels(dashboard(name)) if p["title"] == "Power of each panel"]
    (target,) = panel["targets"]

    def lines():
        return dict(sources[name].ask(panel, target, chosen))

    assert wait_for(lambda: lines().keys() == optimizers, 60), lines()
    assert all(0 < value < 400 for values in lines().values() for value in values)


@pytest.mark.parametrize("name", SOURCES)
def test_an_event_is_marked_when_it_was(recorded, name):
    """In Graphite it is named, in the five minutes that it began in."""
    _, sources, _, happened = recorded
    chosen, _ = choices(name, sources[name])
    (annotation,) = dashboard(name)["annotations"]["list"]

    ((when, text),) = sources[name].annotations(annotation, chosen, 3600)
    begin, end = {"influxdb": (0, 0), "prometheus": (0, 60), "graphite": (-FIVE_MINUTES, 0)}[name]
    assert happened + begin <= when <= happened + end
    assert text == ("114: internal error of the battery" if name == "graphite" else HAPPENED)


def test_a_fault_is_named(recorded):
    """The fault that the unit has is told in words, as a word and by itself."""
    written, *_ = recorded
    (number,) = [
        int(dict(series.tags)["fault"])
        for series, value in written.items()
        if series.metric.name == "inverter_fault.active" and value
    ]
    word = written[catalog().series(f"inverter_status.fault_word_{number // 32}")]
    found = {panel["title"]: panel for panel in panels(dashboard("influxdb"))}

    assert mapped(found["Faults"], number // 32, word).startswith(f"{number}: ")
    names = {
        override["matcher"]["options"]: override["properties"][0]["value"]
        for override in found["Faults one by one"]["fieldConfig"]["overrides"]
        if override["matcher"]["id"] == "byName"
    }
    assert names[str(number)] == mapped(found["Faults"], number // 32, word)


def mapped(panel, query, value):
    """What a panel says in place of a value of one of its queries."""
    config = panel["fieldConfig"]
    found = config["defaults"]["mappings"]
    for override in config["overrides"]:
        if override["matcher"] == {"id": "byFrameRefID", "options": chr(ord("A") + query)}:
            for option in override["properties"]:
                if option["id"] == "mappings":
                    found = option["value"]
    return found[0]["options"][str(value)]["text"]
