"""``rct-collector history``: what devices remember, from before anybody collected from them."""

from __future__ import annotations

from pathlib import Path

import click

from rct_collector.cli.options import DURATION, TargetOptions, device_options, format_option

#: Words that need no import to be offered; the family tells which of them it keeps.
RESOLUTIONS = ("5m", "day", "month", "year")

#: What is read without --from, by resolution.
_USUAL = {"5m": "-1d", "day": "-31d", "month": "-1y", "year": "2000-01-01"}

_EPILOG = """\b
Examples:
  rct-collector history roof
  rct-collector history 192.0.2.10 --from 2026-11-01 --to 2026-11-08 --format csv -o week.csv
  rct-collector history roof barn --from -90d --format influx -o all.lp
  rct-collector history roof --from -90d --format influx -o all.lp --resume
  rct-collector history roof --resolution day --signals 'pv_*,grid_*'
  rct-collector history roof --from -1y --events --signals none
\b
Into a database:
  rct-collector history roof --from -7d -f influx -o w.lp
  curl --data-binary @w.lp 'http://localhost:8086/write?db=telegraf'
  influx write --bucket telegraf --file w.lp
  rct-collector history roof --from -7d -f openmetrics -o w.om
  promtool tsdb create-blocks-from openmetrics w.om /var/lib/prometheus/data
"""


@click.command("history", short_help="Read what devices remember, into files and databases.",
               epilog=_EPILOG)  # fmt: skip
@click.argument("devices", nargs=-1, metavar="[NAME|ADDRESS]...")
@device_options
@click.option(
    "--from", "start", metavar="TIME",
    help="First time: 2026-11-01, 2026-11-01T06:30, today, -7d, -12h (default: the last day; of"
    " days and longer -31d, -1y, and all years).",
)  # fmt: skip
@click.option(
    "--to", "end", default="now", metavar="TIME",
    help="Up to, but not including, this time (default: now).",
)  # fmt: skip
@click.option(
    "-r", "--resolution", type=click.Choice(RESOLUTIONS), default="5m",
    help="What one value covers (default: 5m, of which units keep 90 days).",
)  # fmt: skip
@click.option(
    "--signals", multiple=True, metavar="GLOB,...",
    help="Only these fields, such as 'pv_*,soc_percent', or none (default: all).",
)  # fmt: skip
@click.option(
    "--events", is_flag=True,
    help="Also what happened: faults, changed settings; as CSV, which is one table, only that.",
)  # fmt: skip
@format_option("How it is written", ["table", "csv", "influx", "json", "openmetrics"])
@click.option(
    "-H", "--header-format", "header", type=click.Choice(["simple", "influx2", "none"]),
    default="simple", help="How CSV begins: with the names of the columns, also with what 'influx"
    " write' wants to know, or not at all (default: simple).",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE", help="Write into this file, when all is there, as --format says, whatever its"
    " name (default: standard output).",
)  # fmt: skip
@click.option(
    "--resume", is_flag=True, help="Go on where a reading into the same file was interrupted."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no summary.")
@click.option(
    "--timeout", type=DURATION, default="30s", metavar="DURATION",
    help="Longest time to wait for a connection (default: 30s).",
)  # fmt: skip
@click.pass_context
def command(  # noqa: PLR0913 - of options
    ctx: click.Context,
    /,
    devices: tuple[str, ...],
    choice: TargetOptions,
    start: str | None,
    end: str,
    resolution: str,
    signals: tuple[str, ...],
    form: str,
    header: str,
    output: Path | None,
    timeout: float,
    **flags: bool,
) -> None:
    """Read what devices remember: values of the last months, and what happened.

    RCT units keep five-minute values for 90 days, and energies of days, months and years for
    longer. They are read with their own times, oldest first, and written with the names that
    back-fill gives them too (inverter_history, inverter_event), so that what is read twice
    overwrites itself.

    A device is named as in the configuration, or by its address. Several are read at the same time.
    A collector on this host that holds the device must be stopped first.

    One day of all signals takes some 50 to 180 requests and up to a minute, all 90 days an hour or
    so. What was read stays when it is interrupted: with -o, --resume goes on.
    """
    from rct_collector.cli.main import start_logging

    start_logging(ctx.obj, "error")
    if output is not None and str(output) == "-":
        output = None
    if header != "simple" and form != "csv":
        raise click.UsageError(f"--header-format {header} needs --format csv")
    if flags["resume"] and output is None:
        raise click.UsageError("--resume needs -o FILE, where what was read is kept")
    from rct_collector.cli.history_output import HistoryRequest, read_history
    from rct_collector.cli.targets import named

    options = HistoryRequest(
        start=start or _USUAL[resolution],
        end=end,
        resolution=resolution,
        signals=tuple(glob for text in signals for glob in text.split(",") if glob),
        form=form,
        header=header,
        output=output,
        timeout=timeout,
        **flags,
    )
    read_history(named(choice, devices), options)
