"""``rct-collector config``: a sample to begin with, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import driver_option
from rct_collector.errors import ConfigError

if TYPE_CHECKING:
    from rct_collector.config import DeviceConfig
    from rct_collector.device.polling.budget import Budget

_EPILOG = """\b
Examples:
  rct-collector config sample > config.yaml
  rct-collector config check config.yaml
"""


@click.group("config", short_help="Print a sample configuration, or check a file.", epilog=_EPILOG)
def command() -> None:
    """Print a sample configuration, or check a file."""


@command.command("sample", short_help="Print a complete, commented configuration.")
@driver_option("the device in it")
def sample(driver: str) -> None:
    """Print a complete configuration; every option is explained and shows its default."""
    from rct_collector.docs.samples import config_yaml

    click.echo(config_yaml(driver), nl=False)


@command.command("check", short_help="Tell all mistakes of a configuration.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
def check(file: Path | None) -> None:
    """Check a configuration FILE and print all mistakes at once.

    The exit status is 2 if there are any. Without FILE, $RCT_COLLECTOR_CONFIG or
    /etc/rct-collector/config.yaml is checked.
    """
    from rct_collector.config import Config

    path = file or Config.default_path()
    config = Config.load(path)
    if config.fleet is not None:
        click.echo(f"{path} is right: a process of the fleet at {config.fleet.prefix}.")
        return
    budgets = _budgets(config.devices, str(path))
    count = len(config.devices)
    click.echo(f"{path} is right: {count} device{'s' if count > 1 else ''}.")
    _tell(config.devices, budgets)


def _budgets(devices: tuple[DeviceConfig, ...], path: str) -> list[Budget]:
    """What each device takes, with the equipment that is usual.

    Raises:
        ConfigError: It takes longer on the line of a device than there is time.
    """
    from rct_collector.cli.budget import device_budget, equipment, verdict, would_fit

    found = [device_budget(device, equipment(device.driver).conditions) for device in devices]
    problems = []
    for device, budget in zip(devices, found, strict=True):
        if budget.timed and not budget.fits:
            intervals = ", ".join(f"{key}: {value}" for key, value in would_fit(budget).items())
            text = f"{path}: {device.name}: {verdict(budget).partition(';')[0]}"
            problems.append(f"{text}; intervals: {{{intervals}}} would fit")
    if problems:
        raise ConfigError(problems)
    return found


def _tell(devices: tuple[DeviceConfig, ...], budgets: list[Budget]) -> None:
    """A line per device; a warning if it is asked for more than it can answer."""
    from rct_collector.cli.budget import UNASKED, plan_of, verdict
    from rct_collector.transport import manner

    for device, found in zip(devices, budgets, strict=True):
        if not found.pace:
            ours = manner(device.address.options)
            does = f"the collector {ours}" if ours else UNASKED
            click.echo(f"{device.name}: {device.driver} at {device.address}, {does}")
            continue
        series = len(plan_of(device).wanted)
        load = (
            f"{found.needed:.0%} of the line's time"
            if found.timed
            else f"{found.needed:.2f} requests/s of {found.pace:g}"
        )
        click.echo(
            f"{device.name}: {device.driver} at {device.address}, up to {series} series, {load}"
        )
        if not found.fits:
            text = f"Warning: {device.name}: with all equipment it {verdict(found)}"
            click.echo(text, err=True)
