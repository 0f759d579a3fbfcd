"""What commands of a fleet share: the configuration that names its engine, and the way there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rct_collector.errors import ConfigError, MissingToolError

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
        ConfigError: The configuration names no fleet.
        MissingToolError: There is no aiohttp.
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
    try:
        from rct_collector.fleet.etcd import Etcd
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise MissingToolError(
            "a fleet needs aiohttp: the Debian package python3-aiohttp, or with pip the extra"
            " rct-collector[fleet]"
        ) from None

    async def main() -> T:
        engine = Etcd(options)
        try:
            return await use(engine, options)
        finally:
            await engine.close()

    found: T = run(main())
    return found
