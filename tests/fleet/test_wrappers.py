"""The agents' wrappers in a fleet: who takes part, who does not, and what is said of it."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from rct_collector import DeviceList
from rct_collector.config import Config
from rct_collector.device.options import Options
from rct_collector.fleet.service import Fleet
from rct_collector.reloading import Reloading
from rct_collector.service.daemon import Daemon
from rct_collector.service.logs import Logs
from tests.certificates import certificate
from tests.fleet.engine import FakeEngine
from tests.fleet.test_service import CONFIG, UNITS, Site, said
from tests.virtual import VirtualClock
from tests.virtual import run as in_virtual_time

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins/telegraf"
SECTION = "fleet: {etcd: 'http://127.0.0.1:1'}\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(SECTION)
    return path


# -- Telegraf ----------------------------------------------------------------------------------


def shim(*words, script="sys.exit(rct_collector_telegraf.main(sys.argv[1:]))"):
    code = (
        f"import sys; sys.path.insert(0, {str(PLUGIN)!r}); import rct_collector_telegraf\n{script}"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    )


@pytest.mark.slow
@pytest.mark.measured
def test_the_shim_knows_a_fleet(file):
    found = shim("--config", file, "--check")

    assert (found.returncode, found.stderr) == (0, f"I! {file} is right: a process of a fleet\n")


@pytest.mark.slow
@pytest.mark.measured
def test_a_single_round_is_too_short_for_a_fleet(file):
    found = shim("--config", file, "--once")

    assert found.returncode == 2
    assert found.stderr == (
        f"E! {file}: fleet: --once ends before it is clear which devices are this process's\n"
    )


@pytest.mark.slow
@pytest.mark.measured
def test_without_its_library_it_is_told_what_to_install(file):
    script = "sys.modules['aiohttp'] = None\nsys.exit(rct_collector_telegraf.main(sys.argv[1:]))"
    found = shim("--config", file, script=script)

    assert found.returncode == 2
    assert found.stderr == (
        "E! fleet: needs aiohttp: the Debian package python3-aiohttp, or with pip the extra"
        " rct-collector[fleet]\n"
    )


COLLECTOR = """
import rct_collector
class Collector:
    fitting = staticmethod(lambda configs: configs)
    def __init__(self, *_, restore, **__):
        sys.exit(f"restore: {restore}")
rct_collector.Collector = Collector
rct_collector_telegraf.main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize(
    ("text", "restore"),
    [
        (SECTION, "None"),
        ("devices: [{name: a, driver: rct, address: 'tcp://127.0.0.1:1'}]\n", "newest"),
    ],
)
def test_in_a_fleet_no_owner_hands_over_once_more_what_a_unit_remembers(file, text, restore):
    file.write_text(text)

    assert f"restore: {restore}" in shim("--config", file, script=COLLECTOR).stderr.splitlines()


ENCRYPTED = """
import asyncio, ssl
rct_collector_telegraf._have_asyncio_encrypt()
key, chain = sys.argv[1:]
async def main():
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, key)
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()
    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=chain)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    writer.write(b"hidden\\n")
    print((await reader.readline()).decode().strip())
    writer.close()
    listening.close()
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.measured
def test_the_shim_encrypts_where_etcd_does(tmp_path):
    key, chain = certificate(tmp_path / "tls", "127.0.0.1")
    found = shim(key, chain, script=ENCRYPTED)

    assert found.stdout == "hidden\n", found.stderr


# -- the others --------------------------------------------------------------------------------


def test_collectd_is_for_no_fleet():
    devices = DeviceList("collectd")

    assert devices.add(CONFIG, "config.yaml") == [
        "config.yaml: fleet: found one, expected devices: identifiers of collectd name the host, so"
        " that each takeover would begin all series anew; let Telegraf or rct-collector daemon take"
        " part"
    ]
    assert devices.members == {}


class Manager:
    watchdog_s = None

    def __getattr__(self, name):
        return lambda *words: None


@pytest.mark.slow
@pytest.mark.measured
def test_the_daemon_takes_part(tmp_path):
    async def main(loop):
        site = Site(loop)
        path = tmp_path / "config.yaml"
        config = Config.parse(CONFIG)
        fleet = Fleet(config, FakeEngine(site.store), me="one", now=loop.time)

        class Owner:
            name = "one"

        Owner.fleet = fleet
        options = Options(clock=VirtualClock(loop), opener=site.opener(Owner), lock=False)
        logs = Logs(str(path))
        daemon = Daemon(config, path, Manager(), logs, options=options, fleet=fleet)
        task = asyncio.create_task(daemon.run())
        await asyncio.sleep(6)
        assert len(site.asked) == UNITS
        daemon.stop()
        await task
        assert site.store.list("/rct-collector/v1/shard/")[0] == []

    in_virtual_time(main)


def test_a_fleet_and_devices_are_not_exchanged_while_a_process_runs(caplog):
    caplog.set_level(logging.WARNING)
    devices = {"devices": [{"name": "roof", "driver": "rct", "address": "tcp://192.0.2.1"}]}

    class Applies:
        def __init__(self, config):
            self.config = config

        async def apply(self, config):
            from rct_collector.collector import Applied

            self.config = config
            return Applied((), (), (), (), {})

    async def main(loop):
        for before, after in ((CONFIG, devices), (devices, CONFIG)):
            one = Applies(Config.parse(before))
            old = one.config
            await Reloading(lambda after=after: [Config.parse(after)], lambda one=one: [one])()
            assert one.config == old

    in_virtual_time(main)
    assert said(caplog) == 2 * [
        "fleet: counts from the next start on, since devices are one process's or many's"
    ]
