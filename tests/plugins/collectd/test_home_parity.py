"""Inverters that call a real Telegraf and a real collectd, beside units of the other families.

The same simulated inverters call both, so both are told the same, at the same times: what each of
them writes is held against what was sent, and against what the other one writes.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import defaultdict
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import NamedTuple

import pytest
from line_protocol_parser import parse_line

from rct_collector.drivers.chance import Range
from rct_collector.drivers.solaredge.records import BATTERY, OPTIMIZER_PACKED
from rct_collector.drivers.solaredge.simulator import SCENARIOS, SolarEdgeWitness, UnitFaults
from rct_collector.drivers.solaredge.tools.simulation import SIMULATOR
from rct_collector.simulator.dialler import Dialler
from rct_collector.simulator.hub import Hub
from tests.faulty_solaredge import means
from tests.inverter import running_inverter
from tests.plugins.agent import Agent, series_name
from tests.plugins.collectd.daemon import PLUGIN, ROOT, Daemon, device, module
from tests.processes import free_port, wait_for

pytestmark = [pytest.mark.collectd, pytest.mark.telegraf, pytest.mark.slow]

#: The first inverter has a battery and meters. Each device makes a record every second.
INVERTERS, OPTIMIZERS = 2, 3
SCENARIO = SCENARIOS["battery"].changed(INVERTERS, OPTIMIZERS, 1.0)

#: Nobody has listened for half a minute, in which the sun has risen, and has gone on for an hour.
KEPT_S, MORNING = 30.0, {"sun": 6.35, "speed": 120.0}

#: Seconds that all goes on for when what was kept is told.
LATER_S = 8.0

#: Records of an optimizer after which one is told that was held back.
BEHIND = 3

#: Devices of the other families, and what both of them tell: its name in Telegraf and in collectd.
ASKED, LOAD = ("shed", "barn"), ("inverter_power[].load_watts", "power-load")

CONFIG = """\
state_dir: {folder}/state
devices:
  - {{name: roof, driver: solaredge, address: "listen://127.0.0.1:{port}"}}
  - {{name: shed, driver: rct, address: "{rct}"}}
  - {{name: barn, driver: voltronic, address: "{voltronic}"}}
