"""What commands of a fleet share: the configuration that names its engine, and the way there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rct_collector.errors import ConfigError

if TYPE_CHECKING:
    from rct_collector.config.fleet import FleetOptions
    from rct_collector.fleet.engine import Engine

T = TypeVar("T")

Function = TypeVar("Function", bound=Callable[..., Any])


def config_option(function: Function) -> Function:
    """Add the option that names the configuration: ``config``."""
    return click.option(
        "-c", "--config", "config", type=click.Path(path_type=Path), metavar="FILE",
        help="Configuration that has fleet (default: $RCT_COLLECTOR_CONFIG, else"
        " /etc/rct-collector/config.yaml).",
    )(function)  # fmt: skip


def on_engine(config: Path | None, use: Callable[[Engine, FleetOptions], Awaitable[T]]) -> T:
    """Do something with the engine of a fleet.

    Args:
        config: The configuration; None for the usual one.
        use: Gets the engine, and where the fleet is in it.

    Raises:
        ConfigError: The configuration names no fleet, or there is no aiohttp.
        EngineError: The engine does not do it.
    """
    from rct_collector.cli.collect import run
    from rct_collector.config import Config

    path = config or Config.default_path()
    options = Config.load(path).fleet
    if options is None:
        raise ConfigError(
            [f"{path}: fleet is missing, for example fleet: {{etcd: [https://etcd1:2379]}}"]
        )
    from rct_collector.fleet.service import etcd_engine

    async def main() -> T:
        engine = etcd_engine(options)
        try:
            return await use(engine, options)
        finally:
            await engine.close()

    found: T = run(main())
    return found
