"""A device that one host takes over from another, on its way to a bus."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

from tests.inverter import running_inverter
from tests.plugins.agent import Agent
from tests.plugins.pipelines import complaints, samples_of, shipped
from tests.processes import wait_for
from tests.servers.etcd import Etcd

pytestmark = [pytest.mark.telegraf, pytest.mark.servers, pytest.mark.slow]

#: A few series only, often; all else as in a fleet.
OPTIONS = (
    '    exclude: ["*"]\n    include: ["inverter_power.*", "inverter_grid.*"]\n'
    "    intervals: {fast: 1s}\n    requests: {per_second: 50, gap: 5ms}\n"
)

STREAM = "TAKEOVER"

PROGRAM = Path(sys.executable).parent / "rct-collector"

#: Rounds of each host.
ROUNDS = 4


class Host:
    """A computer with a Telegraf and a shim, which can be lost from one moment to the next."""

    def __init__(self, telegraf, folder, what, output):
        folder.mkdir()
        config = folder / "config.yaml"
        config.write_text(f"state_dir: {folder}/state\n{what}")
        self.agent = Agent(telegraf, folder, config, output)

    @contextmanager
    def running(self):
        with self.agent.log.open("w") as log:
            process = subprocess.Popen(
                self.agent.command, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)

    @staticmethod
    def lose(process):
        """All processes at once, as when the power fails."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def devices(**addresses):
    """A list of devices."""
    return "devices:\n" + "".join(
        f"  - name: {name}\n    driver: rct\n    address: {address}\n{OPTIONS}"
        for name, address in addresses.items()
    )


def to_nats(nats, stream=STREAM):
    """The shipped output, into a stream of its own."""
    subject = stream.lower()
    return shipped(
        "outputs/nats.conf",
        server=("nats://localhost:4222", nats.url),
        subject=("'solar.{{", f"'{subject}.{{{{"),
        subjects=('"solar.>"', f'"{subject}.>"'),
        stream=('"SOLAR"', f'"{stream}"'),
    )


def samples(nats, stream=STREAM):
    return [
        sample
        for _, data in nats.messages(stream)
        for sample in samples_of(parse_line(data.decode()))
    ]


def rounds(found, source="roof"):
    """How many of a device there are."""
    of_it = ("source", source)
    return len({s.time_ns for s in found if s.name == "inverter_power" and of_it in s.tags})


def repeated(found):
    """Series and time of what is there more than once."""
    return [key for key, n in Counter(sample[:4] for sample in found).items() if n > 1]


def test_who_takes_over_goes_on_with_the_same_series_and_repeats_nothing(telegraf, nats, tmp_path):
    with running_inverter(seed=1, rate=1e6, latency=(0.001, 0.002)) as unit:
        first, second = (
            Host(telegraf, tmp_path / name, devices(roof=unit.address), to_nats(nats))
            for name in ("first", "second")
        )
        with first.running() as process:
            assert wait_for(lambda: rounds(samples(nats)) >= ROUNDS, 60)
            first.lose(process)
        before = samples(nats)
        with second.running():
            assert wait_for(lambda: rounds(samples(nats)) >= rounds(before) + ROUNDS, 60)
        found = samples(nats)

    assert found[: len(before)] == before
    after = found[len(before) :]
    assert max(sample.time_ns for sample in before) < min(sample.time_ns for sample in after)
    assert repeated(found) == []
    measured = [
        {sample[:3] for sample in part if sample.name in ("inverter_power", "inverter_grid")}
        for part in (before, after)
    ]
    assert measured[0] == measured[1]
    assert not any(key == "host" for sample in found for key, _ in sample.tags)
    assert complaints(first.agent) == complaints(second.agent) == []


def test_the_same_sample_sent_twice_is_there_twice(telegraf, nats, tmp_path):
    """So a fleet must not send one twice: Telegraf gives messages no id that NATS could know."""
    line = "inverter_power,source=twice load_watts=1 1782036000000000000"
    command = ("sh", "-c", f"echo '{line}'; echo '{line}'; exec cat")
    agent = Agent(telegraf, tmp_path, None, to_nats(nats), command=command)
    with agent.running():
        of_it = lambda: [s for s in samples(nats) if ("source", "twice") in s.tags]  # noqa: E731
        assert wait_for(lambda: len(of_it()) == 2, 30), agent.log.read_text()
    assert len(set(of_it())) == 1


def fleet_of(etcd, folder, what):
    """Make a fleet, and tell it of its devices; (what its hosts are configured with, its state)."""
    config, list_of_devices = folder / "fleet.yaml", folder / "devices.yaml"
    config.write_text(f"fleet: {{etcd: '{etcd.endpoint}', ttl: 3s}}\n")
    list_of_devices.write_text(what)

    def call(*words):
        command = [PROGRAM, "fleet", *words, "-c", config]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    done = call("apply", "--shards", "16", list_of_devices)
    assert done.returncode == 0, done.stderr
    return config.read_text(), lambda: json.loads(call("status", "--format", "json").stdout)


def test_a_fleet_goes_on_without_a_host_and_repeats_nothing(telegraf, nats, tmp_path):
    """Each host has a Telegraf and a shim of the fleet; one is lost with all that runs there."""
    pytest.importorskip("aiohttp")
    names = [f"unit{n}" for n in range(4)]
    stream = "FLEET"

    def went_on(before=()):
        found = samples(nats, stream)
        return all(rounds(found, name) >= rounds(before, name) + ROUNDS for name in names)

    def is_shared():
        told = state()
        return told["state"] == "ok" and len(told["members"]) == 2

    with ExitStack() as stack:
        etcd = stack.enter_context(Etcd(tmp_path / "etcd"))
        inverters = [
            stack.enter_context(running_inverter(seed=n, rate=1e6, latency=(0.001, 0.002)))
            for n in range(len(names))
        ]
        addresses = (inverter.address for inverter in inverters)
        what = devices(**dict(zip(names, addresses, strict=True)))
        section, state = fleet_of(etcd, tmp_path, what)
        first, second = (
            Host(telegraf, tmp_path / name, section, to_nats(nats, stream))
            for name in ("first", "second")
        )
        with first.running() as process:
            assert wait_for(went_on, 60), first.agent.log.read_text()
            with second.running():
                assert wait_for(is_shared, 60), second.agent.log.read_text()
                first.lose(process)
                before = samples(nats, stream)
                assert wait_for(lambda: went_on(before), 60), second.agent.log.read_text()
                assert [member["devices"] for member in state()["members"]] == [len(names)]
        found = samples(nats, stream)
    assert repeated(found) == []
    assert not any(key == "host" for sample in found for key, _ in sample.tags)
