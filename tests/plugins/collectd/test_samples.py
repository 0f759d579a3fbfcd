"""What the documentation says to write into collectd's configuration works."""

from __future__ import annotations

import re

import pytest

from rct_collector.config import Config, DeviceConfig, Intervals
from rct_collector.config.options import HistoryOptions
from rct_collector.docs import samples, tables
from rct_collector.drivers import families
from rct_collector.option import options
from tests.plugins.collectd.daemon import PLUGIN
from tests.processes import wait_for


def local(text, paths, folder, address):
    """A documented configuration with the places of this host."""
    lines = "\n".join(f'ModulePath "{path}"' for path in paths)
    block = "<Module rct_collector_collectd>"
    text = re.sub(r'ModulePath ".*"', lines, text)
    text = text.replace(block, f'{block}\n    StateDir "{folder}/state"')
    return text.replace("tcp://192.0.2.10:8899", address)


def documented():
    text = (PLUGIN / "README.md").read_text(encoding="utf-8")
    (minimal,) = re.findall(r"^## Minimal.*?```apache\n(.*?)```", text, re.M | re.S)
    sample = samples.collectd_conf()
    inline = re.sub(r"^    #(?! [.A-Z])", "    ", sample, flags=re.M)
    return {"minimal": minimal, "inline": re.sub(r' *Config ".*"\n', "", inline)}


@pytest.mark.collectd
@pytest.mark.parametrize("which", ["minimal", "inline"])
def test_documented_configurations_work(collectd, tmp_path, inverter, which):
    daemon = collectd()
    head, _, _ = daemon.config.read_text().partition("LoadPlugin python")
    paths = re.findall(r'ModulePath "(.*)"', daemon.config.read_text())
    text = local(documented()[which], paths, tmp_path, inverter.address)
    daemon.config.write_text(head + text)
    daemon.start()
    assert wait_for(lambda: daemon.rows("inverter-roof/power-grid")), daemon.log()
    assert daemon.errors() == []


@pytest.mark.collectd
def test_the_sample_with_a_file_works(collectd, write_config, inverter):
    daemon = collectd()
    head, _, _ = daemon.config.read_text().partition("LoadPlugin python")
    paths = "\n".join(re.findall(r"ModulePath .*", daemon.config.read_text()))
    path = write_config(inverter.address)
    text = re.sub(r"ModulePath .*", paths, samples.collectd_conf())
    daemon.config.write_text(head + text.replace("/etc/rct-collector/config.yaml", str(path)))
    daemon.start()
    assert wait_for(lambda: daemon.rows("inverter-unit0/power-grid")), daemon.log()
    assert daemon.errors() == []


#: Where options are.
KINDS = (
    *(Config, DeviceConfig, Intervals, HistoryOptions),
    *(type(family.options) for family in families()),
    *(type(family.polled.pace) for family in families() if family.polled),
)


def test_the_table_has_every_option():
    shown = tables.collectd_options()
    # collectd has a log of its own, and is one process itself.
    others = {"logging", "processes"}
    count = sum(len(options(cls)) for cls in KINDS) - len(others)
    assert others <= set(options(Config))
    assert "Logging" not in shown
    assert "Processes" not in shown
    assert len(shown.splitlines()) == 2 + count
    assert "| `PerSecond` | Device, Requests | number | `5` |" in shown
