"""``rct-collector status``: words for people, JSON for programs, a status for monitoring."""

import json
import os
import sys
import time

import pytest

from rct_collector.adapter.background import Background
from rct_collector.config import Config
from rct_collector.control import doors
from rct_collector.control.doors import Door, Seen
from rct_collector.lines.lock import lock_name
from tests.addresses import tcp
from tests.inverter import running_inverter
from tests.needs import lacking

#: A door of this user, in this process.
DOOR = Door(b"\0rct-collector/tcp/192.0.2.1/8899", os.geteuid(), os.getpid())


#: When the devices of these answers are looked at.
NOW = 1_780_000_000.0


def device(source="roof", *, up=True, ago=180.0, address="tcp://192.0.2.1", **more):
    return {
        "source": source, "driver": "rct", "vendor": "rct", "address": address, "up": up,
        "since": NOW - ago, "missed": 0 if up else 3, "error": "" if up else "no route to host",
        "time": NOW - 5, "interval": 10.0, "rounds": 7, "labels": {}, "units": [], "writes": [],
        "totals": {}, "subscribers_cut": 0, **more,
    }  # fmt: skip


def answer(*devices, door=DOOR):
    collector = {"version": "9.8.7", "pid": door.pid, "program": "rct-collector-telegraf",
                 "since": 1.0, "clients": 1}  # fmt: skip
    return Seen(door, {"collector": collector, "devices": list(devices)})


SILENT = Seen(DOOR._replace(name=lock_name(tcp("silent.test").key)), None, "not answered")


def as_of_now(seen):
    """The same answer, as old as it is by NOW, however long the test has waited for its turn."""
    if seen.status is None:
        return seen
    later = time.time() - NOW
    moved = [
        {**told, **{key: told[key] and told[key] + later for key in ("since", "time")}}
        for told in seen.status["devices"]
    ]
    return seen._replace(status={**seen.status, "devices": moved})


@pytest.fixture
def host(monkeypatch):
    """A host on which those are who answer so."""

    def answers(*seen):
        async def survey(*, timeout):
            assert timeout > 0
            return [as_of_now(one) for one in seen]

        monkeypatch.setattr(doors, "survey", survey)

    return answers


@pytest.mark.parametrize(
    ("seen", "arguments", "status", "text"),
    [
        ([answer(device())], [], 0, "OK: 1 device up"),
        ([answer(device()), answer(device("barn"))], [], 0, "OK: 2 devices up"),
        ([], [], 3, "UNKNOWN: nobody on this host collects from anything"),
        ([answer(device(up=False))], [], 1, "WARNING: roof: no answer for 3 min: no route"),
        ([answer(device(up=False, ago=600))], [], 2, "CRITICAL: roof: no answer for 10 min: no"),
        ([answer(device(up=False, ago=600))], ["--critical", "1h"], 1, "WARNING: roof: no answer"),
        ([SILENT], [], 3, "UNKNOWN: tcp/silent.test/8899: not answered"),
        ([SILENT, answer(device(up=False))], [], 3, "UNKNOWN: tcp/silent.test/8899"),
        ([SILENT, answer(device(up=False, ago=900))], [], 2, "CRITICAL: tcp/silent.test/8899"),
        ([SILENT, answer(device())], ["roof"], 0, "OK: 1 device up"),
        ([answer(device())], ["barn"], 2, "CRITICAL: barn: nobody on this host collects from it"),
        ([answer(device())], ["rof"], 2, "CRITICAL: rof: nobody on this host collects from it (d"),
        ([answer(device())], ["roof", "barn"], 2, "CRITICAL: barn: nobody"),
        ([answer(device())], ["roof", "tcp://192.0.2.1:8899"], 0, "OK: 1 device up"),
        ([answer(device())], ["tcp://192.0.2.2"], 2, "CRITICAL: tcp://192.0.2.2: nobody"),
        ([answer(device())], ["tcp://"], 2, "CRITICAL: tcp://: nobody"),
        ([answer(device(), device("barn", up=False))], ["roof"], 0, "OK: 1 device up"),
    ],
)  # fmt: skip
def test_the_first_line_says_how_it_stands_and_the_status_too(
    run, host, seen, arguments, status, text
):
    host(*seen)
    result = run("status", *arguments)
    assert result.exit_code == status
    assert result.stdout.splitlines()[0].startswith(text)


def test_the_table_names_devices_and_collectors(run, host):
    host(answer(device(), device("barn", up=False, time=None)), SILENT)
    _, blank, head, *rows = run("status").stdout.splitlines()
    assert blank == ""
    assert head.split("  ")[0] == "device"
    assert "tcp://192.0.2.1" in rows[0]
    assert f"rct-collector-telegraf 9.8.7, process {os.getpid()}, user " in rows[0]
    assert [row.split()[0] for row in rows] == ["roof", "barn", "tcp/silent.test/8899"]


def test_json_has_everything(run, host):
    host(answer(device()), SILENT)
    result = run("status", "--format", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 3
    assert found["state"] == "unknown"
    assert found["text"] == "tcp/silent.test/8899: not answered"
    roof, silent = found["devices"]
    assert (roof["source"], roof["state"], roof["rounds"]) == ("roof", "ok", 7)
    assert roof["collector"]["pid"] == os.getpid()
    assert roof["collector"]["uid"] == os.geteuid()
    assert (silent["state"], silent["text"]) == ("unknown", "not answered")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--critical", "soon"], ["-f", "xml"]])
def test_wrong_usage_is_no_critical_device(run, arguments):
    """Monitoring would wake somebody up for it."""
    assert run("status", *arguments).exit_code == 3


def test_the_help_tells_what_the_status_means(run):
    text = run("status", "--help").stdout
    for line in ("0  All devices are up.", "1  Warning:", "2  Critical:", "3  Unknown:"):
        assert line in text


@pytest.mark.slow
def test_a_collector_of_this_host_answers(run, tmp_path):
    if not sys.platform.startswith("linux"):
        lacking("abstract sockets, which are Linux's own")
    with running_inverter() as unit:
        entry = {"name": f"roof-{unit.port}", "driver": "rct", "address": unit.address}
        background = Background([Config.parse({"devices": [entry], "state_dir": str(tmp_path)})])
        background.start(5)
        try:
            end = time.monotonic() + 30
            while (result := run("status", unit.address)).exit_code and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            assert background.stop(5)
        assert result.stdout.startswith("OK: 1 device up")
        assert f"roof-{unit.port}" in result.stdout
        gone = run("status", f"roof-{unit.port}")
    assert gone.exit_code == 2
