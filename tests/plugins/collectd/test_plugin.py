"""The plugin's callbacks, against a collectd that is stricter than the real one."""

from __future__ import annotations

import builtins
import logging
import sys

import pytest

from rct_collector import Batch, ConfigError
from rct_collector.adapter.alerts import MOST_EACH, MOST_TOGETHER
from rct_collector.catalog import catalog
from rct_collector.model import Health, Origin
from tests.plugins.collectd.stub import Collectd, Config, load
from tests.processes import nobody, wait_for

GRID = catalog().series("inverter_power.grid_watts")
SERIAL = catalog().series("inverter.serial")
WORD = catalog().series("inverter_status.fault_word_0")
UP = catalog().series("inverter_collector.up")
NOBODY = nobody()
SECOND = 10**9


@pytest.fixture
def collectd(monkeypatch):
    """The stub in the place of collectd's own module; nothing it minds may have happened."""
    stub = Collectd()
    monkeypatch.setitem(sys.modules, "collectd", stub)
    logger = logging.getLogger("rct_collector")
    before = logger.handlers[:], logger.propagate, logger.level
    yield stub
    logger.handlers[:], logger.propagate = before[:2]
    logger.setLevel(before[2])
    assert stub.faults == []


def device(name="roof", address=NOBODY, *more):
    lines = (Config("Driver", "rct"), Config("Address", address), *more)
    return Config("Device", name, children=lines)


def started(collectd, folder, *children):
    """The plugin after init; its collector is ended by collectd's shutdown."""
    plugin = load()
    collectd.configure(Config("StateDir", str(folder)), *children)
    collectd.init()
    return plugin


def feed(plugin, *batches):
    """Batches, as if the collector had brought them."""
    plugin._plugin._background.take = lambda: iter(batches)


def batch(*values, at=1_700_000_000, source="roof", **more):
    return Batch(source, "rct", (), at * SECOND, values, 10.0, **more)


def silent(missed, *values, at):
    """The end of a round that brought nothing."""
    health = Health(up=False, missed=missed)
    return batch(*values, at=at, ends_round=True, health=health)


# -- life --------------------------------------------------------------------------------------


def test_values_of_an_inverter_come_through(inverter, collectd, tmp_path):
    started(collectd, tmp_path, device("roof", inverter.address))
    assert wait_for(lambda: collectd.read() or len(collectd.values) > 20)
    collectd.shutdown()
    assert collectd.of("error") == []
    places = {(value["plugin"], value["plugin_instance"]) for value in collectd.values}
    assert places == {("inverter", "roof")}
    assert {value["interval"] for value in collectd.values} <= {10.0, 60.0, 300.0, 3600.0}


def test_units_of_one_device_are_told_apart(collectd, tmp_path):
    """Each has an identifier of its own, so that none is older than another's last."""
    plugin = started(collectd, tmp_path, device("roof"))
    feed(
        plugin,
        batch((GRID, 1.0), at=1_700_000_009, unit="7F101234"),
        batch((GRID, 2.0), unit="7F105678"),
        batch((GRID, 3.0)),
        batch((WORD, 1), at=1_700_000_001, unit="7F105678"),
        batch((WORD, 1), at=1_700_000_002, unit="7F105678"),
    )
    collectd.read()
    places = [(value["plugin_instance"], value["values"][0]) for value in collectd.values]
    assert places[:3] == [("roof-7F101234", 1.0), ("roof-7F105678", 2.0), ("roof", 3.0)]
    (told,) = collectd.notifications
    assert told["plugin_instance"] == "roof-7F105678"
    assert told["message"].startswith("roof 7F105678: fault 0 ")
    feed(plugin, batch(unit="7F105678", health=Health(removed=True)))
    collectd.read()
    assert set(plugin._plugin._targets) == {("roof", ""), ("roof", "7F101234")}
    collectd.shutdown()


def test_files_are_read_again_and_blocks_stay(collectd, tmp_path, write_config):
    """Of a removed device something may still be waiting; a new one goes by what is new."""
    path = write_config(NOBODY)
    plugin = load()
    collectd.configure(Config("StateDir", str(tmp_path)), device("roof", f"{NOBODY}0"))
    collectd.configure(Config("Config", str(path)))
    collectd.init()
    path.write_text(
        path.read_text().replace("unit0", "barn") + "    labels: {site: home}\nprefix: solar\n"
    )
    configs = plugin._plugin._again()
    assert [[d.name for d in found.devices] for found in configs] == [["roof"], ["barn"]]
    feed(plugin, batch((GRID, 1.0), source="unit0"), batch((GRID, 2.0), source="barn"))
    collectd.read()
    told = [(v["plugin"], v["plugin_instance"], v["meta"]) for v in collectd.values]
    assert told == [("inverter", "unit0", {}), ("inverter", "barn", {"site": "home"})]
    path.write_text("devices: []\n")
    with pytest.raises(ConfigError, match="at least one device"):
        plugin._plugin._again()
    assert set(plugin._plugin._members) == {"roof", "unit0", "barn"}
    collectd.shutdown()


