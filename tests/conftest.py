"""What all tests share: golden files, the switch that accepts new ones, and the real Telegraf."""

from __future__ import annotations

import gc
import os
import random
import signal
from contextlib import nullcontext
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from tests import components, virtual
from tests.needs import lacking
from tests.toys import register  # noqa: F401 - a fixture for all

# How long an example takes tells of the machine, and of what else it does.
hypothesis.settings.register_profile("default", deadline=None)
#: For the loop while writing: fewer examples where a test names no number of its own.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=10)
hypothesis.settings.load_profile("default")

GOLDEN = Path(__file__).parent / "golden"

# A shell makes what it runs in the background deaf to Ctrl-C, and programs inherit that; those that
# the tests start are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """What units have named in one test is not known in the next; and chance repeats itself.

    Pauses are drawn by lot: what fails with one draw is to fail again when the test is run alone.
    """
    random.seed(item.nodeid)
    with components.forgotten():
        yield


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="accept present output as golden files")


#: Side by side, tests that share what is costly to make run in one process: file → group. Marks of
#: pytest-xdist would do, but with pytest from 9.2 on it does not find them.
TOGETHER = {
    "tests/bench/test_floors.py": "simulated units in C",
    "tests/cli/test_fleet_engine.py": "etcd",
    "tests/fleet/test_cases.py": "a fleet",
    "tests/fleet/test_engines.py": "etcd",
    "tests/fleet/test_etcd.py": "etcd",
    "tests/packaging/test_bridge_service.py": "Debian packages",
    "tests/packaging/test_build.py": "Debian builds",
    "tests/packaging/test_install.py": "Debian packages",
    "tests/packaging/test_web_service.py": "Debian packages",
    "tests/plugins/collectd/test_home_parity.py": "both agents",
    "tests/plugins/collectd/test_past.py": "the past",
    "tests/plugins/collectd/test_pipelines.py": "databases",
    "tests/plugins/test_dashboards.py": "databases",
    "tests/plugins/test_old_names.py": "databases",
    "tests/plugins/test_outage.py": "the past",
    "tests/plugins/test_outputs.py": "databases",
    "tests/plugins/test_past.py": "the past",
    "tests/test_architecture.py": "all modules, parsed",
    "tests/web/test_page.py": "a browser",
    "tests/web/test_server.py": "a page",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out groups whole, and all other tests one by one."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return TOGETHER.get(nodeid.partition("::")[0], nodeid)

        def mark_test_complete(self, node, item_index, duration=0):
            """Forget what is done, since what is left is counted after each test."""
            nodeid = self.registered_collections[node][item_index]
            units, scope = self.assigned_work[node], self._split_scope(nodeid)
            units[scope][nodeid] = True
            if all(units[scope].values()):
                del units[scope]
            self._reschedule(node)

    return Scheduling(config, log)


#: Marks of tests that take long, in the order in which they begin: groups that cannot be divided;
#: then those that wait for a real program, among those that compute.
GROUPED, WAITING, COMPUTING = {"debian", "servers"}, {"collectd", "telegraf"}, {"slow"}

#: What takes longest among those of a kind, the longest first, as ``make test`` names them at its
#: end: one that began late would keep all waiting for it.
LONGEST = (
    "tests/test_truth.py::test_any_mixture_of_faults_leaves_only_the_truth",
    "tests/packaging/test_sources.py::test_the_tests_of_the_build_need_no_more_than_it_asks_for",
    "tests/plugins/collectd/test_parity.py::test_both_agents_get_the_same",
    "tests/test_endurance.py::test_nothing_is_left_behind",
    "tests/plugins/collectd/test_notifications.py::test_a_night_is_no_loss",
    "tests/plugins/collectd/test_life.py::test_forked_starts_and_stops",
    "tests/plugins/test_telegraf.py::test_the_last_lines_are_never_lost",
    "tests/fuzz/test_fuzz.py::test_a_short_search_finds_nothing",
    "tests/device/test_first_rounds.py::test_no_value_is_later_than_its_stretched_interval_says",
    "tests/device/test_first_rounds.py::test_it_is_there_soon_after_a_night_too",
    "tests/device/test_misbehaviour.py::test_nothing_is_believed_that_may_have_waited_for_long",
)


def rank(item):
    """Place of a test among the longest, behind them for all others."""
    name = item.nodeid.partition("[")[0]
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config, items):
    """Side by side, what takes longest begins first: nobody is left with it at the end.

    Those that wait are spread, since many of them at once would leave the processor idle.
    """
    if hasattr(config, "workerinput"):
        grouped, waiting, computing, short = [], [], [], []
        for item in sorted(items, key=rank):
            names = {mark.name for mark in item.iter_markers()}
            kinds = (GROUPED, grouped), (WAITING, waiting), (COMPUTING, computing)
            next((part for marks, part in kinds if names & marks), short).append(item)
        items[:] = grouped + spread(waiting, computing) + short


def spread(*parts):
    """Several lists as one, in which each of them is spread evenly."""
    placed = [(n / len(part), item) for part in parts for n, item in enumerate(part)]
    return [item for _, item in sorted(placed, key=lambda entry: entry[0])]


@hypothesis.settings(max_examples=1, database=None, deadline=None)
@hypothesis.given(st.none())
def first_example(_nothing):
    """With it hypothesis makes its source of chance, and looks whether anybody else refers to that.

    That of Debian 13 finds nobody among what garbage is not looked for in.
    """


@pytest.hookimpl(hookwrapper=True)
def pytest_collection():
    """What is made here stays to the end, so nobody need look for garbage among it again."""
    gc.disable()
    yield
    first_example()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Slow tests run without being measured by ``make coverage``: they would take twice as long.

    The short ones run the same lines, and so do the processes that a slow one starts. Where they
    do not, the slow one is marked as measured.
    """
    marks = {mark.name for mark in item.iter_markers()}
    with virtual.untraced() if "slow" in marks and "measured" not in marks else nullcontext():
        yield


@pytest.fixture
def unmeasured(monkeypatch):
    """Measure no coverage of processes that the test starts, since there are so many of them.

    Others start them too.
    """
    for name in tuple(os.environ):
        if name.startswith("COVERAGE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def golden(request):
    """Compare a text with a file in tests/golden; with --update, write it there."""

    def compare(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {name}; accept it with pytest --update"
        expected = path.read_text(encoding="utf-8")

        assert expected == text

    return compare


@pytest.fixture(scope="session")
def telegraf():
    """A real Telegraf, or a skip; on a build server its absence is a failure."""
    return os.environ.get("TELEGRAF") or lacking("TELEGRAF, see tools/telegraf.py")
