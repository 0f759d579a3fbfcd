"""``rct-collector metrics``: what can be collected, and how hard a device is asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import Word, format_option
from rct_collector.model import PollClass

if TYPE_CHECKING:
    from rich.table import Table

    from rct_collector.model import Metric, Series

_EPILOG = """\b
Classes and their default intervals:
  F  fast     10s   power flows, voltages, states, faults
  M  medium   1m    temperatures, insulation, details per phase, cells
  S  slow     5m    energy totals, settings, health
  X  static   1h    identity and configuration
  H  history        from the memory of a unit
\b
Examples:
  rct-collector metrics 'inverter_battery.*' --class M
  rct-collector metrics --format json
  rct-collector metrics --budget --config config.yaml --assume everything
"""


def _installations() -> list[str]:
    from rct_collector.drivers import BUILTIN, driver

    found = (driver(name).tools().installations() for name in BUILTIN)
    return list(dict.fromkeys(name for installations in found for name in installations))


@click.command("metrics", short_help="List the metrics, or how hard a device is asked.",
               epilog=_EPILOG)  # fmt: skip
@click.argument("globs", nargs=-1, metavar="[GLOB]...")
@click.option(
    "--class", "poll", type=click.Choice([*map(str, PollClass)]), help="Only metrics of this class."
)
@click.option("--default", "default", is_flag=True, help="Only metrics that are on by default.")
@format_option("How the list is printed; JSON has one object per series", ["table", "json", "md"])
@click.option("--budget", is_flag=True, help="Requests per second and class, against the pace.")
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), metavar="FILE",
    help="With --budget: the devices of this file instead of one with default options.",
)  # fmt: skip
@click.option(
    "--assume", type=Word("assumption", _installations), metavar="WHAT",
    help="With --budget: what the devices have, such as one of the scenarios of 'simulate'"
    " (default: what is usual in their family).",
)  # fmt: skip
@click.option(
    "--condition", "conditions", multiple=True, metavar="NAME",
    help="With --budget: exactly this equipment instead, such as genA, bat or 'mod 0'.",
)  # fmt: skip
def command(
    globs: tuple[str, ...],
    poll: str | None,
    form: str,
    config: Path | None,
    assume: str | None,
    conditions: tuple[str, ...],
    **flags: bool,
) -> None:
    """List the metrics that match any GLOB, all by default.

    A GLOB matches measurement.field, or measurement{tag=value}.field for single series.
    """
    if flags["budget"]:
        if globs or poll or flags["default"] or form != "table":
            raise click.UsageError("--budget goes with --config, --assume and --condition only")
        from rct_collector.cli.budget import print_budget

        print_budget(config, assume, conditions)
        return
    if config or conditions:
        raise click.UsageError("--config and --condition need --budget")
    _print_list(_chosen(globs, poll, default=flags["default"]), form)


def _chosen(globs: tuple[str, ...], poll: str | None, *, default: bool) -> list[Series]:
    from rct_collector.config import matches
    from rct_collector.docs.metrics import every_series

    return [
        series
        for series in every_series()
        if (not globs or matches(tuple(globs), series))
        and (poll is None or series.metric.poll == poll)
        and (series.metric.default or not default)
    ]


def _print_list(found: list[Series], form: str) -> None:
    from rct_collector.docs import metrics as tables

    if form == "json":
        from rct_collector.cli.console import write_json

        write_json(tables.objects(found))
    elif form == "md":
        click.echo(tables.markdown(found), nl=False)
    elif not found:
        click.echo("No metric matches.", err=True)
    else:
        _print_table(found)


def _print_table(found: list[Series]) -> None:
    """For people by measurement; in a pipe with whole names, to be searched in."""
    from rct_collector.cli.console import console, show
    from rct_collector.docs.metrics import pattern, values_of
    from rct_collector.format import span

    metrics = list(dict.fromkeys(series.metric for series in found))
    out = console()
    if not out.is_terminal:
        show(out, _table("metric", [(pattern(metric), metric) for metric in metrics]))
        return
    groups: dict[str, list[Metric]] = {}
    for metric in metrics:
        dimensions = [f"{key}={span(values)}" for key, values in values_of(metric)]
        groups.setdefault("  ".join([metric.measurement, *dimensions]), []).append(metric)
    for name, rows in groups.items():
        measurement, _, tags = name.partition("  ")
        click.echo(click.style(measurement, bold=True) + click.style(f"  {tags}", dim=True))
        show(out, _table("field", [(metric.field, metric) for metric in rows]))
        click.echo()
    click.echo(f"{len(metrics)} metrics, {len(found)} series")


def _table(first: str, rows: list[tuple[str, Metric]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in (first, "unit", "kind", "class", "default"):
        table.add_column(head, no_wrap=True)
    table.add_column("meaning")
    for name, metric in rows:
        default = "on" if metric.default else metric.option or "off"
        unit = metric.unit.symbol
        table.add_row(name, unit, metric.kind, metric.poll, default, metric.description)
    return table
