"""Discovery for Home Assistant: what it is told, and when."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from line_protocol_parser import parse_line

from rct_collector.adapter.home_assistant.discovery import HomeAssistant, key_of
from rct_collector.adapter.home_assistant.entities import entity, is_entity, name
from rct_collector.adapter.home_assistant.settables import (
    BRIDGE,
    ROOT,
    command_topic,
    state_topic,
)
from rct_collector.adapter.home_assistant.topics import CollectdTopics, TelegrafTopics
from rct_collector.bridge.commands import Message, TopicNames, command_of, typed
from rct_collector.bridge.mirror import text_of
from rct_collector.catalog import catalog
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.drivers import series as every_series
from rct_collector.model import Batch, Health, Kind, Origin, PollClass
from rct_collector.simulator import SimulatedInverter
from tests import home_assistant, virtual
from tests.memory import MemoryPlug
from tests.virtual import START, VirtualClock

START_NS = 1_782_036_003_500_000_000
S = 10**9

GRID = catalog().series("inverter_grid.voltage_volts", phase="l1")
STATE = catalog().series("inverter_status.state_code")
UP = catalog().series("inverter_collector.up")
SERIAL = catalog().series("inverter.serial")
MODEL = catalog().series("inverter.model")
FIRMWARE = catalog().series("inverter.firmware")


class Known:
    """A device of which no more is known than its family."""

    settings = None

    def __init__(self, family="rct"):
        self.driver = driver(family)
        self.asked = 0

    def every(self, series):
        self.asked += 1
        return {PollClass.FAST: 10.0, PollClass.MEDIUM: 60.0}.get(series.metric.poll, 300.0)


class Told:
    """A discovery, and what it has told."""

    def __init__(self, topics=None, known=None, prefix="inverter"):
        known = known or Known()
        self.discovery = HomeAssistant(lambda _: known, topics or TelegrafTopics(prefix), prefix)
        self.lines = []

    def round(self, seconds, *values, source="roof", vendor="rct", **more):
        """Documents after a round that brought values."""
        fields = {"ends_round": True, "health": Health(up=True), **more}
        batch = Batch(source, vendor, (), START_NS + seconds * S, values, 10.0, **fields)
        self.lines = [parse_line(line.decode()) for line in self.discovery.lines(batch)]
        return [json.loads(line["fields"]["payload"]) for line in self.lines]


SAID = (
    (GRID, 231.4), (STATE, 1), (UP, 1), (SERIAL, "A1B2"), (MODEL, "PS 10.0"), (FIRMWARE, "5404"),
)  # fmt: skip


def entities():
    return [series for series in every_series() if is_entity(series)]


# -- what it is told ---------------------------------------------------------------------------


def test_a_unit_is_a_device_with_an_entity_for_each_series():
    told = Told()
    (document,) = told.round(0, *SAID)
    home_assistant.check(document)
    (line,) = told.lines
    assert (line["measurement"], line["time"]) == ("inverter_discovery", START_NS)
    assert line["tags"] == {"source": "roof", "topic": "homeassistant/device/rct-roof/config"}
    assert document["device"] == {
        "identifiers": ["rct_A1B2"],
        "name": "roof",
        "manufacturer": "RCT Power",
        "model": "PS 10.0",
        "sw_version": "5404",
        "serial_number": "A1B2",
    }
    assert document["components"]["grid_l1_voltage_volts"] == {
        "platform": "sensor",
        "name": "Grid L1 voltage",
        "unique_id": "rct_A1B2_grid_l1_voltage_volts",
        "state_topic": "solar/roof/inverter_grid/l1/voltage_volts",
        "device_class": "voltage",
        "state_class": "measurement",
        "unit_of_measurement": "V",
        "expire_after": 30,
    }
    heard = {"topic": "solar/roof/inverter_collector/up", "payload_available": "1"}
    assert document["availability"] == [{**heard, "payload_not_available": "0"}]
    up = document["components"]["collector_up"]
    assert (up["platform"], up["device_class"]) == ("binary_sensor", "connectivity")
    assert up["availability"] == [], "else nobody would see that it is down"


@pytest.mark.slow
@pytest.mark.parametrize(("topics", "given"), [
    (TelegrafTopics(), "231.5"), (CollectdTopics("solar1"), "1782036003.525:231.5\0"),
])  # fmt: skip
def test_every_series_fits_home_assistants_rules(topics, given):
    """One of each metric, with the codes of every family; and each template takes a message."""
    for family in ("rct", "voltronic", "solaredge"):
        told = Told(topics, Known(family))
        values = [(s, 1) for s in {s.metric: s for s in (*entities(), GRID)}.values()]
        (document,) = told.round(0, *values, (SERIAL, "A1B2"), vendor=family)
        home_assistant.check(document)
        components = document["components"]
        assert len(components) == len(values)
        assert home_assistant.state(components["grid_l1_voltage_volts"], given.encode()) == 231.5


def test_ids_and_names_are_unique():
    assert max(Counter(map(key_of, entities())).values()) == 1
    doubled = [text for text, n in Counter(map(name, entities())).items() if n > 1]
    assert doubled == []


@pytest.mark.parametrize(("series", "expected"), [
    (("inverter_power.pv_watts", {}), "Power PV"),
    (("inverter_battery.soc_percent", {"battery": "0"}), "Battery 0 SoC"),
    (("inverter_temperature.celsius", {"sensor": "battery_heatsink"}),
     "Temperature battery heatsink"),
    (("inverter_battery.charge_limit_volts", {"battery": "0"}), "Battery 0 charge limit (V)"),
    (("inverter_energy.day_watt_hours", {"flow": "pv"}), "Energy PV day"),
])  # fmt: skip
def test_names_are_for_people(series, expected):
    metric, tags = series
    assert name(catalog().series(metric, **tags)) == expected


#: What the panel of energy needs, and what tells moved energy from that which is held.
ENERGIES = [
    ("inverter_energy.watt_hours_total", {"flow": "pv"}, "energy", "total_increasing"),
    ("inverter_energy.day_watt_hours", {"flow": "pv"}, "energy", "total_increasing"),
    ("inverter_energy.balance_watt_hours", {"flow": "output"}, "energy", "total"),
    ("inverter_energy.interval_watt_hours", {"flow": "output"}, None, "measurement"),
    ("inverter_battery.charge_watt_hours", {"battery": "0"}, "energy_storage", "measurement"),
    ("inverter_battery.capacity_watt_hours", {"battery": "0"}, "energy_storage", "measurement"),
    ("inverter_battery.charged_watt_hours_total", {"battery": "0"}, "energy", "total_increasing"),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "tags", "device_class", "state_class"), ENERGIES)
def test_energy(metric, tags, device_class, state_class):
    found = entity(catalog().series(metric, **tags), {})
    assert (found.get("device_class"), found["state_class"]) == (device_class, state_class)
    assert found["unit_of_measurement"] == "Wh"


def test_codes_are_words_where_these_are_known():
    series = catalog().series("inverter_status.state_code")
    component = entity(series, {1: "off", 2: 'a "quoted" state'})
    assert home_assistant.state(component, b"2") == 'a "quoted" state'
    assert home_assistant.state(component, b"9") == "9"
    assert "value_template" not in entity(series, {})
    assert "value_template" not in entity(series, dict.fromkeys(range(100), "much"))


def test_times_are_times():
    component = entity(catalog().series("inverter_clock.time_seconds"), {})
    assert home_assistant.state(component, b"1782036003.5") == datetime(
        2026, 6, 21, 10, 0, 3, 500_000, UTC
    )


def test_of_a_great_many_only_some_are_shown_at_first():
    hidden = {s.metric.name for s in entities() if "enabled_by_default" in entity(s, {})}
    assert "inverter_battery_cell.voltage_volts" in hidden
    assert "inverter_collector.requests_total" in hidden
    assert "inverter_status.fault_word_0" in hidden
    assert hidden.isdisjoint({"inverter_collector.up", "inverter_power.pv_watts"})


def test_topics_hold_what_line_protocol_makes_of_names():
    topics = TelegrafTopics("solar")
    assert topics.topic("roof", "7F\x01\\", GRID) == (
        "solar/roof/solar_grid/7F_\\_/l1/voltage_volts"
    )
    collectd = CollectdTopics("solar1", "home")
    assert collectd.topic("my.roof", "", GRID) == "home/solar1/inverter-my_roof/voltage-grid_l1"
    assert collectd.topic("roof", "7F101234", GRID) == (
        "home/solar1/inverter-roof-7F101234/voltage-grid_l1"
    )


# -- when it is told ---------------------------------------------------------------------------


def test_once_at_the_start_then_once_an_hour():
    told = Told()
    assert len(told.round(0, *SAID)) == 1
    sent = [seconds for seconds in range(10, 7300, 10) if told.round(seconds, *SAID)]
    assert sent == [3600, 7200]


def test_news_are_told_but_not_each_alone():
    told = Told()
    told.round(0, *SAID)
    extra = [s for s in entities() if s.metric.measurement == "inverter_string"][:3]
    sent = [
        (seconds, len(document["components"]))
        for seconds, series in zip((3, 6, 10, 40), (*extra, extra[0]), strict=True)
        for document in told.round(seconds, (series, 1.0))
    ]
    assert sent == [(10, 6)]


def test_ids_hold_the_serial_number_so_it_is_waited_for():
    told = Told()
    assert told.round(0, (GRID, 231.4)) == []
    assert told.round(590, (GRID, 231.4)) == []
    (document,) = told.round(600, (GRID, 231.4))
    assert document["device"]["identifiers"] == ["rct_roof"], "it has none to tell"
    told = Told()
    told.round(0, (GRID, 231.4))
    (document,) = told.round(10, (SERIAL, "A1B2"))
    assert document["device"]["identifiers"] == ["rct_A1B2"]


def test_the_wait_begins_when_the_unit_is_heard():
    told = Told()
    for seconds in range(0, 7200, 60):
        assert told.round(seconds, health=Health(up=False)) == []
    assert told.round(7200, (GRID, 231.4)) == []


def test_another_unit_in_its_place_has_only_what_it_says_itself():
    told = Told()
    told.round(0, *SAID)
    (document,) = told.round(40, (SERIAL, "C3D4"), (GRID, 230.0))
    assert document["device"]["serial_number"] == "C3D4"
    assert list(document["components"]) == ["grid_l1_voltage_volts"]


def test_the_units_of_a_device_are_devices():
    told = Told(known=Known("solaredge"))
    (document,) = told.round(0, (GRID, 231.4), source="plant", vendor="solaredge", unit="7F101234")
    assert document["device"]["identifiers"] == ["solaredge_7F101234"]
    assert document["device"]["name"] == "plant 7F101234"
    (line,) = told.lines
    assert line["tags"]["topic"] == "homeassistant/device/solaredge-plant-7F101234/config"
    (component,) = document["components"].values()
    assert component["state_topic"] == "solar/plant/inverter_grid/7F101234/l1/voltage_volts"


def test_the_past_and_texts_are_no_entities():
    past = next(s for s in every_series() if s.metric.poll is PollClass.HISTORY)
    told = Told()
    (document,) = told.round(0, *SAID, (past, 1.0))
    assert set(document["components"]) == {
        "grid_l1_voltage_volts", "status_state_code", "collector_up",
    }  # fmt: skip
    assert told.round(40, (catalog().series("inverter_power.pv_watts"), 1.0),
                      origin=Origin.HISTORY) == []  # fmt: skip
    assert not any(is_entity(s) for s in every_series() if s.metric.kind is Kind.TEXT)


def test_a_device_that_was_removed_is_forgotten():
    told = Told()
    told.round(0, *SAID)
    assert told.round(40, health=Health(removed=True)) == []
    assert told.round(50, (GRID, 230.0)) == [], "it has to tell who it is again"


def test_a_clock_that_was_set_back_is_no_reason_to_wait():
    told = Told()
    told.round(0, *SAID)
    assert len(told.round(-3000, *SAID)) == 1


def test_nobody_is_told_of_a_device_that_is_not_there():
    discovery = HomeAssistant(lambda _: None, TelegrafTopics())
    batch = Batch("roof", "rct", (), START_NS, SAID, 10.0, ends_round=True)
    assert discovery.lines(batch) == []


def test_the_name_of_the_measurement_follows_the_prefix():
    told = Told(prefix="sun")
    (document,) = told.round(0, *SAID)
    (line,) = told.lines
    assert line["measurement"] == "sun_discovery"
    assert document["components"]["grid_l1_voltage_volts"]["state_topic"] == (
        "solar/roof/sun_grid/l1/voltage_volts"
    )


def test_names_with_dots_are_topics_of_their_own():
    told = Told()
    told.round(0, *SAID, source="my.roof")
    (line,) = told.lines
    home_assistant.check_topic(line["tags"]["topic"])
    assert line["tags"]["topic"] == "homeassistant/device/rct-my--roof/config"


def test_a_round_without_news_costs_a_look_at_what_is_known():
    """No document is made that is not sent."""
    told = Told(known=(known := Known()))
    told.round(0, *SAID)
    asked = known.asked
    for seconds in range(10, 3600, 10):
        told.round(seconds, *SAID)
    assert known.asked == asked == 3


# -- what may be set ---------------------------------------------------------------------------


class Settings:
    """What a gate tells."""

    writes = ("output_priority",)

    def __init__(self, **more):
        self.more = more
        self.hidden = set()

    def describe(self):
        usual = {"unit": "", "choices": [], "low": 0.0, "high": 0.0, "step": 0.0, "value": None}
        return [
            {"name": name, "title": name.capitalize(), "kind": "number", "rank": "B", **usual,
             "why": "", **parts, "enabled": name not in self.hidden}
            for name, parts in self.more.items()
        ]  # fmt: skip


EVERY_KIND = {
    "priority": {"kind": "choice", "choices": ["utility", "solar", "sbu"], "value": "sbu"},
    "charge": {"choices": [2.0, 10.0, 60.0], "unit": "A", "value": 10.0},
    "bulk": {"low": 48.0, "high": 58.4, "step": 0.1, "unit": "V", "value": 56.4},
    "hours": {"low": 0.0, "high": 900.0, "unit": "min", "value": 30},
    "buzzer": {"kind": "flag", "value": True},
}


#: What of it is shown, and what is sent.
STATES = {"priority": "sbu", "charge": "10", "bulk": 56.4, "hours": 30.0, "buzzer": True}
SENT = {
    "priority": ["utility", "solar", "sbu"],
    "charge": [2.0, 10.0, 60.0],
    "bulk": [48.0, 58.4],
    "hours": [0.0, 900.0],
    "buzzer": [True, False],
}

TOPICS = TopicNames(ROOT)


def test_these_are_the_topics_of_the_bridge():
    assert TOPICS.availability == BRIDGE
    assert TOPICS.setting("roof", "x") == state_topic("roof", "x")
    assert TOPICS.split(command_topic("roof", "x")) == ("roof", "x")


def settable_unit(settings):
    known = Known("voltronic")
    known.settings = settings
    return Told(known=known)


def test_what_may_be_set_is_an_entity_that_commands_the_bridge():
    told = settable_unit(Settings(**EVERY_KIND))
    (document,) = told.round(0, *SAID, vendor="voltronic")
    home_assistant.check(document)
    entities = home_assistant.entities_of(document)
    found = {key: c for key, c in entities.items() if key.startswith("set_")}
    assert {key: (c["platform"], c["command_topic"]) for key, c in found.items()} == {
        "set_priority": ("select", "inverter/roof/set/priority"),
        "set_charge": ("select", "inverter/roof/set/charge"),
        "set_bulk": ("number", "inverter/roof/set/bulk"),
        "set_hours": ("number", "inverter/roof/set/hours"),
        "set_buzzer": ("switch", "inverter/roof/set/buzzer"),
    }
    assert found["set_charge"]["options"] == ["2", "10", "60"]
    assert (found["set_bulk"]["device_class"], found["set_bulk"]["step"]) == ("voltage", 0.1)
    for key, component in found.items():
        name = key.removeprefix("set_")
        assert TOPICS.split(component["command_topic"]) == ("roof", name)
        assert component["state_topic"] == TOPICS.setting("roof", name)
        shown = text_of(EVERY_KIND[name]["value"])
        assert home_assistant.state(component, shown) == STATES[name]
    up = {"solar/roof/inverter_collector/up": b"1"}
    for bridge, expected in ((b"online", True), (b"offline", False)):
        last = {**up, TOPICS.availability: bridge}
        assert {home_assistant.is_available(c, last) for c in found.values()} == {expected}
    assert not home_assistant.is_available(found["set_bulk"], up), "nobody takes a command"


def test_what_home_assistant_sends_is_what_the_bridge_takes():
    """Each option of a list, both ends of a number, and both positions of a switch."""
    (document,) = settable_unit(Settings(**EVERY_KIND)).round(0, *SAID)
    described = {item["name"]: item for item in Settings(**EVERY_KIND).describe()}
    for setting, wanted in SENT.items():
        component = document["components"][f"set_{setting}"]
        payloads = component.get("options") or (
            [component["payload_on"], component["payload_off"]]
            if component["platform"] == "switch"
            else [str(component["min"]), str(component["max"])]
        )
        topic = component["command_topic"]
        orders = [command_of(TOPICS, Message(topic, text.encode())) for text in payloads]
        assert [typed(order, described[setting]) for order in orders] == wanted


def test_what_cannot_be_set_for_a_while_stays_and_what_may_not_be_is_not_there():
    settings = Settings(priority=EVERY_KIND["priority"], buzzer=EVERY_KIND["buzzer"])
    settings.hidden = {"buzzer"}
    told = settable_unit(settings)
    for seconds in (0, 3600):
        (document,) = told.round(seconds, *SAID)
        assert "set_priority" in document["components"]
        assert "set_buzzer" not in document["components"]
        settings.hidden = {"buzzer", "priority"}  # the unit has a fault
    settings = Settings(**EVERY_KIND)
    settings.writes = ()
    told = settable_unit(settings)
    (document,) = told.round(0, *SAID)
    assert not any(key.startswith("set_") for key in document["components"])


@pytest.mark.slow
def test_a_real_unit_is_told_with_what_may_be_set_in_it():
    """Simulated, but with the real gate, and in the order in which a unit says it all."""
    wanted = ["output_priority", "max_charge_amperes", "battery_float_volts", "buzzer"]
    entry = {
        "name": "roof", "driver": "voltronic", "address": "tcp://192.0.2.1:1", "writes": wanted,
        "allow_battery_limits": True, "limits": {"battery_float_volts": "52..55"},
    }  # fmt: skip
    (config,) = Config.parse({"devices": [entry]}).devices
    lines = []

    async def main(loop):
        unit = SimulatedInverter(driver="voltronic", start=START, sun=9.0, seed=1)
        options = Options(clock=VirtualClock(loop), opener=MemoryPlug(unit), lock=False)
        device = Device(config, lambda batch: lines.extend(discovery.lines(batch)), options)
        discovery = HomeAssistant(lambda _: device, TelegrafTopics())
        await virtual.collect(device, 400)
        unit.hub().close()

    virtual.run(main)
    parsed = [parse_line(line.decode()) for line in lines]
    payloads = {line["tags"]["topic"]: line["fields"]["payload"] for line in parsed}
    document = json.loads(payloads["homeassistant/device/voltronic-roof/config"])
    home_assistant.check(document)
    components = document["components"]
    assert [key for key in components if key.startswith("set_")] == [f"set_{w}" for w in wanted]
    assert components["set_battery_float_volts"]["min"] == 52
    assert document["device"]["serial_number"]
    documents = [line for line in parsed if line["tags"]["topic"].startswith("homeassistant")]
    assert len(documents) < 12, "what is learnt bit by bit is told a few times"


def test_who_sends_unasked_is_not_expected_more_often_than_he_sends():
    entry = {"name": "plant", "driver": "solaredge", "address": "listen://127.0.0.1:22222"}
    (config,) = Config.parse({"devices": [entry]}).devices
    device = Device(config, lambda _: None, Options(lock=False))
    assert device.every(GRID) == 300
    assert device.every(UP) == 120, "the heartbeat"
