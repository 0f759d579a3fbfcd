"""``rct-collector config``: a sample to begin with, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import driver_option

if TYPE_CHECKING:
    from rct_collector.config import DeviceConfig

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
    count = len(config.devices)
    click.echo(f"{path} is right: {count} device{'s' if count > 1 else ''}.")
    _tell(config.devices)


def _tell(devices: tuple[DeviceConfig, ...]) -> None:
    """A line per device; a warning if it is asked for more than it can answer."""
    from rct_collector.cli.budget import device_budget, equipment, plan_of, verdict

    for device in devices:
        series = len(plan_of(device).wanted)
        found = device_budget(device, equipment(device.driver).conditions)
        click.echo(
            f"{device.name}: {device.driver} at {device.address}, up to {series} series,"
            f" {found.needed:.2f} requests/s of {found.pace:g}"
        )
        if not found.fits:
            text = f"Warning: {device.name}: with all equipment it {verdict(found)}"
            click.echo(text, err=True)
