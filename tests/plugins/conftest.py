"""What the tests of the agents' plugins share."""

from __future__ import annotations

import subprocess

import pytest

from tests.inverter import running_inverter
from tests.plugins.agent import SHIM
from tests.servers.graphite import Carbon, GraphiteWeb
from tests.servers.influxdb import InfluxDB
from tests.servers.mosquitto import Mosquitto
from tests.servers.nats import Nats
from tests.servers.rabbitmq import RabbitMQ


@pytest.fixture(scope="session")
def inverter():
    """One simulated inverter for all tests that only read from it."""
    with running_inverter() as running:
        yield running


def _serving(make):
    """A fixture: one server for all tests of a run, which do not disturb each other."""

    @pytest.fixture(scope="session", name=make.__name__.lower())
    def fixture(tmp_path_factory):
        with make(tmp_path_factory.mktemp(make.__name__.lower())) as server:
            yield server

    return fixture


influxdb, carbon, mosquitto, nats, rabbitmq = map(
    _serving, (InfluxDB, Carbon, Mosquitto, Nats, RabbitMQ)
)


@pytest.fixture(scope="session")
def graphite_web(carbon, tmp_path_factory):
    """Graphite's web application over the files of ``carbon``."""
    with GraphiteWeb(tmp_path_factory.mktemp("graphite"), carbon) as server:
        yield server


@pytest.fixture
def write_config(tmp_path):
    """Write a collector configuration; returns its path."""

    def write(*addresses, extra="", options=""):
        devices = "".join(
            f"  - name: unit{n}\n    driver: rct\n    address: {address}\n{extra}"
            for n, address in enumerate(addresses)
        )
        path = tmp_path / "config.yaml"
        path.write_text(f"state_dir: {tmp_path}/state\n{options}devices:\n{devices}")
        return path

    return write


class ShimProcess:
    """The shim as Telegraf runs it: three pipes."""

    def __init__(self, config, *options, **more):
        self.process = subprocess.Popen(
            [SHIM, "--config", config, *options],
            stdin=subprocess.PIPE,
            stdout=more.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            **more,
        )

    def finish(self, timeout=30):
        """Close stdin and wait; (lines of stdout, lines of stderr, exit code)."""
        out, err = self.process.communicate(timeout=timeout)
        return (
            (out or b"").decode().splitlines(),
            err.decode().splitlines(),
            self.process.returncode,
        )

    def lines_until(self, word):
        """Read stdout until a line with a word came."""
        return _until(word, self.process.stdout)

    def log_until(self, word):
        """Read stderr until a line with a word came."""
        return _until(word, self.process.stderr)


def _until(word, pipe):
    """Lines of a pipe, up to the first one with a word."""
    found = []
    for raw in pipe:
        found.append(raw.decode().rstrip("\n"))
        if word in found[-1]:
            return found
    raise AssertionError(f"the shim ended before {word!r}: {found}")


@pytest.fixture
def shim():
    """Start shims that do not outlive the test."""
    started = []

    def start(config, *options, **more):
        started.append(ShimProcess(config, *options, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        for pipe in (one.process.stdin, one.process.stdout, one.process.stderr):
            if pipe:
                pipe.close()
