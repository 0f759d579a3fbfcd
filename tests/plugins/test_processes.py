"""One input of a real Telegraf that is several processes."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

from tests.inverter import running_inverter
from tests.plugins.agent import Agent
from tests.processes import wait_for

pytestmark = [pytest.mark.telegraf, pytest.mark.slow]

OPTIONS = (
    '    exclude: ["*"]\n    include: ["inverter_power.*"]\n'
    "    intervals: {fast: 1s}\n    requests: {per_second: 50, gap: 5ms}\n"
)

#: Those of the first process of two, and of the second: by the hash of the name.
FIRST, SECOND = ("unit0", "unit4"), ("unit1", "unit2")


def parts(folder):
    """Share → process of the shim, and "" for who looks after them, that are at work there."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (process / "cmdline").read_text().split("\0")
            if "-m" in words and str(folder) in "".join(words):
                found["" if "rct_collector.adapter.children" in words else words[-2]] = int(
                    process.name
                )
    return found


def test_a_process_that_is_lost_is_started_again_and_the_others_go_on(telegraf, tmp_path):
    config, written = tmp_path / "c.yaml", tmp_path / "out"
    with ExitStack() as units:
        text = f"state_dir: {tmp_path}/state\nprocesses: 2\ndevices:\n"
        for n, name in enumerate(FIRST + SECOND):
            unit = units.enter_context(running_inverter(seed=n, rate=1e6, latency=(0.001, 0.002)))
            text += f"  - name: {name}\n    driver: rct\n    address: {unit.address}\n{OPTIONS}"
        config.write_text(text)
        output = f'[[outputs.file]]\n  files = ["{written}"]\n  data_format = "influx"\n'
        agent = Agent(telegraf, tmp_path, config, output)

        def rounds(name):
            return len({line["time"] for line in lines(written) if of(line) == name})

        def all_have(more, names=FIRST + SECOND):
            least = {name: rounds(name) + more for name in names}
            return lambda: all(rounds(name) >= least[name] for name in names)

        with agent.running():
            assert wait_for(all_have(2), 60), agent.log.read_text()
            before = parts(tmp_path)
            os.kill(before["1/2"], signal.SIGKILL)
            assert wait_for(all_have(3), 60), agent.log.read_text()
            after = parts(tmp_path)
        assert wait_for(lambda: not parts(tmp_path), 30)
    assert before.keys() == after.keys() == {"", "0/2", "1/2"}
    assert {share for share in before if before[share] != after[share]} == {"1/2"}
    assert {of(line) for line in lines(written)} == {*FIRST, *SECOND}
    [told] = [text for text in agent.messages() if "has ended" in text]
    assert "W! [inputs.execd::rct]" in told
    assert "process 1 of 2 has ended by signal 9; it is started again in 1 s" in told
    assert agent.messages() == [told]


def of(line):
    return line["tags"]["source"]


def lines(path):
    """All of power that Telegraf could read and has written; a torn one would be none of it."""
    if not path.exists():
        return []
    whole = [text for text in path.read_text().splitlines(keepends=True) if text.endswith("\n")]
    return [line for line in map(parse_line, whole) if line["measurement"] == "inverter_power"]
