"""``rct-collector settings``: what may be set in a unit, and setting it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rct_collector.cli.options import format_option

_EPILOG = """\b
Examples:
  rct-collector settings list roof
  rct-collector settings get roof output_priority
  rct-collector settings set roof output_priority sbu
  rct-collector settings set roof battery_float_volts 53.8 --dry-run
  rct-collector settings set roof buzzer off --yes
"""


def _config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
        help="The configuration (default: the one that the collector reads).",
    )(function)  # fmt: skip


@click.group("settings", short_help="Show and write settings of a unit.", epilog=_EPILOG)
def command() -> None:
    """Show what can be set in a unit, and set it.

    Nothing is ever written unless the option 'writes' of the device names it. Where a collector on
    this host holds the device, it does the work; else the unit is asked from here. Only units of
    Voltronic have settings.
    """


@command.command("list", short_help="Show all settings of a unit.")
@click.argument("device")
@_config_option
@format_option("How they are printed")
@click.pass_context
def list_command(ctx: click.Context, device: str, config: Path | None, form: str) -> None:
    """Show what can be set in DEVICE: its present value, what it takes, and whether it may be."""
    from rct_collector.cli.setting import list_settings

    _begin(ctx)
    list_settings(device, config, form)


@command.command("get", short_help="Print the present value of settings.")
@click.argument("device")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_config_option
@click.pass_context
def get_command(
    ctx: click.Context, device: str, names: tuple[str, ...], config: Path | None
) -> None:
    """Print the present value of each NAME of DEVICE, one line each."""
    from rct_collector.cli.setting import get_settings

    _begin(ctx)
    get_settings(device, config, names)


@command.command("set", short_help="Write one setting, and see whether it shows.")
@click.argument("device")
@click.argument("name")
@click.argument("value")
@_config_option
@click.option("-n", "--dry-run", "dry", is_flag=True, help="Do all but write it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.pass_context
def set_command(  # noqa: PLR0913 - of options
    ctx: click.Context,
    device: str,
    name: str,
    value: str,
    config: Path | None,
    dry: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
) -> None:
    """Write VALUE to the setting NAME of DEVICE, once, and read it back for up to a minute.

    The last line of the output is what became of it: applied, accepted_not_visible (the unit has
    said yes, but does not show it yet), refused (why is told before) or unknown.
    """
    from rct_collector.cli.setting import set_setting

    _begin(ctx)
    set_setting(device, config, name, value, dry=dry, yes=yes)


def _begin(ctx: click.Context) -> None:
    from rct_collector.cli.main import start_logging

    start_logging(ctx.obj, "error")
