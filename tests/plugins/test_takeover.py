"""A device that one host takes over from another, on its way to a bus."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from contextlib import contextmanager

import pytest
from line_protocol_parser import parse_line

from tests.inverter import running_inverter
from tests.plugins.agent import Agent
from tests.plugins.pipelines import complaints, samples_of, shipped
from tests.processes import wait_for

pytestmark = [pytest.mark.telegraf, pytest.mark.servers, pytest.mark.slow]

#: A few series only, often; all else as in a fleet.
OPTIONS = (
    '    exclude: ["*"]\n    include: ["inverter_power.*", "inverter_grid.*"]\n'
    "    intervals: {fast: 1s}\n    requests: {per_second: 50, gap: 5ms}\n"
)

STREAM = "TAKEOVER"

#: Rounds of each host.
ROUNDS = 4


class Host:
    """A computer with a Telegraf and a shim, which can be lost from one moment to the next."""

    def __init__(self, telegraf, folder, address, output):
        folder.mkdir()
        config = folder / "config.yaml"
        config.write_text(
            f"state_dir: {folder}/state\ndevices:\n"
            f"  - name: roof\n    driver: rct\n    address: {address}\n{OPTIONS}"
        )
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


def to_nats(nats):
    """The shipped output, into a stream of its own."""
    return shipped(
        "outputs/nats.conf",
        server=("nats://localhost:4222", nats.url),
        subject=("'solar.{{", "'takeover.{{"),
        subjects=('"solar.>"', '"takeover.>"'),
        stream=('"SOLAR"', f'"{STREAM}"'),
    )


def samples(nats):
    return [
        sample
        for _, data in nats.messages(STREAM)
        for sample in samples_of(parse_line(data.decode()))
    ]


def rounds(found):
    return len({sample.time_ns for sample in found if sample.name == "inverter_power"})


def test_who_takes_over_goes_on_with_the_same_series_and_repeats_nothing(telegraf, nats, tmp_path):
    with running_inverter(seed=1, rate=1e6, latency=(0.001, 0.002)) as unit:
        first, second = (
            Host(telegraf, tmp_path / name, unit.address, to_nats(nats))
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
    twice = {key: n for key, n in Counter(sample[:4] for sample in found).items() if n > 1}
    assert twice == {}
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
