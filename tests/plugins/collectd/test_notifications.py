"""Faults and lost devices as notifications, which collectd's log takes too."""

from __future__ import annotations

import re

import pytest

from rct_collector.drivers.rct.simulator.incidents import Incidents
from tests.inverter import running_inverter
from tests.plugins.collectd.daemon import device, module
from tests.processes import wait_for

pytestmark = pytest.mark.collectd


def notifications(daemon):
    """Severity, type instance and text of each."""
    pattern = r"Notification: severity = (\w+), .*type_instance = (\w+), message = (.*)"
    return re.findall(pattern, daemon.log())


def test_faults_and_losses_are_told_once_each(collectd, tmp_path, monkeypatch):
    words = [0, 0, 0, 0]
    monkeypatch.setattr(Incidents, "words", lambda *_: tuple(words))
    with running_inverter(seed=2) as inverter:
        port = inverter.port
        daemon = collectd(module(tmp_path, device("roof", inverter.address))).start()
        assert wait_for(lambda: len(daemon.rows("inverter-roof/power-grid")) >= 2)
        assert notifications(daemon) == []
        words[0] = 1 << 25
        assert wait_for(lambda: len(notifications(daemon)) >= 1)
        words[0] = 0
        assert wait_for(lambda: len(notifications(daemon)) >= 2)
    assert wait_for(lambda: len(notifications(daemon)) >= 3)
    with running_inverter(seed=2, port=port):
        assert wait_for(lambda: len(notifications(daemon)) >= 4)
    fault = "roof: fault 25 (insulation too low / implausible)"
    assert notifications(daemon) == [
        ("FAILURE", "fault_25_active", fault),
        ("OKAY", "fault_25_active", f"{fault} is over"),
        ("FAILURE", "collector_up", "roof does not answer"),
        ("OKAY", "collector_up", "roof answers again"),
    ]
    assert daemon.stop() < 2
