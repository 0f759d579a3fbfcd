"""Start, stop and mistakes: whatever happens, the daemon lives, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.inverter import running_inverter
from tests.plugins.collectd.daemon import PLUGIN, QUICK, ROOT, alive, device, module
from tests.processes import free_port, nobody, wait_for

pytestmark = pytest.mark.collectd

UP = "inverter-roof/bool-collector_up"
GRID = "inverter-roof/power-grid"
NOBODY = nobody()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_two_seconds(collectd, tmp_path, inverter, number):
    daemon = collectd(module(tmp_path, device("roof", inverter.address))).start()
    assert wait_for(lambda: daemon.rows(UP))
    assert daemon.stop(number) < 2
    assert daemon.errors() == []


def test_it_stops_right_after_the_start(collectd, tmp_path, inverter):
    daemon = collectd(module(tmp_path, device("roof", inverter.address)))
    for _ in range(5):
        assert daemon.start().ready().stop() < 2
        (tmp_path / "log").unlink()


def test_it_stops_although_the_name_of_a_device_is_not_found_out(collectd, tmp_path):
    address = "tcp://no.such.host.invalid"
    daemon = collectd(module(tmp_path, device("roof", address))).start()
    assert wait_for(lambda: daemon.rows(UP))
    assert daemon.stop() < 2


def test_it_leaves_its_host_the_files_that_it_needs(collectd, tmp_path):
    """Without any, csv and log starve, and it aborts where it ends its threads."""
    limit = 41  # so that there is room for a single device
    with running_inverter(host="0.0.0.0", latency=(0.0, 0.0), rate=1e9) as inverter:
        devices = [device(f"unit{n}", f"tcp://127.0.0.{n + 1}:{inverter.port}") for n in range(30)]
        daemon = collectd(module(tmp_path, *devices)).start(files=limit)
        assert wait_for(lambda: len(daemon.rows("inverter-unit0/power-grid")) >= 3), daemon.log()
        open_files = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
        assert daemon.stop() < 2
    assert open_files < limit - 20
    (line,) = daemon.errors()
    assert "of 30 devices are left out, " in line
    assert f": collectd may have {limit} open files and needs " in line
    assert "LimitNOFILE=" in line
    assert "Too many open files" not in daemon.output.read_text()


def test_its_files_are_read_again_when_it_is_told_to(collectd, tmp_path):
    """By the command, at the door of a device; others of this host are none of our business."""
    name, path = f"mine{os.getpid()}", tmp_path / "config.yaml"
    quick = "intervals: {fast: 2s, medium: 4s, slow: 4s}, requests: {per_second: 50, gap: 5ms}"

    def write(*devices, prefix="inverter"):
        lines = [f"  - {{name: {n}, driver: rct, address: '{a}', {quick}}}\n" for n, a in devices]
        path.write_text(
            f"prefix: {prefix}\nstate_dir: {tmp_path}/state\ndevices:\n{''.join(lines)}"
        )

    def reload():
        command = [sys.executable, "-m", "rct_collector", "reload", name]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    with running_inverter() as one, running_inverter(seed=2) as other:
        write((name, one.address))
        block = f'  <Module rct_collector_collectd>\n    Config "{path}"\n  </Module>'
        daemon = collectd(block).start()
        assert wait_for(lambda: daemon.rows(f"inverter-{name}/power-grid")), daemon.log()
        write((name, one.address), ("barn", other.address), prefix="solar")
        done = reload()
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert (
            first == f"collectd (process {daemon.process.pid}): 1 device added (barn), 1 unchanged"
        )
        assert second.startswith("  prefix: solar counts from the next start on")
        assert wait_for(lambda: daemon.rows("inverter-barn/power-grid")), daemon.log()
        path.write_text("devices: []\n")
        done = reload()
        assert done.returncode == 2
        assert "expected a list with at least one device" in done.stderr
        before = len(daemon.rows(f"inverter-{name}/power-grid"))
        assert wait_for(lambda: len(daemon.rows(f"inverter-{name}/power-grid")) > before)
        assert daemon.stop() < 2


def test_nothing_of_the_folder_that_it_is_started_in_is_imported(collectd, tmp_path, inverter):
    daemon = collectd(module(tmp_path, device("roof", inverter.address)))
    (tmp_path / "base/rct_collector").mkdir(parents=True)
    for name in ("yaml", "tenacity", "rctclient", "asyncio", "rct_collector/__init__"):
        for folder in (tmp_path, tmp_path / "base"):
            (folder / f"{name}.py").parent.mkdir(exist_ok=True)
            (folder / f"{name}.py").write_text("raise SystemExit('of the current folder')\n")
    daemon.start()
    assert wait_for(lambda: daemon.rows(UP)), daemon.log()
    assert daemon.stop() < 2
    assert daemon.errors() == []


#: The shortest round that brings something.
LITTLE = """
      Exclude "*"
      Include "inverter_power.grid_watts"
