"""Faults and lost devices as notifications, which collectd's log takes too."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest

from rct_collector.drivers.rct.simulator.incidents import Incidents
from tests.inverter import running_inverter
from tests.plugins.collectd.daemon import OFTEN, device, module
from tests.plugins.collectd.test_pipelines import PRESENT
from tests.processes import wait_for

pytestmark = [pytest.mark.collectd, pytest.mark.slow]

UP = "inverter-roof/bool-collector_up"


def notifications(daemon):
    """Severity, type instance and text of each."""
    pattern = r"Notification: severity = (\w+), .*type_instance = (\w+), message = (.*)"
    return re.findall(pattern, daemon.log())


def test_faults_and_losses_are_told_once_each(collectd, tmp_path, monkeypatch):
    words = [0, 0, 0, 0]
    monkeypatch.setattr(Incidents, "words", lambda *_: tuple(words))
    with running_inverter(seed=2) as inverter:
        unit = inverter.inverter.unit
        read = unit.read
        daemon = collectd(module(tmp_path, device("roof", inverter.address, OFTEN))).start()
        assert wait_for(lambda: len(daemon.rows("inverter-roof/power-grid")) >= 2)
        assert notifications(daemon) == []
        words[0] = 1 << 25
        assert wait_for(lambda: len(notifications(daemon)) >= 1)
        words[0] = 0
        assert wait_for(lambda: len(notifications(daemon)) >= 2)
        unit.read = lambda *_: None
        assert wait_for(lambda: len(notifications(daemon)) >= 3, 90)
        assert len([value for _, value in daemon.rows(UP) if value == 0]) >= 30
        unit.read = read
        assert wait_for(lambda: len(notifications(daemon)) >= 4)
    fault = "roof: fault 25 (insulation too low / implausible)"
    assert notifications(daemon) == [
        ("FAILURE", "fault_25_active", fault),
        ("OKAY", "fault_25_active", f"{fault} is over"),
        ("WARNING", "collector_up", "roof has not answered for 30 s"),
        ("OKAY", "collector_up", "roof answers again"),
    ]
    assert daemon.stop() < 2


@pytest.mark.parametrize("glob", ["inverter_collector.*", "*"])
def test_losses_are_told_whatever_is_excluded(collectd, tmp_path, glob):
    with running_inverter(seed=3) as inverter:
        read = inverter.inverter.unit.read
        lines = f'      Exclude "{glob}"\n' + OFTEN
        daemon = collectd(module(tmp_path, device("roof", inverter.address, lines))).start()
        asked = listened(inverter.inverter.unit)
        # Sun is to be known by its values, where they are wanted.
        grid = "inverter-roof/power-grid"
        assert wait_for(lambda: asked and (glob == "*" or len(daemon.rows(grid)) >= 2))
        inverter.inverter.unit.read = lambda *_: None
        assert wait_for(lambda: len(notifications(daemon)) >= 1, 90)
        inverter.inverter.unit.read = read
        assert wait_for(lambda: len(notifications(daemon)) >= 2)
    assert notifications(daemon) == [
        ("WARNING", "collector_up", "roof has not answered for 30 s"),
        ("OKAY", "collector_up", "roof answers again"),
    ]
    assert daemon.rows(UP) == []
    assert daemon.errors() == []


def listened(unit):
    """When the unit was asked, and whether it said anything: a growing list."""
    heard = []
    read = unit.read

    def listening(oid, unix):
        payload = read(oid, unix)
        heard.append((time.time(), payload is not None))
        return payload

    unit.read = listening
    return heard


def held(unit):
    """Let the unit's world stand still, until what is returned is called."""
    read, latest, begun = unit.read, unit.start, None

    def reading(oid, unix):
        nonlocal latest
        latest = unix
        return read(oid, unit.start if begun is None else unit.start + unix - begun)

    def go_on():
        nonlocal begun
        begun = latest

    unit.read = reading
    return go_on


def test_a_night_is_no_loss(collectd, tmp_path):
    """The unit switches itself off when the sun goes, and comes back with it."""
    # Some seconds of an evening without faults, once all is known, and about fifty of a night.
    # What was before is left to others, since it takes time of rounds as short as these.
    june = {"start": 1782036000.0, "sun": 17.5, "speed": 720.0}
    with running_inverter("night-off", seed=5, **june) as inverter:
        go_on = held(inverter.inverter.unit)
        heard = listened(inverter.inverter.unit)
        options = PRESENT + OFTEN
        daemon = collectd(module(tmp_path, device("roof", inverter.address, options))).start()

        def silent():
            return [value for _, value in daemon.rows(UP)].count(0.0)

        def measured():
            return {name for name in daemon.names() if "-collector_" not in name}

        assert wait_for(lambda: len(measured()) > 30, 120), daemon.log()
        go_on()
        assert wait_for(lambda: silent() > 30, 120), daemon.log()
        evening = measured()
        assert wait_for(lambda: daemon.rows(UP)[-1][1] == 1, 120), daemon.log()
        last = daemon.rows(UP)[-1][0]
        assert wait_for(lambda: daemon.rows("inverter-roof/power-grid")[-1][0] > last)
        daemon.stop()
    answered = [when for when, answer in heard if answer]
    dusk, dawn = max(pairwise(answered), key=lambda pair: pair[1] - pair[0])
    assert any(dusk < when < dawn for when, _ in heard), "it goes on asking"
    for name in evening:
        # A round has the time of its first answer, which was under way for a moment.
        assert [t for t, _ in daemon.rows(name) if dusk + 1 < t < dawn] == [], name
    assert notifications(daemon) == []
    # A line on which nothing comes is opened anew, and that is said once.
    warnings = re.findall(r"\[warning\].*roof: (.*)", daemon.log())
    assert all("no valid answer" in text for text in warnings)
    assert len(warnings) <= 1
    assert daemon.errors() == []
