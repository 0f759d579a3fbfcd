"""The service: signals, systemd and what it is told, in virtual time and as a real process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys

import pytest

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.errors import ConfigError
from rct_collector.lines import lock
from rct_collector.model import Batch, Health
from rct_collector.service.daemon import LOOK_S, Daemon
from rct_collector.service.logs import Logs
from rct_collector.service.watchdog import GRACE_S, ROUNDS
from tests.inverter import running_inverter
from tests.processes import nobody
from tests.scripted import ScriptedUnit
from tests.virtual import AtOnce, Plug, VirtualClock, run


class Manager:
    """Takes what a service tells; stands in for the notifier."""

    def __init__(self, loop, watchdog_s=None):
        self._loop = loop
        self.watchdog_s = watchdog_s
        self.told = []

    def __getattr__(self, name):
        return lambda *words: self.told.append((round(self._loop.time() - 1000, 1), name, *words))

    def of(self, kind):
        return [(at, *words) for at, name, *words in self.told if name == kind]


class Strangers(type(lock._ours)):
    """So that two collectors of a test are to each other as two processes would be."""

    def get(self, *_):
        return None


class Board:
    """Leads each host to its own unit."""

    def __init__(self, *hosts):
        self.plugs = {host: Plug(ScriptedUnit()) for host in hosts}

    async def __call__(self, address, *rest):
        name = address.place.removeprefix("tcp://").partition(":")[0].removesuffix(".test")
        return await self.plugs[name](address, *rest)


def file(path, *names, **more):
    """Write a configuration."""
    lines = [f"  - {{name: {name}, driver: rct, address: 'tcp://{name}.test'}}" for name in names]
    common = [f"{key}: {value}" for key, value in more.items()]
    path.write_text("\n".join([*common, "devices:", *lines]) + "\n")


def hang_up(loop):
    """What the loop calls for the signal; in virtual time it looks at no real ones."""
    loop._signal_handlers[signal.SIGHUP]._run()


@contextlib.asynccontextmanager
async def running(loop, path, *hosts, watchdog_s=None, locked=False):
    """A daemon at work, with its manager and the units."""
    loop.set_default_executor(AtOnce())
    board, manager = Board(*hosts), Manager(loop, watchdog_s)
    options = Options(clock=VirtualClock(loop), opener=board, lock=locked)
    daemon = Daemon(Config.load(path), path, manager, Logs(str(path)), options=options)
    task = asyncio.create_task(daemon.run())
    try:
        yield daemon, manager, board
    finally:
        daemon.stop()
        await task


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where the configuration is; the log is left as the tests have it."""
    monkeypatch.setattr(Logs, "apply", lambda *_: None)
    return tmp_path / "config.yaml"


@pytest.mark.slow
@pytest.mark.measured
def test_it_is_ready_at_once_and_tells_how_its_devices_do(path):
    file(path, "roof", "barn")

    async def main(loop):
        async with running(loop, path, "roof", "barn") as (daemon, manager, board):
            board.plugs["barn"].refuse = "connection refused"
            await asyncio.sleep(60)
            board.plugs["barn"].refuse = ""
            await asyncio.sleep(120)
            names = [device.name for device in daemon.collector.devices]
        return manager, names

    manager, names = run(main)
    assert manager.told[0] == (0.0, "ready", "0 of 2 devices up")
    texts = [text for _, text in manager.of("status")]
    assert any(
        text.startswith("1 of 2 devices up; barn away since ")
        and text.endswith("(connection refused)")
        for text in texts
    ), texts
    assert texts[-1] == "2 of 2 devices up"
    assert len(texts) < 8, "only what has changed is told"
    assert manager.told[-1][1:] == ("stopping",)
    assert not manager.of("alive"), "nobody has asked for that"
    assert names == ["roof", "barn"]


@pytest.mark.slow
def test_many_that_are_away_are_not_all_named(path):
    names = [f"unit{n}" for n in range(5)]
    file(path, *names)

    async def main(loop):
        async with running(loop, path, *names) as (_, manager, board):
            for plug in board.plugs.values():
                plug.refuse = "no route to host"
            await asyncio.sleep(60)
        return manager

    (_, text) = run(main).of("status")[-1]
    assert text.startswith("0 of 5 devices up; unit0 away since ")
    assert text.count("away since") == 3
    assert text.endswith("; and 2 more")


