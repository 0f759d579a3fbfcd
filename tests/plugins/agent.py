"""A real Telegraf at work, with the shim as its input, or another program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from rct_collector.config import Config
from rct_collector.device.polling.plan import Plan
from rct_collector.drivers import driver
from rct_collector.model import Kind

SHIM = Path(sys.executable).parent / "rct-collector-telegraf"

#: Tags that tell devices apart, not series: our own, the agent's, and labels of the tests.
COMMON_TAGS = ("source", "vendor", "host", "site", "inverter")

AGENT = """
[agent]
  interval = "1s"
  flush_interval = "200ms"
  omit_hostname = true
  skip_processors_after_aggregators = true
[[inputs.execd]]
  alias = "rct"
  command = {command}
  signal = "{signal}"
  restart_delay = "1s"
  data_format = "influx"
"""


class Agent:
    """A Telegraf at work.

    Args:
        binary: The program.
        folder: Where its files are.
        config: Of the collector.
        outputs: All but the agent and its input.
        signal_name: The option ``signal`` of the input.
        command: The input's program and its arguments, in place of the shim.
    """

    def __init__(self, binary, folder, config, outputs, signal_name="none", *, command=None):
        self.path = folder / "telegraf.conf"
        self.log = folder / "telegraf.log"
        words = [str(word) for word in command or (SHIM, "--config", config)]
        agent = AGENT.format(command=json.dumps(words), signal=signal_name)
        self.path.write_text(agent + outputs)
        self.command = [binary, "--config", str(self.path), "--strict-env-handling"]

    @contextmanager
    def running(self):
        with self.log.open("w") as log:
            process = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def try_out(self, *more):
        """Metrics and complaints of ``telegraf --test``."""
        done = subprocess.run(
            [*self.command, *more, "--test", "--input-filter", "execd"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        metrics = [line[2:] for line in done.stdout.splitlines() if line.startswith("> ")]
        return metrics, complaints(done.stderr.splitlines())

    def messages(self):
        """See :func:`complaints`."""
        return complaints(self.log.read_text().splitlines())


def complaints(lines):
    """Errors and warnings in Telegraf's log, but for its own race with a program that it stops."""
    return [
        line
        for line in lines
        if re.search(r" [EW]! ", line) and not line.endswith("file already closed")
    ]


def expected_series(scenario, config):
    """Names of all series that a unit of this scenario brings to the first device of a file."""
    plan = Plan(driver("rct"), Config.load(config).devices[0])
    return {
        series_name(s.metric.measurement, dict(s.tags), s.metric.field)
        for s, query, binding in driver("rct").found()
        if s in plan.wanted
        and scenario.has(query.condition)
        and s.metric.kind is not Kind.TEXT
        and not binding.part.endswith(("time", "cell"))
        and not binding.part.startswith(("u_m", "t_m"))
    }


def series_name(measurement, tags, field):
    """A series by the tags that the catalogue knows."""
    own = sorted((k, v) for k, v in tags.items() if k not in COMMON_TAGS)
    return f"{measurement}{own}.{field}"