"""


@pytest.mark.slow
def test_forked_starts_and_stops(collectd, tmp_path, inverter):
    """Threads do not survive a fork, and half a fork of one may hang the child."""
    daemon = collectd(module(tmp_path, device("roof", inverter.address, QUICK + LITTLE)))
    for _ in range(50):
        before = daemon.rows(GRID)
        daemon.start(fork=True)
        assert daemon.process.wait(10) == 0
        pid = wait_for(daemon.pid)
        assert wait_for(lambda before=before: daemon.rows(GRID) != before), daemon.log()
        assert not alive(daemon.process.pid)
        started = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        assert wait_for(lambda pid=pid: not alive(pid), 10), "hangs"
        assert time.monotonic() - started < 2
    assert daemon.errors() == []


def test_reads_take_no_time_and_one_thread(collectd, tmp_path, inverter):
    daemon = collectd(module(tmp_path, device("roof", inverter.address))).start()
    assert wait_for(lambda: len(daemon.rows(UP)) >= 2)
    tasks = list(Path(f"/proc/{daemon.process.pid}/task").iterdir())
    assert len(tasks) <= 1 + 5 + 5 + 1, "main, readers, writers, and one of ours"
    used = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(") ")[2].split()
    assert (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK") < 3


# -- what is missing ---------------------------------------------------------------------------


def without(folder, name):
    """A folder for the front of the search path, where a library cannot be had."""
    shadow = folder / "shadow"
    shadow.mkdir()
    text = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
    (shadow / f"{name}.py").write_text(text)
    return shadow


def lives_with_one_line(daemon, words):
    daemon.start().ready()
    assert wait_for(daemon.errors)
    (line,) = daemon.errors()
    assert words in line
    assert "ModulePath" in line
    assert daemon.stop() < 2
    assert daemon.names() == set()


@pytest.mark.parametrize("name", ["rctclient", "asyncio"])
def test_a_missing_library_disables_the_plugin_only(collectd, packages, tmp_path, name):
    paths = (packages, ROOT, PLUGIN, without(tmp_path, name))
    daemon = collectd(module(tmp_path, device("roof", NOBODY)), paths=paths)
    lives_with_one_line(daemon, f"No module named '{name}'")


def test_without_yaml_blocks_work_and_files_do_not(
    collectd, packages, tmp_path, write_config, inverter
):
    paths = (packages, ROOT, PLUGIN, without(tmp_path, "yaml"))
    file = f'  <Module rct_collector_collectd>\n    Config "{write_config(NOBODY)}"\n  </Module>'
    blocks = module(tmp_path, device("roof", inverter.address))
    daemon = collectd(file, blocks, paths=paths).start()
    assert wait_for(lambda: daemon.rows(UP))
    (line,) = daemon.errors()
    assert "No module named 'yaml'" in line


def test_without_the_package_itself(collectd, packages, tmp_path):
    paths = (packages, PLUGIN, without(tmp_path, "rct_collector"))
    daemon = collectd(module(tmp_path, device("roof", NOBODY)), paths=paths)
    lives_with_one_line(daemon, "No module named 'rct_collector'")


def test_a_types_db_that_lacks_types_costs_the_values_of_those_only(collectd, tmp_path, inverter):
    few = tmp_path / "types.db"
    few.write_text("bool value:GAUGE:0:1\n")
    daemon = collectd(module(tmp_path, device("roof", inverter.address)))
    daemon.config.write_text(
        daemon.config.read_text().replace("/usr/share/collectd/types.db", str(few))
    )
    daemon.start()
    assert wait_for(lambda: len(daemon.rows(UP)) >= 2), daemon.log()
    ours = [line for line in daemon.errors() if "rct_collector" in line]
    assert len([line for line in ours if "the type 'power'" in line]) == 1
    assert all("does not know the type" in line for line in ours)
    assert daemon.stop() < 2


# -- what is wrong -----------------------------------------------------------------------------

MISTAKES = [
    (['    LogLevel "loud"', device("roof", NOBODY)], "log_level: found 'loud', expected error or"),
    (['    <Device "roof">\n      Driver rct\n    </Device>'], "devices[0]: address is missing"),
    (['    <Device "a" "b">\n      Driver rct\n    </Device>'], "found ['a', 'b'], expected up to"),
    ([device("roof", "host:8899")], "found 'host:8899', expected an address such as tcp://"),
    ([device("roof", NOBODY, "      Moon 5\n")], "Moon: unknown option"),
    ([device("roof", NOBODY, "      Cells 7\n")], "cells: found 7, expected true or false"),
    (['    Config "/nonexistent/config.yaml"'], "ignored beside Config: StateDir"),
]


@pytest.mark.parametrize(("lines", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_no_mistake_keeps_the_daemon_from_running(collectd, tmp_path, lines, words):
    daemon = collectd(module(tmp_path, *lines)).start().ready()
    assert any(words in line for line in daemon.errors()), daemon.log()
    assert any("there is no device to read" in line for line in daemon.errors())
    assert daemon.process.poll() is None
    assert daemon.stop() < 2


def test_a_device_with_a_mistake_is_left_out_and_the_others_work(collectd, tmp_path, inverter):
    daemon = collectd(
        module(tmp_path, device("bad", "nowhere"), device("roof", inverter.address)),
        module(tmp_path, device("roof", f"tcp://127.0.0.1:{free_port()}")),
        module(tmp_path, device("again", inverter.address)),
    ).start()
    assert wait_for(lambda: daemon.rows(UP))
    first, second, third = daemon.errors()
    assert "devices[0].address: found 'nowhere'" in first
    assert "roof is left out: another device is called 'roof' in collectd" in second
    assert "again is left out: " in third
    assert {name.partition("/")[0] for name in daemon.names()} == {"inverter-roof"}


def test_without_any_configuration_the_default_file_is_looked_for(collectd):
    daemon = collectd().start().ready()
    if Path("/etc/rct-collector/config.yaml").exists():
        pytest.skip("this host has a configuration of its own")
    assert "/etc/rct-collector/config.yaml: cannot be read" in daemon.errors()[0]
    assert daemon.stop() < 2
