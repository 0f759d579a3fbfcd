"""``rct-collector reload``: whoever collects is told, and says what has come of it."""

from __future__ import annotations

import os
import sys

import pytest

from rct_collector.control import doors
from rct_collector.control.doors import Door, Seen
from rct_collector.exits import Exit
from tests.inverter import running_inverter
from tests.processes import nobody, wait_for

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own"
)

#: There may be other collectors on the host, which are none of our business.
MINE = f"mine{os.getpid()}"


def device(name, address, **more):
    options = "".join(f", {key}: {value}" for key, value in more.items())
    return f"  - {{name: {name}, driver: rct, address: '{address}'{options}}}\n"


def reloaded(run):
    """What the command does once the collector has a door."""
    assert wait_for(lambda: run("reload", MINE).exit_code != Exit.UNREACHABLE)
    return run("reload", MINE)


@pytest.mark.slow
def test_the_collector_of_a_device_reads_its_file_again(run, start, tmp_path):
    with running_inverter() as inverter:
        path = tmp_path / "config.yaml"
        text = f"state_dir: {tmp_path}/state\ndevices:\n" + device(MINE, inverter.address)
        path.write_text(text)
        daemon = start("daemon", "-c", path)
        result = reloaded(run)
        who = f"rct-collector daemon (process {daemon.pid})"
        assert (result.exit_code, result.stdout) == (0, f"{who}: 1 device unchanged\n")
        path.write_text(text + device("barn", nobody()))
        assert run("reload", MINE).stdout == f"{who}: 1 device added (barn), 1 unchanged\n"
        # The very device at whose door it is asked for.
        path.write_text(f"prefix: solar\n{text.replace('}', ', cells: true}')}")
        result = run("reload", MINE)
        first, second = result.stdout.splitlines()
        assert first == f"{who}: 1 device removed (barn), 1 changed ({MINE})"
        assert second.startswith("  prefix: solar counts from the next start on")
        path.write_text("devices: []\n")
        result = reloaded(run)
        assert result.exit_code == 2
        assert result.stderr == (
            f"Error: {who}: {path}: devices: found [], expected a list with at least one device\n"
        )
        daemon.terminate()
        daemon.communicate(timeout=30)


def test_what_nobody_collects_from_is_told(run):
    result = run("reload", "no-such-device")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: nobody on this host collects from no-such-device")


def seen(pid, *names, since=1.0):
    status = {
        "collector": {"pid": pid, "since": since, "program": "collectd"},
        "devices": [{"source": name} for name in names],
    }
    return Seen(Door(b"\0no-such-door-%d" % pid, 0, pid), status)


def test_each_collector_is_told_once_whatever_doors_it_has(run, monkeypatch):
    found = [
        seen(7, "roof"),
        seen(7, "barn"),
        seen(8, "shed"),
        Seen(Door(b"\0nobody", 0, 1), None, "away"),
    ]

    async def survey():
        return found

    monkeypatch.setattr(doors, "survey", survey)
    result = run("reload")
    assert result.exit_code == 3
    told = result.stderr.splitlines()
    assert [line.partition(": nobody")[0] for line in told] == [
        "Error: collectd (process 7)",
        "Error: collectd (process 8)",
    ]
    assert len(run("reload", "barn").stderr.splitlines()) == 1
    assert "there are: barn, roof, shed" in run("reload", "attic").stderr
    found.clear()
    result = run("reload")
    assert result.exit_code == 3
    assert result.stderr == (
        "Error: nobody on this host collects from anything that could be asked\n"
    )
