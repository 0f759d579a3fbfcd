"""``rct-collector discovery``: what Home Assistant is to know of a unit, without Telegraf."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from rct_collector.cli.options import DURATION, TargetOptions, target_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rct_collector.adapter.home_assistant.topics import Topics
    from rct_collector.cli.snapshot import Snapshot
    from rct_collector.cli.targets import Targets
    from rct_collector.config import DeviceConfig
    from rct_collector.drivers.base import Driver
    from rct_collector.model import Series

_EPILOG = """\b
Examples:
  rct-collector discovery --device roof |
      mosquitto_pub -r -t homeassistant/device/rct-roof/config -s
  rct-collector discovery --topics | while read -r topic document; do
      printf %s "$document" | mosquitto_pub -r -t "$topic" -s
  done
  rct-collector discovery --simulate --agent telegraf
"""


@click.command("discovery", short_help="Tell Home Assistant what units have.", epilog=_EPILOG)
@target_options
@click.option(
    "--agent", type=click.Choice(["collectd", "telegraf"]), default="collectd",
    help="Whose messages have the values: those of collectd's plugin mqtt, or of Telegraf with"
    " outputs/home_assistant.conf, which does all of this by itself (default: collectd).",
)  # fmt: skip
@click.option(
    "--host", metavar="NAME", help="collectd's name of its host (default: that of this one)."
)
@click.option(
    "--root", metavar="TOPIC", default="collectd",
    help="What collectd's topics begin with, its option Prefix (default: collectd).",
)  # fmt: skip
@click.option(
    "--topics", is_flag=True,
    help="Print one line for each unit: its topic, a blank and its document.",
)  # fmt: skip
@click.option(
    "--timeout", type=DURATION, default="90s", metavar="DURATION",
    help="Longest time to take for reading (default: 90s).",
)  # fmt: skip
@click.pass_context
def command(
    ctx: click.Context,
    choice: TargetOptions,
    agent: str,
    host: str | None,
    root: str,
    topics: bool,  # noqa: FBT001
    timeout: float,
) -> None:
    """Print the document by which Home Assistant learns what a unit has.

    Each unit is read once for that. The document has all that was found: send it to the broker
    again when the unit has got something new. Nothing of this is needed with Telegraf, whose output
    brings it by itself.
    """
    from rct_collector.cli.main import start_logging
    from rct_collector.cli.read import read_all, tell
    from rct_collector.cli.targets import targets

    start_logging(ctx.obj, "error")
    found = targets(choice)
    snapshots, results = read_all(found, timeout)
    units = [unit for snapshot in snapshots for unit in snapshot.each if unit.measured]
    if len(units) > 1 and not topics:
        names = ", ".join(unit.title for unit in units)
        raise click.UsageError(f"there are several ({names}): take --topics, or choose a --device")
    for topic, document in documents(units, _topics(found, agent, host, root), found.state_dir):
        click.echo(f"{topic} {document}" if topics else document)
    tell(snapshots, results)


def _topics(found: Targets, agent: str, host: str | None, root: str) -> Topics:
    from rct_collector.adapter.home_assistant.topics import CollectdTopics, TelegrafTopics

    if agent == "telegraf":
        return TelegrafTopics(found.prefix)
    if host is None:
        import socket

        host = socket.getfqdn()
    return CollectdTopics(host, root, found.prefix)


def documents(
    units: list[Snapshot], topics: Topics, folder: Path | None
) -> Iterator[tuple[str, str]]:
    """Topic and document of each unit.

    Args:
        units: What was read of them.
        topics: Where their values are.
        folder: Where what was learnt of them is kept.
    """
    from rct_collector.adapter.home_assistant.discovery import Described

    devices: dict[str, _Known] = {}
    for snapshot in units:
        unit = Described(snapshot.config.name, snapshot.unit, snapshot.driver.vendor)
        unit.take((series, reading.value) for series, reading in snapshot.readings.items())
        known = devices.get(snapshot.config.name)
        if known is None:
            known = _Known(snapshot.config, snapshot.driver, folder)
            devices[snapshot.config.name] = known
        unit.take_settings(known)
        yield unit.topic, unit.document(known, topics)


class _Settings:
    """What may be set in a unit, as whoever collects from it tells, or the unit itself."""

    def __init__(self, config: DeviceConfig, folder: Path | None) -> None:
        """Ask.

        Args:
            config: The device; it allows something to be set.
            folder: Where what was learnt of it is kept.
        """
        from rct_collector.cli.collect import run
        from rct_collector.cli.setting import access

        async def told() -> list[dict[str, Any]]:
            async with access(config, folder) as way:
                return await way.describe()

        self.writes = config.options.permission.names
        self._described: list[dict[str, Any]] = run(told())

    def describe(self) -> list[dict[str, Any]]:
        """What there is."""
        return self._described


class _Known:
    """What is known of a device that nobody collects from here."""

    def __init__(self, config: DeviceConfig, driver: Driver, folder: Path | None) -> None:
        """Work out how often its values will come, if it has all that units of its family have.

        Args:
            config: The device.
            driver: Its family.
            folder: Where what was learnt of it is kept.
        """
        from rct_collector.device.polling.budget import budget
        from rct_collector.device.polling.plan import Plan

        self.driver = driver
        self._plan = Plan(driver, config)
        self._budget = budget(self._plan, set(driver.conditions), config)
        self._config = config
        self._folder = folder

    @cached_property
    def settings(self) -> _Settings | None:
        """What may be set; asked for once, when somebody wants to know."""
        if not self._config.options.permission.names:
            return None
        return _Settings(self._config, self._folder)

    def every(self, series: Series) -> float:
        """Seconds from one value of a series to the next."""
        pushed = self.driver.pushed
        if self.driver.polled is None and pushed is not None:
            return pushed.heartbeat_s if series.metric.own else pushed.record_s
        return self._budget.every(series, self._plan)