def test_the_callbacks_have_a_name_of_their_own(collectd, tmp_path):
    started(collectd, tmp_path, device())
    names = {(kind, "rct_collector_collectd") for kind in ("config", "init", "read", "shutdown")}
    assert set(collectd.callbacks) == names
    collectd.shutdown()


def test_without_devices_nothing_runs(collectd, tmp_path):
    started(collectd, tmp_path)
    assert [line for line in collectd.of("error") if "there is no device to read" in line]
    assert ("read", "rct_collector_collectd") not in collectd.callbacks
    collectd.shutdown()


def test_without_a_block_the_usual_file_is_read(collectd, tmp_path, write_config, monkeypatch):
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG", str(write_config(NOBODY)))
    plugin = load()
    collectd.init()
    assert list(plugin._plugin._targets) == [("unit0", "")]
    collectd.shutdown()


def test_a_collector_that_does_not_end_is_left_behind(collectd, tmp_path, monkeypatch):
    plugin = started(collectd, tmp_path, device())
    stop = plugin._plugin._background.stop
    monkeypatch.setattr(plugin._plugin._background, "stop", lambda _: False)
    collectd.shutdown()
    assert collectd.of("error") == [
        "rct_collector_collectd: the collector does not end; leaving it behind"
    ]
    assert stop(10)


# -- configuration -----------------------------------------------------------------------------


def test_each_mistake_is_told_in_one_line_and_the_rest_works(collectd, tmp_path):
    plugin = started(
        collectd, tmp_path, device("bad", "nowhere"), device("roof"), device("again", NOBODY)
    )
    first, second = collectd.of("error")
    assert "devices[0].address: found 'nowhere'" in first
    assert f"'{NOBODY}' a second time" in second
    assert list(plugin._plugin._targets) == [("roof", "")]
    collectd.shutdown()


def test_several_blocks_add_up(collectd, tmp_path):
    plugin = load()
    state = Config("StateDir", str(tmp_path))
    collectd.configure(state, device("roof"), Config("LogLevel", "error"))
    collectd.configure(state, device("barn.1", nobody(1)), Config("Prefix", "solar"))
    collectd.init()
    targets = plugin._plugin._targets
    assert [target[:2] for target in targets.values()] == [
        ("inverter", "roof"),
        ("solar", "barn_1"),
    ]
    assert logging.getLogger("rct_collector").level == logging.INFO
    collectd.shutdown()


# -- values ------------------------------------------------------------------------------------


def test_numbers_are_dispatched_and_texts_are_not(collectd, tmp_path):
    labels = Config("Labels", children=(Config("site", "home"),))
    plugin = started(collectd, tmp_path, device("roof", NOBODY, labels))
    feed(plugin, batch((GRID, -5.5), (SERIAL, "x")))
    collectd.read()
    assert collectd.values == [
        {
            "plugin": "inverter",
            "plugin_instance": "roof",
            "type": "power",
            "type_instance": "grid",
            "values": (-5.5,),
            "time": 1_700_000_000.0,
            "interval": 10.0,
            "meta": {"site": "home"},
        }
    ]
    collectd.shutdown()