def test_units_behind_a_device_and_those_removed_are_not_counted(path):
    file(path, "roof")

    async def main(loop):
        async with running(loop, path, "roof") as (daemon, _, _):
            daemon._emit(Batch("roof", "rct", (), 0, (), 10.0, health=Health(up=True), unit="7F"))
            assert not daemon._health
            daemon._emit(Batch("roof", "rct", (), 0, (), 10.0, health=Health(up=True)))
            daemon._emit(Batch("roof", "rct", (), 0, (), 10.0, health=Health(removed=True)))
            assert not daemon._health

    run(main)


# -- the watchdog ------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_is_fed_often_enough_also_while_a_unit_is_away(path):
    file(path, "roof", "barn")

    async def main(loop):
        async with running(loop, path, "roof", "barn", watchdog_s=6.0) as (_, manager, board):
            board.plugs["barn"].refuse = "connection refused"
            await asyncio.sleep(200)
        return [at for at, *_ in manager.of("alive")]

    fed = run(main)
    assert fed[0] == 0
    gaps = [b - a for a, b in zip(fed, fed[1:], strict=False)]
    assert max(gaps) <= 2.1
    assert fed[-1] > 195


@pytest.mark.slow
@pytest.mark.measured
def test_it_is_not_fed_while_the_rounds_of_a_device_do_not_end(path, monkeypatch, caplog):
    file(path, "roof", "barn")
    real, hangs = Device.round, asyncio.Event()

    async def round_(self, limit=None):
        if self.name == "barn" and self.rounds > 2 and not hangs.is_set():
            await hangs.wait()
        await real(self, limit)

    monkeypatch.setattr(Device, "round", round_)

    async def main(loop):
        async with running(loop, path, "roof", "barn", watchdog_s=30.0) as (_, manager, _):
            await asyncio.sleep(400)
            starved = manager.of("alive")[-1][0]
            hangs.set()
            await asyncio.sleep(30)
        return starved, manager.of("alive")[-1][0]

    with caplog.at_level(logging.CRITICAL):
        starved, again = run(main)
    patience = ROUNDS * 10 + GRACE_S
    assert patience < starved < patience + 50
    assert again > 400, "it goes on where it was a matter of time"
    told = [record.getMessage() for record in caplog.records]
    assert told == ["bug: no round of barn ends any more"]


def test_a_device_of_another_process_is_not_watched(path, monkeypatch):
    """Its rounds are the other's, which may do them far less often."""
    monkeypatch.setattr(lock, "_ours", Strangers())
    host = f"watched{os.getpid()}"
    file(path, host)

    async def main(loop):
        slow = {"name": "theirs", "driver": "rct", "address": f"tcp://{host}.test"}
        intervals = dict.fromkeys(("fast", "medium", "slow", "static"), "20m")
        theirs = Config.parse({"devices": [{**slow, "intervals": intervals}]})
        shared = Options(clock=VirtualClock(loop), opener=Board(host))
        owner = asyncio.create_task(Collector(theirs, lambda _: None, shared).run())
        await asyncio.sleep(5)
        async with running(loop, path, host, watchdog_s=30.0, locked=True) as (daemon, manager, _):
            await asyncio.sleep(1000)
            rounds = [device.rounds for device in daemon.collector.devices]
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
        return rounds, manager.of("alive")[-1][0]

    (rounds,), fed = run(main)
    assert rounds < 5
    assert fed > 960


def test_a_device_that_begins_anew_after_a_bug_is_at_work(path, monkeypatch):
    file(path, "roof")

    async def round_(self, limit=None):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Device, "round", round_)

    async def main(loop):
        async with running(loop, path, "roof", watchdog_s=30.0) as (_, manager, _):
            await asyncio.sleep(110)
        return manager.of("alive")[-1][0]

    assert run(main) > 110 - 2 * LOOK_S


