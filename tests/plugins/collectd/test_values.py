"""What the inverter sends is what collectd's writers get."""

from __future__ import annotations

import re
import urllib.request

import pytest

from rct_collector.drivers import driver
from rct_collector.drivers import series as every_series
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.table import BY_OID
from tests.inverter import running_inverter
from tests.plugins.collectd.daemon import QUICK, ask, device, module
from tests.processes import free_port, wait_for

pytestmark = pytest.mark.collectd

UP = "inverter-roof/bool-collector_up"


def spy(unit):
    """Object id → payloads that the unit sent."""
    sent = {}
    read = unit.read

    def spying(oid, unix):
        payload = read(oid, unix)
        if payload is not None:
            sent.setdefault(oid, set()).add(payload)
        return payload

    unit.read = spying
    return sent


def published(sent):
    """Name in collectd → values that it may have, as its csv file writes them."""
    oids = {item.name: oid for oid, item in BY_OID.items()}
    found = {}
    for series, query, binding in driver("rct").found():
        payloads = sent.get(oids[query.name], ())
        if series.collectd is None or binding.part.endswith("time"):
            continue
        place = f"inverter-roof/{series.collectd.type}-{series.collectd.type_instance}"
        for payload in payloads:
            values = binding.convert(wire.decode(query.type, payload), None)
            value = values[binding.series.index(series)]
            if value is not None:
                found.setdefault(place, set()).add(float(f"{value:.6f}"))
    return found


def test_values_are_those_that_the_inverter_sent(collectd, tmp_path):
    with running_inverter(seed=3) as inverter:
        sent = spy(inverter.inverter.unit)
        daemon = collectd(module(tmp_path, device("roof", inverter.address))).start()
        day = "inverter-roof/energy_wh-pv_day"
        assert wait_for(lambda: len(daemon.rows(day)) >= 2, 120), daemon.log()
        daemon.stop()
    expected = published(sent)
    compared = 0
    for name in daemon.names() & expected.keys():
        rows = daemon.rows(name)
        assert {value for _, value in rows} <= expected[name], name
        assert [time for time, _ in rows] == sorted({time for time, _ in rows}), name
        compared += len(rows)
    assert compared > 500
    assert len(daemon.names() & expected.keys()) > 150
    assert daemon.errors() == []


def test_a_round_has_one_time_and_names_are_those_of_the_catalogue(collectd, tmp_path, inverter):
    daemon = collectd(module(tmp_path, device("roof", inverter.address))).start()
    assert wait_for(lambda: len(daemon.rows(UP)) >= 3)
    daemon.stop()
    places = {f"inverter-roof/{'-'.join(s.collectd)}" for s in every_series() if s.collectd}
    assert daemon.names() <= places
    same = ("power-grid", "voltage-grid_l1")
    times = [{t for t, _ in daemon.rows(f"inverter-roof/{name}")} for name in same]
    assert times[0] == times[1] <= {t for t, _ in daemon.rows(UP)}


def test_two_devices_in_one_module_and_in_two(collectd, tmp_path, inverter):
    with running_inverter(seed=7) as second, running_inverter(seed=8) as third:
        daemon = collectd(
            module(tmp_path, device("roof", inverter.address), device("barn.1", second.address)),
            module(tmp_path, 'Prefix "solar"', device("shed", third.address)),
        ).start()
        wait_for(lambda: len({n.partition("/")[0] for n in daemon.names()}) >= 3)
        assert daemon.stop() < 2
    assert {n.partition("/")[0] for n in daemon.names()} == {
        "inverter-roof",
        "inverter-barn_1",
        "solar-shed",
    }
    assert daemon.errors() == []


def test_the_yaml_file_serves_collectd_too(collectd, write_config, inverter):
    path = write_config(inverter.address)
    lines = f'  <Module rct_collector_collectd>\n    Config "{path}"\n  </Module>'
    daemon = collectd(lines).start()
    assert wait_for(lambda: daemon.rows("inverter-unit0/power-grid")), daemon.log()
    assert daemon.errors() == []


def test_unixsock_has_the_last_values(collectd, tmp_path, inverter):
    path = tmp_path / "sock"
    extra = f'LoadPlugin unixsock\n<Plugin unixsock>\n  SocketFile "{path}"\n  SocketGroup "root"\n'
    daemon = collectd(
        module(tmp_path, device("roof", inverter.address)), extra=extra + "</Plugin>\n"
    ).start()
    assert wait_for(lambda: daemon.rows(UP))
    listed = {line.split()[1] for line in ask(path, "LISTVAL")}
    (power,) = ask(path, 'GETVAL "solar1/inverter-roof/power-grid"')
    assert listed >= {f"solar1/{UP}", "solar1/inverter-roof/power-grid"}
    shown = float(power.removeprefix("value="))
    assert any(
        shown == pytest.approx(v, rel=1e-5) for _, v in daemon.rows("inverter-roof/power-grid")
    )


def test_prometheus_names(collectd, tmp_path, inverter):
    port = free_port()
    extra = f'LoadPlugin write_prometheus\n<Plugin write_prometheus>\n  Port "{port}"\n</Plugin>\n'
    lines = module(tmp_path, device("roof", inverter.address))
    daemon = collectd(lines, extra=extra).start()

    def scrape():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    text = wait_for(lambda: (t := scrape()) and "collector_up" in t and t)
    labels = r'\{inverter="roof",type="(\w+)",instance="solar1"\}'
    found = {(m[1], m[2]) for m in re.finditer(rf"^(\w+){labels} \S+", text, re.M)}
    assert {
        ("collectd_inverter_power", "grid"),
        ("collectd_inverter_bool", "collector_up"),
    } <= found
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name, _ in found)
    assert daemon.errors() == []


def test_labels_go_along_as_meta_data(collectd, tmp_path, inverter):
    extra = "LoadPlugin write_log\n<Plugin write_log>\n  Format JSON\n</Plugin>\n"
    labels = '      <Labels>\n        site "home"\n      </Labels>\n'
    daemon = collectd(
        module(tmp_path, device("roof", inverter.address, QUICK + labels)), extra=extra
    ).start()
    assert wait_for(lambda: '"meta":{"site":"home"}' in daemon.log())
    assert wait_for(lambda: '"interval":2.000' in daemon.log())
    assert wait_for(lambda: '"interval":3600.000' in daemon.log())


def test_an_inverter_that_goes_and_comes_back(collectd, tmp_path):
    power = "inverter-roof/power-grid"
    with running_inverter(seed=4) as inverter:
        port = inverter.port
        daemon = collectd(module(tmp_path, device("roof", inverter.address))).start()
        assert wait_for(lambda: len(daemon.rows(power)) >= 2)
    assert wait_for(lambda: daemon.rows(UP)[-1][1] == 0), daemon.log()
    gone = len(daemon.rows(power))
    assert wait_for(lambda: len(daemon.rows(UP)) > gone + 2)
    assert len(daemon.rows(power)) == gone, "nothing is repeated"
    with running_inverter(seed=4, port=port):
        assert wait_for(lambda: daemon.rows(UP)[-1][1] == 1), daemon.log()
        assert wait_for(lambda: len(daemon.rows(power)) > gone)
    assert len(re.findall(r"\[warning\] rct_collector: roof: ", daemon.log())) <= 2
    assert daemon.stop() < 2
    assert daemon.errors() == []