"""


class Belated(UnitFaults):
    """Some records of the first optimizer are told behind newer ones of it."""

    def __init__(self):
        self._device, self._count, self._held = 0, 0, []

    def on_record(self, record):
        self._device = self._device or record.device * (record.kind == OPTIMIZER_PACKED)
        if record.device != self._device:
            return [record]
        self._count += 1
        if self._count % (2 * BEHIND) == BEHIND:
            self._held.append(record)
            return []
        if self._count % (2 * BEHIND) == 0:
            return [record, self._held.pop()]
        return [record]


class Sample(NamedTuple):
    """Where a value belongs: unit, name of its series, and Unix seconds."""

    unit: str
    series: str
    time: float


class Agents(NamedTuple):
    """What was told to both agents, Telegraf first, and what they have made of it.

    Attributes:
        sent: Sample → value, of all that was told.
        due: The same of what was acknowledged.
        written: Sample → values that the agent wrote.
        others: Devices that take no calls → names of what the agent wrote of them.
        daemon: The collectd, which has ended.
        complaints: Warnings and errors of both.
    """

    sent: list[dict[Sample, float]]
    due: list[dict[Sample, float]]
    written: list[dict[Sample, list[float]]]
    others: list[dict[str, set[str]]]
    daemon: Daemon
    complaints: list[str]


# -- what is told ------------------------------------------------------------------------------


@contextmanager
def calling(ports):
    """The same inverters call each of several ports; gives who is told what they say."""
    witnesses = [SolarEdgeWitness() for _ in ports]
    start, now0 = time.time() - KEPT_S, time.monotonic() - KEPT_S
    ready, found = threading.Event(), {}

    def unit(line, witness):
        return SIMULATOR.unit(
            SCENARIO, start=start, now0=now0, seed=3, zone=None, faults=[Belated()], line=line,
            latency=Range(0.005, 0.02), witness=witness, **MORNING,
        )  # fmt: skip

    async def call():
        found.update(loop=asyncio.get_running_loop(), stop=asyncio.Event())
        async with AsyncExitStack() as stack:
            for port, witness in zip(ports, witnesses, strict=True):
                for line in range(INVERTERS):
                    dialler = Dialler(Hub(unit(line, witness)), "127.0.0.1", port)
                    await stack.enter_async_context(dialler)
            ready.set()
            await found["stop"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(call()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield witnesses
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join(30)


def caught_up(witness, since):
    """Whether all has been acknowledged up to a time, of each inverter."""
    newer = (told for told in list(witness.told) if told.record.time > since)
    return len({told.unit for told in newer if told.acknowledged is not None}) == INVERTERS


def samples(witness, places, *, acknowledged):
    """What records mean that were told, or acknowledged; what collectd calls it goes to places."""
    found = {}
    for told in witness.told:
        if (told.acknowledged is None) if acknowledged else not told.whole:
            continue
        for record in means(told):
            if acknowledged and record.key == (BATTERY, "all"):
                continue  # a sum is told when it is known which batteries there are
            for series, value in record.values:
                metric = series.metric
                if metric.default:
                    name = series_name(metric.measurement, dict(series.tags), metric.field)
                    places[name] = "-".join(series.collectd)
                    found[Sample(record.unit, name, record.time_ns / 1e9)] = value
    return found


# -- what is written ---------------------------------------------------------------------------


def of_telegraf(path):
    """Values of the inverters that call, and names of what there is of other devices."""
    found, others = defaultdict(list), defaultdict(set)
    for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
        parsed = parse_line(line) if line.endswith("\n") else {"tags": {}, "fields": {}}
        tags, fields = parsed["tags"], parsed["fields"]
        unit = tags.pop("unit", "")
        for field, value in fields.items():
            name = series_name(parsed["measurement"], tags, field)
            if not unit:
                others[tags["source"]].add(name)
            elif "collector" not in name:
                found[Sample(unit, name, parsed["time"] / 1e9)].append(value)
    return found, others


def of_collectd(daemon, places):
    """The same, from the files of the csv plugin."""
    found, others = defaultdict(list), defaultdict(set)
    series = {place: name for name, place in places.items()}
    for path in daemon.names():
        whose, _, place = path.removeprefix("inverter-").partition("/")
        source, _, unit = whose.partition("-")
        if not unit:
            others[source].add(place)
        elif "collector" not in place:
            for when, value in daemon.rows(path):
                found[Sample(unit, series[place], when)].append(value)
    return found, others


def missing(due, written):
    """Samples that were acknowledged and not written, and whether a newer one was: of each."""
    newest = defaultdict(float)
    for unit, series, when in written:
        newest[unit, series] = max(when, newest[unit, series])
    return {s: newest[s.unit, s.series] > s.time for s in due.keys() - written.keys()}


@pytest.fixture(scope="module")
def agents(packages, telegraf, tmp_path_factory):
    """A morning of all three families, through both agents at once."""
    folder = tmp_path_factory.mktemp("agents")
    config, output, ports = folder / "config.yaml", folder / "lines", (free_port(), free_port())
    with ExitStack() as stack:
        rct = [stack.enter_context(running_inverter(seed=1)) for _ in ports]
        voltronic = [
            stack.enter_context(running_inverter("", driver="voltronic", rate=1e6)) for _ in ports
        ]
        config.write_text(
            CONFIG.format(
                folder=folder, port=ports[0], rct=rct[0].address, voltronic=voltronic[0].address
            )
        )
        to_file = f'[[outputs.file]]\n  files = ["{output}"]\n  data_format = "influx"\n'
        agent = Agent(telegraf, folder, config, to_file)
        block = module(
            folder / "collectd",
            device("roof", f"listen://127.0.0.1:{ports[1]}", "", driver="solaredge"),
            device("shed", rct[1].address),
            device("barn", voltronic[1].address, "", driver="voltronic"),
        )
        # One thread, or those of the csv plugin get in each other's way at the first two values.
        daemon = Daemon(folder, (packages, ROOT, PLUGIN), [block], "WriteThreads 1\n")
        stack.callback(daemon.kill)
        daemon.start()
        stack.enter_context(agent.running())
        return gathered(agent, daemon, output, ports)


def gathered(agent, daemon, output, ports):
    """Let inverters call two agents at work, until all is there that is to be there."""
    begin, places = time.time(), {}
    with calling(ports) as witnesses:
        assert wait_for(lambda: all(caught_up(w, begin + LATER_S) for w in witnesses), 180)
    sent, due = (
        [samples(witness, places, acknowledged=only) for witness in witnesses]
        for only in (False, True)
    )

    def arrived():
        (ours, beside), (theirs, besides) = of_telegraf(output), of_collectd(daemon, places)
        return (
            due[0].keys() <= ours.keys()
            and all(LOAD[0] in beside[name] and LOAD[1] in besides[name] for name in ASKED)
            and all(missing(due[1], theirs).values())
        )

    wait_for(arrived, 90)
    daemon.stop()
    (ours, beside), (theirs, besides) = of_telegraf(output), of_collectd(daemon, places)
    complaints = agent.messages() + daemon.errors()
    return Agents(sent, due, [ours, theirs], [beside, besides], daemon, complaints)


# -- what is to be -----------------------------------------------------------------------------


def as_collectd_writes(value):
    """A number with the digits that its files have."""
    return float(f"{value:.6f}")


def test_telegraf_has_each_record_once_with_its_values_and_time(agents):
    sent, due, written = agents.sent[0], agents.due[0], agents.written[0]
    assert due.keys() <= written.keys() <= sent.keys()
    assert {sample: [sent[sample]] for sample in written} == written


def test_collectd_has_the_same_but_for_what_came_behind_newer_values(agents):
    sent, due, written = agents.sent[1], agents.due[1], agents.written[1]
    assert written.keys() <= sent.keys()
    assert {sample: [as_collectd_writes(sent[sample])] for sample in written} == written
    late = missing(due, written)
    assert late
    assert all(late.values()), "each was overtaken by a newer one"
    assert all("optimizer" in sample.series for sample in late)
    assert agents.daemon.log().count("roof: values came late, and collectd takes none") == 1


def test_both_agents_have_the_same_values_at_the_same_times(agents):
    ours, theirs = agents.written
    both = ours.keys() & theirs.keys()
    assert len(both) > 0.8 * max(len(ours), len(theirs))
    assert {s.series for s in ours} == {s.series for s in theirs}
    assert {s: [as_collectd_writes(v) for v in ours[s]] for s in both} == {
        s: theirs[s] for s in both
    }


def test_late_records_are_in_telegraf_under_their_own_time(agents):
    late = missing(agents.due[1], agents.written[1]).keys() & agents.due[0].keys()
    assert late
    assert late <= agents.written[0].keys()


def test_all_parts_of_an_inverter_are_under_its_name(agents):
    units = {sample.unit for sample in agents.due[1]}
    assert len(units) == INVERTERS
    folders = {name.split("/")[0] for name in agents.daemon.names() if "roof-" in name}
    assert folders == {f"inverter-roof-{unit}" for unit in units}
    for unit in units:
        series = {sample.series for sample in agents.written[1] if sample.unit == unit}
        panels = {name.partition("]")[0] for name in series if "inverter_optimizer[" in name}
        assert len(panels) == OPTIMIZERS
        assert "inverter_power[].output_watts" in series
    parts = {name.partition("[")[0] for name in {s.series for s in agents.written[1]}}
    assert {"inverter_battery", "inverter_meter", "inverter_optimizer", "inverter_event"} <= parts
    with_battery = {s.unit for s in agents.written[1] if s.series.startswith("inverter_battery[")}
    assert len(with_battery) == 1, "nobody takes the battery of another one"


def test_events_are_notifications_of_their_inverter(agents):
    pattern = (
        r"Notification: severity = (\w+), .*plugin_instance = ([\w-]+), .*message = (.*?event .*)"
    )
    found = re.findall(pattern, agents.daemon.log())
    units = {sample.unit for sample in agents.due[1]}
    assert sorted((severity, where) for severity, where, _ in found) == sorted(
        ("OKAY", f"roof-{unit}") for unit in units
    )
    for _, where, text in found:
        assert text.startswith(f"{where.replace('-', ' ')}: event 0 (")


def test_other_families_are_read_beside_them(agents):
    for others, load in zip(agents.others, LOAD, strict=True):
        for name in ASKED:
            assert load in others[name]
            assert not any("optimizer" in series for series in others[name])
    assert agents.complaints == []