# -- reload ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_signal_has_the_file_read_again_without_a_disturbance_of_others(path):
    file(path, "roof", "barn")

    async def main(loop):
        async with running(loop, path, "roof", "barn", "shed") as (daemon, manager, board):
            await asyncio.sleep(31)
            file(path, "roof", "shed", prefix="solar")
            hang_up(loop)
            await asyncio.sleep(31)
            names = [device.name for device in daemon.collector.devices]
            assert len(board.plugs["roof"].attempts) == 1
        return names, manager

    names, manager = run(main)
    assert names == ["roof", "shed"]
    kinds = [kind for _, kind, *_ in manager.told]
    assert kinds.count("reloading") == 1
    assert kinds[kinds.index("reloading") + 1] == "ready"
    assert manager.of("status")[-1][1] == "2 of 2 devices up"


def test_a_wrong_file_changes_nothing_and_is_told(path, caplog):
    file(path, "roof")

    async def main(loop):
        async with running(loop, path, "roof") as (daemon, manager, _):
            await asyncio.sleep(31)
            path.write_text("devices: [{name: roof}]\n")
            hang_up(loop)
            await asyncio.sleep(1)
            with pytest.raises(ConfigError):
                await daemon.collector.broker.reload()
            await asyncio.sleep(30)
            return [device.rounds for device in daemon.collector.devices], manager

    with caplog.at_level(logging.ERROR):
        (rounds,), manager = run(main)
    assert rounds > 5
    assert "devices[0]: driver is missing" in caplog.text
    kinds = [kind for _, kind, *_ in manager.told]
    assert kinds.count("reloading") == kinds.count("ready") - 1 == 2


# -- a process of its own ------------------------------------------------------------------------


@pytest.fixture
def systemd(tmp_path):
    """The manager's socket, and what it was told up to a word."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(60)
        found = []

        def until(word):
            while not any(word in text for text in found):
                found.append(sock.recv(4096).decode())
            told = found[:]
            found.clear()
            return told

        yield until


@pytest.fixture
def daemon(tmp_path, systemd):
    """Start the real command; it is gone when the test is."""
    with contextlib.ExitStack() as stack:

        def start(text, *options):
            path = tmp_path / "real.yaml"
            path.write_text(f"state_dir: {tmp_path}/state\n{text}")
            environment = {
                **os.environ,
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "1500000",
            }
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "rct_collector", *options, "daemon", "-c", path],
                    env=environment,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            return process, path

        yield start


def device(name, address):
    return f"  - {{name: {name}, driver: rct, address: '{address}'}}\n"


def command(*words):
    """What another command prints, which asks at the door."""
    own = [sys.executable, "-m", "rct_collector", *map(str, words)]
    return subprocess.run(own, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_the_command_tells_systemd_reloads_and_ends(daemon, systemd):
    with running_inverter() as inverter:
        process, path = daemon("devices:\n" + device("roof", inverter.address))
        first, *_ = systemd("READY=1")
        assert first.startswith("READY=1\nSTATUS=")
        systemd("STATUS=1 of 1 device up")
        systemd("WATCHDOG=1")
        only = ("--only", "inverter_power.grid_watts", "--format", "influx")
        assert " grid_watts=" in command("read", "-c", path, *only)
        assert command("status", inverter.address).splitlines()
        path.write_text(path.read_text() + device("barn", nobody()))
        process.send_signal(signal.SIGHUP)
        told = systemd("READY=1")
        reloading = next(text for text in told if text.startswith("RELOADING=1"))
        assert "MONOTONIC_USEC=" in reloading
        systemd("STATUS=1 of 2 devices up; barn away since")
        path.write_text("devices: []\n")
        process.send_signal(signal.SIGHUP)
        systemd("READY=1")
        process.terminate()
        systemd("STOPPING=1")
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "1 device added (barn), 1 unchanged" in err
    assert f"ERROR: {path}: devices: found [], expected a list with at least one device" in err
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("devices: []\n", "devices: found [], expected a list with at least one device"),
        (
            "logging: {handlers: {f: {class: logging.FileHandler, filename: /no/where}}}\n"
            "devices:\n" + device("roof", "tcp://192.0.2.1"),
            "logging.handlers.f: cannot be set up: /no/where: No such file or directory",
        ),
    ],
)
def test_a_wrong_file_ends_the_command_before_it_is_ready(daemon, text, told):
    process, path = daemon(text)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == f"Error: {path}: {told}\n"