def test_a_callback_hands_over_a_few_values_and_the_next_ones_the_rest(collectd, tmp_path):
    plugin = started(collectd, tmp_path, device())
    most, calls = plugin.MOST_VALUES, plugin.MOST_CALLS
    at = 0
    for count, sizes in [
        (most // 2, [most // 2]),
        (most + 1, [most, 1]),
        (3 * most * calls, calls * [3 * most]),
    ]:
        feed(plugin, *(batch((GRID, float(n)), at=n) for n in range(at + 1, at + count + 1)))
        for size in sizes:
            before = len(collectd.values)
            collectd.read()
            feed(plugin)
            assert len(collectd.values) - before == size
        at += count
    collectd.read()
    assert [value["values"] for value in collectd.values] == [(n,) for n in range(1, at + 1)]
    collectd.shutdown()


def test_what_waits_too_long_waits_in_the_collector_which_counts(collectd, tmp_path, monkeypatch):
    plugin = started(collectd, tmp_path, device())
    monkeypatch.setattr(plugin, "MOST_WAITING", 3)
    batches = iter([batch((GRID, float(n)), at=n) for n in range(1, 11)])
    plugin._plugin._background.take = lambda: batches
    monkeypatch.setattr(plugin, "MOST_VALUES", 1)
    monkeypatch.setattr(plugin, "MOST_CALLS", 10)
    collectd.read()
    assert len(plugin._plugin._waiting) == 3
    assert len(list(batches)) == 6
    collectd.shutdown()


def test_a_clock_that_was_set_back_is_told_once(collectd, tmp_path):
    plugin = started(collectd, tmp_path, device())
    feed(plugin, batch((GRID, 1.0)), *(batch((GRID, 2.0), at=n) for n in (1000, 1010)))
    collectd.read()
    assert len(collectd.values) == 1
    (line,) = collectd.of("error")
    assert "roof: the clock of this host was set back" in line
    collectd.shutdown()


def test_what_comes_late_is_told_as_what_it_is_and_counted(collectd, tmp_path, monkeypatch):
    plugin = started(collectd, tmp_path, device())
    counted = []
    monkeypatch.setattr(plugin._plugin._background, "dropped", lambda *what: counted.append(what))
    late = (batch((GRID, 2.0), (UP, 1), at=n, origin=Origin.LATE) for n in (1000, 1010))
    feed(plugin, batch((GRID, 1.0)), *late)
    collectd.read()
    found = [value["type_instance"] for value in collectd.values]
    assert found == ["grid", "collector_up", "collector_up"]
    assert collectd.of("error") == []
    assert sum("roof: values came late" in line for line in collectd.of("warning")) == 1
    assert counted == [("roof", 1), ("roof", 1)]
    collectd.shutdown()


def test_what_is_of_the_past_goes_under_an_identifier_of_its_own(collectd, tmp_path):
    plugin = started(collectd, tmp_path, device())
    now = 1_700_000_000
    past = [
        batch((GRID, float(n)), at=now - 3000 + 300 * n, origin=Origin.HISTORY)._replace(
            interval_s=300.0
        )
        for n in range(3)
    ]
    feed(plugin, batch((GRID, -5.5)), *past, batch((GRID, -6.5), at=now + 10))
    collectd.read()
    found = [(v["plugin"], v["time"] - now, v["interval"], v["values"]) for v in collectd.values]
    assert found == [
        ("inverter", 0, 10.0, (-5.5,)),
        *(("inverter_history", -3000 + 300 * n, 300.0, (float(n),)) for n in range(3)),
        ("inverter", 10, 10.0, (-6.5,)),
    ]
    assert {v["plugin_instance"] for v in collectd.values} == {"roof"}
    assert collectd.of("error") == []
    collectd.shutdown()


@pytest.mark.parametrize("sources", [{}, {"power": 2}], ids=["unknown", "two values"])
def test_types_of_somebodys_own_cost_their_values_only(collectd, tmp_path, sources):
    plugin = started(collectd, tmp_path, device())
    del collectd.types["power"]
    collectd.types.update(sources)
    feed(plugin, batch((GRID, 1.0), (UP, 1)), batch((GRID, 1.0), (UP, 1), at=1_700_000_010))
    collectd.read()
    assert [value["type"] for value in collectd.values] == ["bool", "bool"]
    (line,) = collectd.of("error")
    assert "does not know the type 'power'" in line
    collectd.shutdown()


def test_a_removed_device_leaves_nothing_behind_and_may_come_back(collectd, tmp_path):
    plugin = started(collectd, tmp_path, device())
    lost = [silent(n + 1, at=1_700_000_001 + n) for n in range(30)]
    removed = Health(up=False, missed=30, removed=True)
    gone = batch(at=1_700_000_040, health=removed)
    feed(plugin, batch((GRID, 1.0)), *lost, gone)
    collectd.read()
    assert plugin._plugin._targets == {}
    feed(plugin, batch((GRID, 2.0), at=1_700_000_050))
    collectd.read()
    assert [value["values"] for value in collectd.values] == [(1.0,), (2.0,)]
    assert [n["severity"] for n in collectd.notifications] == [
        collectd.NOTIF_WARNING,
        collectd.NOTIF_OKAY,
    ]
    assert list(plugin._plugin._targets) == [("roof", "")]
    assert collectd.of("error") == []
    collectd.shutdown()


def test_a_bug_is_told_once_and_spares_what_comes_later(collectd, tmp_path):
    plugin = started(collectd, tmp_path, device())
    for _ in range(2):
        feed(plugin, batch((GRID, 1.0), source="a stranger"))
        collectd.read()
    assert collectd.of("error") == ["rct_collector_collectd: bug in read: KeyError: 'a stranger'"]
    feed(plugin, batch((GRID, 1.0)))
    collectd.read()
    assert len(collectd.values) == 1
    collectd.shutdown()


# -- notifications -----------------------------------------------------------------------------


def test_severities(collectd, tmp_path):
    plugin = started(collectd, tmp_path, device())
    words = (1 << 25, 1 << 25, 0, 0)
    faults = [batch((WORD, word), at=1_600_000_000 + n) for n, word in enumerate(words)]
    rounds = [silent(n + 1, (UP, 0), at=1_700_000_000 + 10 * n) for n in range(40)]
    feed(plugin, *faults, *rounds, batch((UP, 1), at=1_800_000_000, ends_round=True))
    collectd.read()
    feed(plugin)
    while plugin._plugin._waiting:
        collectd.read()
    told = [(n["severity"], n["type"], n["type_instance"]) for n in collectd.notifications]
    assert told == [
        (collectd.NOTIF_FAILURE, "bool", "fault_25_active"),
        (collectd.NOTIF_OKAY, "bool", "fault_25_active"),
        (collectd.NOTIF_WARNING, "bool", "collector_up"),
        (collectd.NOTIF_OKAY, "bool", "collector_up"),
    ]
    assert {(n["plugin"], n["plugin_instance"]) for n in collectd.notifications} == {
        ("inverter", "roof")
    }
    assert collectd.notifications[2]["time"] == 1_700_000_290
    collectd.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_a_device_whose_faults_flip_does_not_flood_collectd(collectd, tmp_path, rounds):
    """Faults of all words, in every so many rounds, and a line that comes and goes."""
    plugin = started(collectd, tmp_path, device())
    words = [catalog().series(f"inverter_status.fault_word_{n}") for n in range(4)]
    batches = [
        batch(
            *((word, 0xFFFFFFFF * (n // rounds % 2)) for word in words),
            (UP, n // 40 % 2),
            (GRID, float(n)),
            at=1_700_000_000 + n,
            ends_round=True,
            health=Health(up=bool(n // 40 % 2), missed=0 if n // 40 % 2 else n % 40 + 1),
        )
        for n in range(1000)
    ]
    feed(plugin, *batches)
    collectd.read()
    feed(plugin)
    while plugin._plugin._waiting:
        collectd.read()
    told = {n["type_instance"] for n in collectd.notifications}
    assert "collector_up" in told
    assert len(collectd.notifications) <= MOST_TOGETHER + MOST_EACH
    assert (len(told) > 1) == (rounds > 1), "what no two readings agree on is nothing"
    watts = [v["values"][0] for v in collectd.values if v["type_instance"] == GRID.collectd[1]]
    assert watts == [float(n) for n in range(1000)]
    collectd.shutdown()


def test_without_takers_notifications_are_left_out(collectd, tmp_path):
    plugin = started(collectd, tmp_path, device())
    collectd.handlers = False
    feed(plugin, batch((WORD, 1 << 25), (GRID, 1.0)), batch((WORD, 1 << 25), at=1_700_000_010))
    collectd.read()
    assert len(collectd.values) == 3
    assert collectd.of("error") == []
    collectd.shutdown()


# -- log ---------------------------------------------------------------------------------------

LEVELS = [
    (logging.DEBUG, "info"),
    (logging.INFO, "info"),
    (logging.WARNING, "warning"),
    (logging.ERROR, "error"),
    (logging.CRITICAL, "error"),
]


@pytest.mark.parametrize(("level", "severity"), LEVELS)
def test_log_lines_have_collectds_severity(collectd, tmp_path, level, severity):
    started(collectd, tmp_path, device(), Config("LogLevel", "debug"))
    logging.getLogger("rct_collector.test").log(level, "roof: %s", "text")
    assert (severity, "rct_collector: roof: text") in collectd.lines
    collectd.shutdown()


def test_log_lines_are_lines(collectd, tmp_path):
    started(collectd, tmp_path, device())
    logging.getLogger("rct_collector").error("a\nb\0c \ud800 %s", "ü" * 2000)
    assert any(line.startswith("rct_collector: a | bc \\ud800 ü") for line in collectd.of("error"))
    collectd.shutdown()


# -- what is missing ---------------------------------------------------------------------------


def missing(monkeypatch, name, error):
    """Make an import fail, which had gone well before."""
    for loaded in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    real = builtins.__import__

    def failing(wanted, *arguments, **more):
        if wanted == name:
            raise error
        return real(wanted, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", failing)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'rct_collector'"), "install rct-collector with what"),
        (SyntaxError("invalid syntax"), "disabled by a bug: SyntaxError('invalid syntax')"),
    ],
)
def test_without_the_core_the_daemon_lives(collectd, monkeypatch, error, words):
    missing(monkeypatch, "rct_collector", error)
    load()
    monkeypatch.undo()
    collectd.configure(device())
    collectd.configure(device())
    collectd.init()
    collectd.shutdown()
    (line,) = collectd.of("error")
    assert words in line
