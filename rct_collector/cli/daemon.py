"""``rct-collector daemon``: the collector as a service, for hosts without an agent."""

from __future__ import annotations

from pathlib import Path

import click

_EPILOG = """\b
Examples:
  rct-collector daemon --config config.yaml
  systemctl reload rct-collector
"""


@click.command("daemon", short_help="Collect as a service, without an agent.", epilog=_EPILOG)
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), metavar="FILE",
    help="The configuration (default: $RCT_COLLECTOR_CONFIG, else /etc/rct-collector/config.yaml).",
)  # fmt: skip
@click.pass_obj
def command(level: str | None, path: Path | None) -> None:
    """Collect from the devices of a configuration until it is told to end.

    For hosts without Telegraf and collectd: it holds the devices, and answers those who ask for
    their values. It tells systemd how it does.

    SIGHUP has the configuration read again: devices are added, removed and changed without a
    disturbance of the others. A file with a mistake changes nothing. SIGTERM ends it.
    """
    import asyncio

    from rct_collector.collector import Collector
    from rct_collector.config import Config
    from rct_collector.loop import new_event_loop
    from rct_collector.service.daemon import Daemon
    from rct_collector.service.logs import Logs
    from rct_collector.service.notify import Notifier

    path = path or Config.default_path()
    config = Config.load(path)
    logs = Logs(str(path), level)
    logs.apply(config)
    (config,) = Collector.fitting([config])
    notifier = Notifier.inherited()
    fleet = None
    if config.fleet is not None:
        from rct_collector.fleet.service import Fleet  # few take part in one

        fleet = Fleet(config)

    async def run() -> None:
        await Daemon(config, path, notifier, logs, fleet=fleet).run()

    with asyncio.Runner(loop_factory=lambda: new_event_loop(config.scale)) as runner:
        runner.run(run())
